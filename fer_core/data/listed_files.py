"""Image files that a table names, a row an image: a CSV or a parquet file, with its labels or with numbers.

The name stands in a column `image`, or another of FILES, from the table's folder on if it is not absolute; label or
numbers, part and subject stand as in a table of features (`table_reader`). All other columns are left out.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from fer_core.data.archives import is_packed
from fer_core.data.dataset import Dataset, Listing
from fer_core.data.decoding import decode_all
from fer_core.data.image import bring, open_image
from fer_core.data.table_reader import file_column, is_text, list_rows, read_table
from fer_core.errors import InputError
from fer_core.form import Form


def read_files(
    path: Path,
    subjects: str | None,
    form: Form,
    progress: Callable[[int, int], None] = lambda done, total: None,
    unreadable: list[str] | None = None,
) -> Dataset:
    """The images that the table in `path` names. subjects: the column that says whom they show. `progress(done,
    total)` is told of them.

    Raises InputError naming the row; with `unreadable`, leaves out files that cannot be read and appends to it what
    is wrong with each.
    """
    name, table = read_table(path, subjects)
    listing, files = list_rows(path, name, table, subjects), _files(path, table)

    def decode(row: int) -> np.ndarray:
        return bring(open_image(files[row], f"{path}, row {row + 1}: {files[row]}"), form)

    images, good = decode_all(range(len(files)), len(files), decode, form, progress, unreadable)
    return listing.with_images(images, good)


def list_files(path: Path, subjects: str | None) -> Listing:
    """What `read_files` will read, by the table alone."""
    name, table = read_table(path, subjects)
    _files(path, table)
    return list_rows(path, name, table, subjects)


def files_of(path: Path, subjects: str | None) -> list[Path]:
    """The files that the table in `path` names."""
    return _files(path, read_table(path, subjects)[1])


def _files(path: Path, table: pa.Table) -> list[Path]:
    """Raises InputError where a row names none, or one that another has named, and where there are none beside it."""
    column = file_column(table.column_names)
    assert column is not None
    if is_packed(path):
        raise InputError(f"{path}: names image files (column {column}). Unpack it beside them.")
    if not is_text(table[column].type):
        raise InputError(f"{path}: the column {column} is {table[column].type}, expected names of image files.")
    rows: dict[str, int] = {}
    for row, cell in enumerate(table[column].to_pylist(), start=1):
        name = (cell or "").strip()
        if not name:
            raise InputError(f"{path}, row {row}: {column} is empty.")
        if name in rows:
            raise InputError(f"{path}, row {row}: {name} a second time, after row {rows[name]}.")
        rows[name] = row
    return [path.parent / name for name in rows]
