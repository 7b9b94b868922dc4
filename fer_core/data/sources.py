"""Where the images come from: `--data`, the variable FER2013, `data/fer2013*`, or the embedded faces.

Finding the source is kept apart from reading it: a path that does not exist is refused before anything slow
is imported.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fer_core.errors import InputError
from fer_core.form import PAPERS, Form

if TYPE_CHECKING:
    from fer_core.data.dataset import Dataset

SYNTHETIC = "synthetic"
VARIABLE = "FER2013"
DATA_HELP = "FER2013 as CSV, parquet or image folder, other images as folder, parquet or .npz (docs/data.md)"
LABELS_HELP = "FER+'s votes (fer2013new.csv) instead of FER2013's own labels; --data is FER2013 as one file"


@dataclass(frozen=True)
class Source:
    """A data set to read: a path, or None for the embedded faces; and why it was chosen. labels: FER+'s votes, to be
    taken instead of its own labels.
    """

    path: Path | None
    reason: str
    labels: Path | None = None

    @property
    def text(self) -> str:
        """What `--data` takes to find it again."""
        return SYNTHETIC if self.path is None else str(self.path)

    @property
    def name(self) -> str:
        return SYNTHETIC if self.path is None else self.path.name.partition(".")[0]


def find_source(data: str | None, labels: str | None = None) -> Source:
    """The source that `--data` names, or the default one, with the labels of `--labels`.

    Raises InputError where a path does not exist, and where there are labels for what is not FER2013 in one file.
    """
    source = _find(data)
    if labels is None:
        return source
    if source.path is None or source.path.is_dir():
        raise InputError(f"--labels {labels}: are for FER2013 as one CSV or parquet file, --data is {source.text}.")
    if not Path(labels).is_file():
        raise InputError(f"--labels {labels}: no such file. Expected the votes of FER+, fer2013new.csv.")
    return replace(source, labels=Path(labels).resolve())


def _find(data: str | None) -> Source:
    if data == SYNTHETIC:
        return Source(None, "as asked")
    if data is not None:
        return Source(_existing(Path(data), "--data"), "as asked")
    if os.environ.get(VARIABLE):
        return Source(_existing(Path(os.environ[VARIABLE]), VARIABLE), f"from the variable {VARIABLE}")
    for path in sorted(Path("data").glob("fer2013*")):
        return Source(path.resolve(), "found in data/")
    return Source(None, f"no --data, no variable {VARIABLE}, no data/fer2013*")


def read(
    source: Source,
    form: Form = PAPERS,
    progress: Callable[[int, int], None] = lambda done, total: None,
    unreadable: list[str] | None = None,
) -> "Dataset":
    """The images of `source` in `form`, from the cache if they were read before; `progress(done, total)` where it
    takes long.

    Raises InputError; with `unreadable`, image files that cannot be read are left out and named in it instead.
    """
    if source.path is None:
        from fer_core.data.synthetic import synthetic_faces

        return synthetic_faces(form=form)
    path = source.path
    if unreadable is not None and path.is_dir():
        return _decode(path, form, progress, unreadable)  # the cache holds no data set with images left out
    from fer_core.data.cache import cached

    try:
        dataset = cached(path, form, lambda: _decode(path, form, progress))
    except OSError as problem:
        raise InputError(f"{problem.filename or path}: cannot be read ({problem.strerror}).") from None
    if source.labels is None:
        return dataset
    from fer_core.data.ferplus import with_votes

    return with_votes(dataset, source.labels)


def _decode(
    path: Path, form: Form, progress: Callable[[int, int], None], unreadable: list[str] | None = None
) -> "Dataset":
    if path.is_dir():
        from fer_core.data.folder_reader import is_image_folder, read_folder
        from fer_core.data.hub_reader import read_hub, shards

        if is_image_folder(path):
            return read_folder(path, form, progress, unreadable)
        if files := shards(path):
            return read_hub(path.name, files, form, progress, unreadable)
        raise InputError(
            f"{path}: no folder 'train' or 'test' in it. Expected train/CLASS/* and test/CLASS/*, CLASS/* or "
            "train*.parquet and test*.parquet."
        )
    with path.open("rb") as file:
        magic = file.read(4)
    if magic == b"PAR1":
        from fer_core.data.hub_reader import holds_images, read_hub
        from fer_core.data.parquet_reader import read_parquet

        return read_hub(path.stem, [(path, 0)], form, progress) if holds_images(path) else read_parquet(path, form)
    if path.suffix == ".npz":
        from fer_core.data.array_reader import read_arrays

        return read_arrays(path, form)
    from fer_core.data.csv_reader import read_csv

    return read_csv(path, form)


def _existing(path: Path, name: str) -> Path:
    if not path.exists():
        raise InputError(
            f"{name} {path}: no such file or folder. Expected FER2013 or other images as a CSV, a parquet file, a "
            f".npz file or a folder, or '{SYNTHETIC}' for the embedded faces."
        )
    return path.resolve()
