"""Where the images come from: `--data`, the variable FER2013, `data/fer2013*`, or the embedded faces.

Finding the source is kept apart from reading it: a path that does not exist is refused before anything slow
is imported.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fer_core.errors import InputError

if TYPE_CHECKING:
    from fer_core.data.dataset import Dataset

SYNTHETIC = "synthetic"
VARIABLE = "FER2013"


@dataclass(frozen=True)
class Source:
    """A data set to read: a path, or None for the embedded faces; and why it was chosen."""

    path: Path | None
    reason: str

    @property
    def text(self) -> str:
        """What `--data` takes to find it again."""
        return SYNTHETIC if self.path is None else str(self.path)

    @property
    def name(self) -> str:
        return SYNTHETIC if self.path is None else self.path.name.partition(".")[0]


def find_source(data: str | None) -> Source:
    """The source that `--data` names, or the default one. Raises InputError where a path does not exist."""
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
    progress: Callable[[int, int], None] = lambda done, total: None,
    unreadable: list[str] | None = None,
) -> "Dataset":
    """The images of `source`, from the cache if they were read before; `progress(done, total)` where it takes long.

    Raises InputError; with `unreadable`, image files that cannot be read are left out and named in it instead.
    """
    if source.path is None:
        from fer_core.data.synthetic import synthetic_faces

        return synthetic_faces()
    path = source.path
    if unreadable is not None and path.is_dir():
        return _decode(path, progress, unreadable)  # the cache holds no data set with images left out
    from fer_core.data.cache import cached

    try:
        return cached(path, lambda: _decode(path, progress))
    except OSError as problem:
        raise InputError(f"{problem.filename or path}: cannot be read ({problem.strerror}).") from None


def _decode(path: Path, progress: Callable[[int, int], None], unreadable: list[str] | None = None) -> "Dataset":
    if path.is_dir():
        from fer_core.data.folder_reader import is_image_folder, read_folder

        if not is_image_folder(path):
            raise InputError(f"{path}: no folder 'train' or 'test' in it. Expected train/CLASS/* and test/CLASS/*.")
        return read_folder(path, progress, unreadable)
    with path.open("rb") as file:
        magic = file.read(4)
    if magic == b"PAR1":
        from fer_core.data.parquet_reader import read_parquet

        return read_parquet(path)
    from fer_core.data.csv_reader import read_csv

    return read_csv(path)


def _existing(path: Path, name: str) -> Path:
    if not path.exists():
        raise InputError(
            f"{name} {path}: no such file or folder. Expected a CSV, a parquet file or an image folder of FER2013, "
            f"or '{SYNTHETIC}' for the embedded faces."
        )
    return path.resolve()
