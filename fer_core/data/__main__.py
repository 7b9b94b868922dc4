"""`python -m fer_core.data PATH`: audit a data set."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fer_core.command_line import Parser, assignments, run_command
from fer_core.config import TrialConfig
from fer_core.data.sources import DATA_HELP, LABELS_HELP, SUBJECTS_HELP, find_source
from fer_core.errors import InputError

if TYPE_CHECKING:
    from fer_core.data.dataset import Dataset
    from fer_core.data.photographs import Repeated

EXAMPLES = """examples:
  python -m fer_core.data fer2013.csv
  python -m fer_core.data faces/ --sheet faces.png
  python -m fer_core.data fer2013.parquet --json | jq .across
  python -m fer_core.data fer2013.csv --photographs                              which of them are in training, too
  python -m fer_core.data fer2013.csv --without-photographs unseen.npz           and a copy without those
  python -m fer_core.data fer2013.csv --labels fer2013new.csv                    with FER+'s labels
  python -m fer_core.data ckplus/ --subjects '^S[0-9]+'                          who is in which part
  python -m fer_core.data cats/ --set data.side=96 --set data.colour=true        other classes, in another form

Exit status: 0 done, 2 the command or its input is wrong."""


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(
        prog="fer_core.data",
        description="Audit a data set: counts, identical images within and across splits, constant images.",
        examples=EXAMPLES,
    )
    parser.add_argument("path", help=f"{DATA_HELP}, or 'synthetic' for the embedded faces")
    parser.add_argument("--json", action="store_true", help="print everything as JSON, with the rows concerned")
    parser.add_argument(
        "--sheet", metavar="PNG", help="write a contact sheet of every class and of the suspicious images"
    )
    parser.add_argument(
        "--photographs",
        action="store_true",
        help="also find photographs that are in two parts, identical or in another crop, size or brightness; half a "
        "minute for FER2013",
    )
    parser.add_argument(
        "--without-photographs",
        metavar="NPZ",
        help="also write a copy whose Training shows no photograph of the other parts, for study.run --data; a "
        "minute for FER2013",
    )
    parser.add_argument("--labels", metavar="CSV", help=LABELS_HELP)
    parser.add_argument("--subjects", metavar="PATTERN", help=SUBJECTS_HELP)
    parser.add_argument(
        "--set", action="append", metavar="NAME=VALUE", help="as of study.run, such as data.side=96; repeatable"
    )
    options = parser.parse_args(arguments)
    sheet, unseen = (Path(name) if name else None for name in (options.sheet, options.without_photographs))
    for option, path in (("--sheet", sheet), ("--without-photographs", unseen)):
        if path is not None and not path.parent.is_dir():
            raise InputError(f"{option} {path}: there is no folder {path.parent}.")
    if unseen is not None and unseen.suffix != ".npz":
        raise InputError(f"--without-photographs {unseen}: expected the name of a .npz file.")

    source = find_source(options.path, options.labels, options.subjects)
    if unseen is not None and unseen.resolve() == source.path:
        raise InputError(f"--without-photographs {unseen}: is the data itself. Choose another name.")
    form = TrialConfig().override(assignments(options.set)).data.form
    print(f"reading {source.text}", file=sys.stderr)

    from rich.console import Console

    from fer_core.data.progress import read_with_progress

    unreadable: list[str] = []
    dataset = read_with_progress(source, Console(stderr=True), form, unreadable)
    of_images = {"--sheet": sheet, "--photographs": options.photographs, "--without-photographs": unseen}
    if dataset.features and (asked := [option for option, given in of_images.items() if given]):
        raise InputError(f"{asked[0]}: is for images, {options.path} holds {dataset.features}.")

    from fer_core.data.audit import audit

    found = audit(dataset, unreadable, _photographs(dataset) if options.photographs else None)
    if options.json:
        print(json.dumps(found.as_dict()))
    else:
        from fer_core.data.audit_text import audit_text

        print(audit_text(found))
    if sheet is not None:
        from fer_core.data.sheet import write_sheet

        write_sheet(dataset, found, sheet)
        print(f"wrote {sheet}", file=sys.stderr)
    if unseen is not None:
        _write_unseen(dataset, unseen)
    return 0


def _photographs(dataset: "Dataset") -> "dict[str, list[Repeated]]":
    from fer_core.data.photographs import comparisons, photographs

    with _comparing(comparisons(dataset)) as advance:
        return photographs(dataset, advance)


def _write_unseen(dataset: "Dataset", path: Path) -> None:
    from fer_core.data.array_writer import write_arrays
    from fer_core.data.dataset import TRAINING
    from fer_core.data.photographs import without_photographs

    given = int((dataset.usages == TRAINING).sum())
    if given in (0, len(dataset.usages)):
        raise InputError(f"--without-photographs {path}: {dataset.name} has one part, expected Training and another.")
    with _comparing(None) as advance:
        left = without_photographs(dataset, advance)
    write_arrays(left, path)
    out = len(dataset.labels) - len(left.labels)
    print(f"wrote {path}, without {out:,} of {given:,} images of Training", file=sys.stderr)


@contextmanager
def _comparing(total: int | None) -> Iterator[Callable[[int], object]]:
    """A bar for so many pairs of images; None for as many as it takes. Yields what it hears by."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        bar = bars.add_task("comparing images", total=total)
        yield lambda compared: bars.advance(bar, compared)


if __name__ == "__main__":
    run_command(main)
