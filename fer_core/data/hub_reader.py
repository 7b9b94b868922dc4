"""Images in parquet, as the Hugging Face hub keeps them: files `train-*.parquet`, `test-*.parquet` in a folder.

A row has an image, as the bytes of a file (PNG, JPEG), and a label: a number, whose class the file's schema names, or
the class itself. In its place may stand numbers that are to be learned, in columns such as `target.valence` and
`target.arousal`. Another column may say whom it shows.
"""

import json
import math
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
from fer_core.data.dataset import SPLITS, Dataset, Listing, in_halves
from fer_core.data.decoding import decode_all
from fer_core.data.image import bring, open_image
from fer_core.data.parquet_reader import schema_of
from fer_core.data.subjects import OPTION, checked
from fer_core.data.table_reader import is_text
from fer_core.data.target_columns import TARGET, target_names, targets_in
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
    """Whether the parquet file has the bytes of image files, not their names, nor pixels as FER2013's."""
    return any(field.name in IMAGE and not is_text(field.type) for field in schema_of(path))


def read_hub(
    name: str,
    files: Sequence[tuple[Path, int]],
    subjects: str | None,
    form: Form,
    progress: Callable[[int, int], None] = lambda done, total: None,
    unreadable: list[str] | None = None,
) -> Dataset:
    """The images of all `files`, each with its usage. `progress(done, total)` is told of the images. subjects: the
    column that says whom they show.

    Raises InputError naming the file and the row; with `unreadable`, leaves out images that cannot be read and
    appends to it what is wrong with each.
    """
    opened = [_open(file, subjects) for file, _ in files]
    listing = _listed(name, opened, [usage for _, usage in files], subjects)
    cells, count = _cells(opened, "image"), len(listing.labels)
    images, good = decode_all(cells, count, lambda cell: _image(*cell, form), form, progress, unreadable)
    return listing.with_images(images, good)


def list_hub(name: str, files: Sequence[tuple[Path, int]], subjects: str | None) -> Listing:
    """What `read_hub` will read, by labels and subjects alone."""
    opened = [_open(file, subjects) for file, _ in files]
    return _listed(name, opened, [usage for _, usage in files], subjects)


def _listed(name: str, opened: Sequence["_Opened"], usages: Sequence[int], subjects: str | None) -> Listing:
    first = opened[0]
    for one in opened:
        if (one.names, one.targets) != (first.names, first.targets):
            raise InputError(
                f"{one.path}: its labels are called {one.names or one.targets}, those of {first.path.name} "
                f"{first.names or first.targets}."
            )
    counts = [one.file.metadata.num_rows for one in opened]
    if not sum(counts):
        raise InputError(f"{first.path}: no rows.")
    shown = targets = None
    if subjects is not None:
        shown = checked([_subject(cell, place, subjects) for cell, place in _cells(opened, "subject")], subjects)
    if first.targets:
        labels, classes, targets = np.zeros(sum(counts), np.uint8), target_names(first.targets), _targets(opened)
    else:
        labels, classes = _labels(opened)
    parts = in_halves(np.repeat(np.array(usages, np.uint8), counts))
    return Listing(name, labels, parts, classes, shown, targets=targets)


def _labels(opened: Sequence["_Opened"]) -> tuple[np.ndarray, tuple[str, ...]]:
    """(n,) uint8, and the names of the classes."""
    first = opened[0]
    cells = [_label(cell, place, first.names) for cell, place in _cells(opened, "label")]
    names = first.names or in_order({str(cell) for cell in cells})
    labels = np.array(cells if first.names is not None else [names.index(str(cell)) for cell in cells])
    if not 2 <= len(names) <= MOST_CLASSES:
        raise InputError(f"{first.path}: {len(names)} classes, expected 2 to {MOST_CLASSES}.")
    classes, new = named(names)
    return np.array(new, np.uint8)[labels], classes


def _targets(opened: Sequence["_Opened"]) -> np.ndarray:
    """(n, k) float32."""
    columns = [[_number(cell, place, name) for cell, place in _cells(opened, name)] for name in opened[0].targets]
    return np.array(columns, np.float32).T.copy()


def _cells(opened: Sequence["_Opened"], part: str) -> Iterator[tuple[Any, str]]:
    """The cells of one column of all files, each with the place where it stands."""
    for one in opened:
        for row, cell in enumerate(one.column(part), start=1):
            yield cell, f"{one.path}, row {row}"


@dataclass(frozen=True)
class _Opened:
    """A parquet file, what its columns of images, labels and perhaps subjects are called, and its labels, if it says
    so. targets: its columns of numbers in the place of labels.
    """

    path: Path
    file: pq.ParquetFile
    columns: dict[str, str]
    names: list[str] | None
    targets: list[str]

    def column(self, part: str) -> Iterator[Any]:
        try:
            for batch in self.file.iter_batches(ROWS_AT_ONCE, columns=[self.columns[part]]):
                yield from batch[0].to_pylist()
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
    targets = targets_in(schema.names)
    if image is None or (label is None) == (not targets):
        raise InputError(
            f"{path}: has the columns {', '.join(schema.names)}, expected an image ({', '.join(IMAGE)}) and a label "
            f"({', '.join(LABEL)}), or numbers ({TARGET}NAME)."
        )
    if subjects is not None and subjects not in schema.names:
        raise InputError(f"{OPTION} {subjects}: {path} has the columns {', '.join(schema.names)}.")
    answers = {name: name for name in targets} if label is None else {"label": label}
    columns = {"image": image, **answers} | ({} if subjects is None else {"subject": subjects})
    return _Opened(path, file, columns, None if label is None else _names(schema.metadata or {}, label), targets)


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


def _subject(cell: Any, place: str, column: str) -> str:
    if cell is None or isinstance(cell, (float, list, dict)):
        raise InputError(f"{place}: {column} is {cell}, expected a name or a number.")
    return str(cell)


def _number(cell: Any, place: str, column: str) -> float:
    if not isinstance(cell, int | float) or not math.isfinite(cell):
        raise InputError(f"{place}: {column} is {cell}, expected a number.")
    return float(cell)


def _label(cell: Any, place: str, names: list[str] | None) -> Any:
    good = cell is not None if names is None else isinstance(cell, int) and 0 <= cell < len(names)
    if not good:
        expected = "a class" if names is None else f"0 to {len(names) - 1}"
        raise InputError(f"{place}: label {cell}, expected {expected}.")
    return cell
