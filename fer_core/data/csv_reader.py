"""FER2013 as a CSV: `emotion,pixels,Usage` in any order, the pixels 2,304 numbers with blanks between them.

Without `Usage`, as in the challenge's train.csv, every image is a training image.

The 82 million numbers of the real file are read as arrays of bytes, a few thousand rows at a time; asking
Python for each would take minutes.
"""

from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from fer_core.data.archives import open_csv
from fer_core.data.dataset import EMOTIONS, SIDE, TRAINING, USAGES, Dataset
from fer_core.errors import InputError

PIXELS = SIDE * SIDE
ROWS_AT_ONCE = 2_000
BLANK, ZERO, NINE = ord(" "), ord("0"), ord("9")


def read_csv(path: Path) -> Dataset:
    """Read `path`. Raises InputError naming the file and the first wrong row (1 is the first after the header)."""
    file, name = open_csv(path)
    with file:
        table = _read_table(path, file)
    table = table.rename_columns([name.strip().lower() for name in table.column_names])
    for column in ("emotion", "pixels"):
        if column not in table.column_names:
            raise InputError(
                f"{path}: no column '{column}' (found {', '.join(table.column_names)}). "
                "Expected emotion, pixels and Usage."
            )
    if not table.num_rows:
        raise InputError(f"{path}: a header and no rows.")
    return Dataset(
        name=name,
        images=_images(path, table["pixels"]),
        labels=_codes(path, "emotion", table["emotion"], [str(i) for i in range(len(EMOTIONS))], "0 to 6"),
        usages=_usages(path, table),
    )


def _read_table(path: Path, file: BinaryIO) -> pa.Table:
    text = pa.csv.ConvertOptions(column_types={name: pa.string() for name in _header(path, file)})
    try:
        return pa.csv.read_csv(file, convert_options=text, read_options=pa.csv.ReadOptions(block_size=16 << 20))
    except pa.ArrowInvalid as problem:
        raise InputError(f"{path}: not a CSV of FER2013: {str(problem).splitlines()[0][:200]}") from None


def _header(path: Path, file: BinaryIO) -> list[str]:
    line = file.readline(10_000).decode("utf-8-sig", errors="replace").rstrip("\r\n")
    file.seek(0)
    if not line:
        raise InputError(f"{path}: the file is empty.")
    return [name.strip('"') for name in line.split(",")]


def _usages(path: Path, table: pa.Table) -> np.ndarray:
    if "usage" not in table.column_names:
        return np.full(table.num_rows, TRAINING, np.uint8)
    return _codes(path, "Usage", table["usage"], list(USAGES), "Training, PublicTest or PrivateTest")


def _codes(path: Path, column: str, values: pa.ChunkedArray, known: list[str], expected: str) -> np.ndarray:
    codes = pc.index_in(pc.utf8_trim_whitespace(values), value_set=pa.array(known))
    if codes.null_count:
        row = int(np.flatnonzero(codes.is_null().to_numpy())[0])
        raise InputError(f"{path}, row {row + 1}: {column} is '{values[row]}', expected {expected}.")
    return codes.to_numpy().astype(np.uint8)


def _images(path: Path, pixels: pa.ChunkedArray) -> np.ndarray:
    images = np.empty((len(pixels), SIDE, SIDE), np.uint8)
    for start in range(0, len(pixels), ROWS_AT_ONCE):
        rows = pixels.slice(start, ROWS_AT_ONCE).to_pylist()
        values, row = _numbers(rows)
        if row is not None:
            raise InputError(f"{path}, row {start + row + 1}: {_complaint(rows[row])}")
        images[start : start + len(rows)] = values.reshape(-1, SIDE, SIDE)
    return images


def _numbers(rows: list[str | None]) -> tuple[np.ndarray, int | None]:
    """The pixel values of `rows`, and the index of a row that is wrong, if one is."""
    texts = [" ".join((row or "").split()).encode() + b" " for row in rows]
    text = np.frombuffer(b"".join(texts), np.uint8)
    ends = np.flatnonzero(text == BLANK)
    row_ends = np.cumsum([len(t) for t in texts])
    counts = np.diff(np.searchsorted(ends, row_ends), prepend=0)
    digit = (text >= ZERO) & (text <= NINE)
    wrong = counts != PIXELS
    if not wrong.any() and (digit | (text == BLANK)).all():
        lengths = np.diff(ends, prepend=-1) - 1
        values = (text[ends - 1] - ZERO).astype(np.uint16)
        for place, power in ((2, 10), (3, 100)):
            has = lengths >= place
            values[has] += power * (text[ends[has] - place] - ZERO).astype(np.uint16)
        bad = (lengths > 3) | (values > 255)
        if not bad.any():
            return values.astype(np.uint8), None
        return values, int(np.flatnonzero(bad)[0] // PIXELS)
    if not wrong.any():
        first = np.flatnonzero(~digit & (text != BLANK))[0]
        return ends, int(np.searchsorted(row_ends, first, side="right"))
    return ends, int(np.flatnonzero(wrong)[0])


def _complaint(row: str | None) -> str:
    values = (row or "").split()
    if len(values) != PIXELS:
        return f"{len(values):,} pixel values, expected {PIXELS:,} ({SIDE} x {SIDE})."
    bad = next(v for v in values if not (v.isascii() and v.isdigit() and len(v) <= 3 and int(v) <= 255))
    return f"pixel value '{bad[:20]}', expected a whole number from 0 to 255."
