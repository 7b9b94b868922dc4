"""Image files that a table names, a row an image: a CSV or a parquet file, with its labels or with numbers.

The name stands in a column `image`, or another of FILES, from the table's folder on if it is not absolute; label or
numbers, part and subject stand as in a table of features (`table_reader`). All other columns are left out.
"""

from collections.abc import Callable
from functools import cached_property
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


class ListedFiles:
    """The images that the table in `path` names. subjects: the column that says whom they show."""

    def __init__(self, path: Path, subjects: str | None) -> None:
        self._path, self._subjects = path, subjects

    @cached_property
    def _table(self) -> tuple[str, pa.Table]:
        return read_table(self._path, self._subjects)

    @cached_property
    def files(self) -> list[Path]:
        """Raises InputError where a row names none, or one that another has named, and where the table is packed."""
        return _files(self._path, self._table[1])

    @property
    def listing(self) -> Listing:
        """What is known of them without opening one. Raises InputError naming the row."""
        assert self.files  # wrong names are told first
        return list_rows(self._path, *self._table, self._subjects)

    def images(
        self,
        form: Form,
        progress: Callable[[int, int], None] = lambda done, total: None,
        unreadable: list[str] | None = None,
    ) -> Dataset:
        """All of them. `progress` and `unreadable` as in `decode_all`. Raises InputError naming the row."""
        listing, files = self.listing, self.files

        def decode(row: int) -> np.ndarray:
            return bring(open_image(files[row], f"{self._path}, row {row + 1}: {files[row]}"), form)

        return listing.with_images(*decode_all(range(len(files)), len(files), decode, form, progress, unreadable))


def _files(path: Path, table: pa.Table) -> list[Path]:
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
