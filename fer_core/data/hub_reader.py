"""Images in parquet, as the Hugging Face hub keeps them: files `train-*.parquet`, `test-*.parquet` in a folder.

A row has an image, as the bytes of a file (PNG, JPEG), and a label: a number, whose class the file's schema names, or
the class itself. Another column may say whom it shows.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fer_core.data.classes import MOST_CLASSES, in_order, named
from fer_core.data.dataset import SPLITS, Dataset, in_halves
from fer_core.data.image import bring, open_image
from fer_core.data.subjects import OPTION, checked
from fer_core.errors import InputError
from fer_core.form import Form

IMAGE, LABEL = ("image", "img"), ("label", "labels", "fine_label", "emotion", "expression")  # names of the columns
ROWS_AT_ONCE = 256
METADATA = b"huggingface"


def shards(path: Path) -> list[tuple[Path, int]]:
    """The parquet files in the folder `path`, or in its folder `data`, each with the usage that its name says."""
    for folder in (path, path / "data"):
        named_files = ((re.match(r"[a-z]*", file.name.lower()), file) for file in sorted(folder.glob("*.parquet")))
        found = [(file, SPLITS[name[0]]) for name, file in named_files if name and name[0] in SPLITS]
        if found:
            return found
    return []


def holds_images(path: Path) -> bool:
    """Whether the parquet file has the bytes of image files, not pixels as FER2013's."""
    try:
        return any(name in IMAGE for name in pq.read_schema(path).names)
    except (pa.ArrowException, OSError):
        return False  # the other reader will say what is wrong


def read_hub(
    name: str,
    files: Sequence[tuple[Path, int]],
    form: Form,
    progress: Callable[[int, int], None] = lambda done, total: None,
    unreadable: list[str] | None = None,
    subjects: str | None = None,
) -> Dataset:
    """The images of all `files`, each with its usage. `progress(done, total)` is told of the images. subjects: the
    column that says whom they show.

    Raises InputError naming the file and the row; with `unreadable`, leaves out images that cannot be read and
    appends to it what is wrong with each.
    """
    opened = [_open(file, subjects) for file, _ in files]
    names = opened[0].names
    for one in opened:
        if one.names != names:
            raise InputError(
                f"{one.path}: its labels are called {one.names}, those of {opened[0].path.name} {names}."
            )
    total = sum(one.file.metadata.num_rows for one in opened)
    images = np.empty((total, *form.in_memory), np.uint8)
    labels: list[Any] = []
    usages: list[int] = []
    shown: list[str] = []
    for one, (_, usage) in zip(opened, files, strict=True):
        for row, (image, label, *subject) in enumerate(one.rows(), start=1):
            if not len(labels) % ROWS_AT_ONCE:
                progress(len(labels), total)
            try:
                images[len(labels)] = _image(image, f"{one.path}, row {row}", form)
            except InputError as problem:
                if unreadable is None:
                    raise
                unreadable.append(str(problem))
                continue
            labels.append(_label(label, f"{one.path}, row {row}", names))
            usages.append(usage)
            shown += [_subject(cell, f"{one.path}, row {row}", subjects) for cell in subject]
    if not labels:
        raise InputError(f"{files[0][0]}: no rows.")
    if names is None:
        names = in_order({str(label) for label in labels})
        labels = [names.index(str(label)) for label in labels]
    if not 2 <= len(names) <= MOST_CLASSES:
        raise InputError(f"{files[0][0]}: {len(names)} classes, expected 2 to {MOST_CLASSES}.")
    classes, new = named(names)
    labelled = np.array(new, np.uint8)[np.array(labels)]
    return Dataset(
        name,
        images[: len(labels)],
        labelled,
        in_halves(np.array(usages, np.uint8)),
        classes,
        None if subjects is None else checked(shown, subjects),
    )


@dataclass(frozen=True)
class _Opened:
    """A parquet file, its columns of images, labels and perhaps subjects, and what its labels are called, if it says
    so.
    """

    path: Path
    file: pq.ParquetFile
    columns: tuple[str, ...]
    names: list[str] | None

    def rows(self) -> Iterator[tuple[Any, ...]]:
        try:
            for batch in self.file.iter_batches(ROWS_AT_ONCE, columns=list(self.columns)):
                yield from zip(*(batch[column].to_pylist() for column in self.columns), strict=True)
        except (pa.ArrowException, OSError) as problem:
            raise InputError(f"{self.path}: cannot be read as parquet ({str(problem).splitlines()[0]}).") from None


def _open(path: Path, subjects: str | None) -> _Opened:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as problem:
        raise InputError(f"{path}: cannot be read as parquet ({str(problem).splitlines()[0]}).") from None
    schema = file.schema_arrow
    found = [next((name for name in schema.names if name in known), None) for known in (IMAGE, LABEL)]
    image, label = found
    if image is None or label is None:
        raise InputError(
            f"{path}: has the columns {', '.join(schema.names)}, expected an image ({', '.join(IMAGE)}) and a label "
            f"({', '.join(LABEL)})."
        )
    columns = (image, label) if subjects is None else (image, label, subjects)
    if subjects is not None and subjects not in schema.names:
        raise InputError(f"{OPTION} {subjects}: {path} has the columns {', '.join(schema.names)}.")
    return _Opened(path, file, columns, _names(schema.metadata or {}, label))


def _names(metadata: dict[bytes, bytes], column: str) -> list[str] | None:
    """What the labels are called, as the library `datasets` writes it into the schema."""
    try:
        names = json.loads(metadata[METADATA])["info"]["features"][column]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return [str(name) for name in names] if isinstance(names, list) else None


def _image(cell: Any, place: str, form: Form) -> np.ndarray:
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(data, bytes):
        raise InputError(f"{place}: no image in it, expected the bytes of an image file.")
    return bring(open_image(BytesIO(data), place), form)


def _subject(cell: Any, place: str, column: str | None) -> str:
    if cell is None or isinstance(cell, (float, list, dict)):
        raise InputError(f"{place}: {column} is {cell}, expected a name or a number.")
    return str(cell)


def _label(cell: Any, place: str, names: list[str] | None) -> Any:
    good = cell is not None if names is None else isinstance(cell, int) and 0 <= cell < len(names)
    if not good:
        expected = "a class" if names is None else f"0 to {len(names) - 1}"
        raise InputError(f"{place}: label {cell}, expected {expected}.")
    return cell
