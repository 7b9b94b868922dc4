"""`python -m fer_core.data PATH`: audit a data set."""

import json
import sys
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
    parser.add_argument("--labels", metavar="CSV", help=LABELS_HELP)
    parser.add_argument("--subjects", metavar="PATTERN", help=SUBJECTS_HELP)
    parser.add_argument(
        "--set", action="append", metavar="NAME=VALUE", help="as of study.run, such as data.side=96; repeatable"
    )
    options = parser.parse_args(arguments)
    sheet = Path(options.sheet) if options.sheet else None
    if sheet is not None and not sheet.parent.is_dir():
        raise InputError(f"--sheet {sheet}: there is no folder {sheet.parent}.")

    source = find_source(options.path, options.labels, options.subjects)
    form = TrialConfig().override(assignments(options.set)).data.form
    print(f"reading {source.text}", file=sys.stderr)

    from rich.console import Console

    from fer_core.data.progress import read_with_progress

    unreadable: list[str] = []
    dataset = read_with_progress(source, Console(stderr=True), form, unreadable)

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
    return 0


def _photographs(dataset: "Dataset") -> "dict[str, list[Repeated]]":
    from rich.console import Console
    from rich.progress import Progress

    from fer_core.data.photographs import comparisons, photographs

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        bar = bars.add_task("comparing images", total=comparisons(dataset))
        return photographs(dataset, lambda compared: bars.advance(bar, compared))


if __name__ == "__main__":
    run_command(main)
