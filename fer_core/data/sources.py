"""Where the images come from: `--data`, the variable FER2013, `data/fer2013*`, or the embedded faces.

Finding the source is kept apart from reading it: a path that does not exist is refused before anything slow
is imported.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fer_core.errors import InputError
from fer_core.form import PAPERS, Form

if TYPE_CHECKING:
    from fer_core.data.dataset import Dataset, Listing

SYNTHETIC = "synthetic"
VARIABLE = "FER2013"
DATA_HELP = (
    "FER2013 as CSV, parquet or folder; other images as folder, parquet, .npz, or a CSV of their files' names; "
    "other numbers, or texts, as .npz, CSV or parquet (docs/data.md)"
)
SUBJECTS_HELP = (
    "whom an image shows, where people are seen several times: a regular expression in the file's name, of which the "
    "first group counts if it has one, a table's column, or what the arrays of a .npz file are called"
)
LABELS_HELP = "FER+'s votes (fer2013new.csv) instead of FER2013's own labels; --data is FER2013 as one file"


@dataclass(frozen=True)
class Source:
    """A data set to read: a path, or None for the embedded faces; and why it was chosen.

    labels: FER+'s votes, to be taken instead of its own labels. subjects: how to tell whom an image shows, a regular
    expression in the names of files, a column or arrays.
    """

    path: Path | None
    reason: str
    labels: Path | None = None
    subjects: str | None = None

    @property
    def text(self) -> str:
        """What `--data` takes to find it again."""
        return SYNTHETIC if self.path is None else str(self.path)

    @property
    def named(self) -> list[str]:
        """What `--also-test` takes to find it again."""
        return [self.text, *([] if self.subjects is None else [self.subjects])]

    @property
    def name(self) -> str:
        return SYNTHETIC if self.path is None else self.path.name.partition(".")[0]


def find_source(
    data: str | None, labels: str | None = None, subjects: str | None = None, option: str = "--data"
) -> Source:
    """The source that `option` names, or the default one, with what `--labels` and `--subjects` say of it.

    Raises InputError where a path does not exist, where there are labels for what is not FER2013 in one file, and
    where there are subjects for what names nobody.
    """
    source = _find(data, option)
    if subjects is not None:
        if source.path is None:
            raise InputError(f"--subjects {subjects}: is for data in a file or a folder, {option} is {source.text}.")
        source = replace(source, subjects=subjects)
    if labels is None:
        return source
    if source.path is None or source.path.is_dir():
        raise InputError(f"--labels {labels}: are for FER2013 as one CSV or parquet file, --data is {source.text}.")
    if not Path(labels).is_file():
        raise InputError(f"--labels {labels}: no such file. Expected the votes of FER+, fer2013new.csv.")
    return replace(source, labels=Path(labels).resolve())


def _find(data: str | None, option: str) -> Source:
    if data == SYNTHETIC:
        return Source(None, "as asked")
    if data is not None:
        return Source(_existing(Path(data), option), "as asked")
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
        from fer_core.data.synthetic import synthetic_faces, with_votes

        return with_votes(synthetic_faces(form=form))
    path, subjects = source.path, source.subjects
    from fer_core.data.cache import cached

    with _named(path):
        how = _how_to_read(path, subjects)
        beside = how.files()
        if unreadable is not None and (path.is_dir() or beside):  # the cache has no data set with images left out
            return how.images(form, progress, unreadable)
        dataset = cached(path, form, lambda: how.images(form, progress, None), subjects, beside)
    if source.labels is None:
        return dataset
    from fer_core.data import ferplus

    return ferplus.with_votes(dataset, source.labels)


def list_images(source: Source) -> "Listing | None":
    """What is in `source`, without decoding an image: in a second or two. None where that takes longer, as of a CSV.

    Raises InputError.
    """
    if source.path is None:
        from fer_core.data.synthetic import list_faces, with_votes

        return with_votes(list_faces())
    with _named(source.path):
        how = _how_to_read(source.path, source.subjects)
        listing = None if how.listing is None else how.listing()
    if listing is None or source.labels is None:
        return listing
    from fer_core.data.ferplus import list_votes

    return list_votes(listing, source.labels)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """What the system refuses is a wrong input, by the name of the file."""
    try:
        yield
    except OSError as problem:
        raise InputError(f"{problem.filename or path}: cannot be read ({problem.strerror}).") from None


@dataclass(frozen=True)
class _HowToRead:
    """`images(form, progress, unreadable)` reads everything, `listing()` what there is, if that takes less. `files()`
    are what is read beside the path.
    """

    images: Callable[..., "Dataset"]
    listing: "Callable[[], Listing | None] | None" = None
    files: Callable[[], Sequence[Path]] = tuple


def _how_to_read(path: Path, subjects: str | None) -> _HowToRead:
    """By what stands at `path`. Raises InputError where that is nothing that is known."""
    if path.is_dir():
        from fer_core.data.folder_reader import is_image_folder, list_folder, read_folder
        from fer_core.data.hub_reader import list_hub, read_hub, shards

        if is_image_folder(path):
            return _HowToRead(partial(read_folder, path, subjects), partial(list_folder, path, subjects))
        if files := shards(path):
            return _HowToRead(
                partial(read_hub, path.name, files, subjects), partial(list_hub, path.name, files, subjects)
            )
        raise InputError(
            f"{path}: no folder 'train' or 'test' in it. Expected train/CLASS/* and test/CLASS/*, CLASS/*, "
            "train*.parquet and test*.parquet, or a file classes.txt that says which names of files are which class, "
            "a line such as '*.AN*: angry' each."
        )
    from fer_core.data.parquet_reader import is_parquet, list_parquet, read_parquet, schema_of

    if is_parquet(path):
        from fer_core.data.hub_reader import holds_images, list_hub, read_hub
        from fer_core.data.subjects import check_nobody_is_named

        if holds_images(path):
            files = [(path, 0)]
            return _HowToRead(
                partial(read_hub, path.stem, files, subjects), partial(list_hub, path.stem, files, subjects)
            )
        if (how := _of_table(path, schema_of(path).names, subjects)) is not None:
            return how
        check_nobody_is_named(path, subjects)
        return _HowToRead(lambda form, *_: read_parquet(path, form), partial(list_parquet, path))
    if path.suffix == ".npz":
        from fer_core.data.array_reader import list_arrays, read_arrays

        return _HowToRead(lambda form, *_: read_arrays(path, subjects, form), partial(list_arrays, path, subjects))
    return _of_csv(path, subjects)


def _of_csv(path: Path, subjects: str | None) -> _HowToRead:
    from fer_core.data.csv_file import csv_columns
    from fer_core.data.csv_reader import read_csv
    from fer_core.data.subjects import check_nobody_is_named

    if (how := _of_table(path, csv_columns(path), subjects)) is not None:
        return how
    check_nobody_is_named(path, subjects)
    return _HowToRead(lambda form, *_: read_csv(path, form))


def _of_table(path: Path, columns: Sequence[str], subjects: str | None) -> _HowToRead | None:
    """How to read a table with these columns, of features or of names of image files; None of FER2013's pixels."""
    from fer_core.data.table_reader import file_column, is_table, list_features, read_features

    if not is_table(columns):
        return None
    if file_column(columns) is None:
        return _HowToRead(lambda *_: read_features(path, subjects), partial(list_features, path, subjects))
    from fer_core.data.listed_files import ListedFiles

    listed = ListedFiles(path, subjects)
    return _HowToRead(listed.images, lambda: listed.listing, lambda: listed.files)


def _existing(path: Path, name: str) -> Path:
    if not path.exists():
        raise InputError(
            f"{name} {path}: no such file or folder. Expected FER2013 or other data as a CSV, a parquet file, a "
            f".npz file or a folder, or '{SYNTHETIC}' for the embedded faces."
        )
    return path.resolve()
