"""A CSV as an Arrow table: its header first, its rows counted where one is wrong."""

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv

from fer_core.data.archives import first_line
from fer_core.errors import InputError

LONGEST_HEADER = 1 << 20  # bytes; what has a longer first line is no CSV


def csv_columns(path: Path) -> list[str]:
    """The names of the columns of the CSV in `path`, packed or not, without unpacking it. Raises InputError."""
    return _columns(path, first_line(path, LONGEST_HEADER))


def read_header(path: Path, file: BinaryIO) -> list[str]:
    """The names of the columns as they stand there; `file` is then at its beginning. Raises InputError if empty."""
    line = file.readline(LONGEST_HEADER)
    file.seek(0)
    return _columns(path, line)


def _columns(path: Path, line: bytes) -> list[str]:
    text = line.decode("utf-8-sig", errors="replace").rstrip("\r\n")
    if not text:
        raise InputError(f"{path}: the file is empty.")
    return [name.strip('"') for name in text.split(",")]


def read_rows(path: Path, file: BinaryIO, texts: Iterable[str], long: bool = False) -> pa.Table:
    """All rows; the columns `texts` as text, the others as what they look like. long: whether a text in quotation
    marks may go over several lines.

    Raises InputError naming the first row that is wrong (1 is the first after the header).
    """
    invalid: list[pa.csv.InvalidRow] = []

    def note(row: pa.csv.InvalidRow) -> str:
        invalid.append(row)
        return "error"

    try:
        return pa.csv.read_csv(
            file,
            convert_options=pa.csv.ConvertOptions(column_types=dict.fromkeys(texts, pa.string())),
            parse_options=pa.csv.ParseOptions(invalid_row_handler=note, newlines_in_values=long),
            read_options=pa.csv.ReadOptions(block_size=16 << 20, use_threads=False),  # one thread counts the rows
        )
    except pa.ArrowInvalid as problem:
        if invalid:
            row = invalid[0]
            raise InputError(
                f"{path}, row {row.number - 1}: {row.actual_columns} columns, the header has {row.expected_columns}."
            ) from None
        raise InputError(f"{path}: cannot be read as CSV: {str(problem).splitlines()[0][:200]}") from None
