"""FER2013 as a CSV: `emotion,pixels,Usage` in any order, the pixels 2,304 numbers with blanks between them.

Without `Usage`, as in the challenge's train.csv, every image is a training image.

The 82 million numbers of the real file are read as arrays of bytes, a few thousand rows at a time; asking
Python for each would take minutes.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fer_core.data.archives import open_csv
from fer_core.data.csv_file import read_header, read_rows
from fer_core.data.dataset import EMOTIONS, TRAINING, USAGES, Dataset
from fer_core.data.image import bring_all
from fer_core.errors import InputError
from fer_core.form import PAPERS, Form

SIDE = PAPERS.side  # in which FER2013 is held
PIXELS = SIDE * SIDE
ROWS_AT_ONCE = 2_000
BLANK, ZERO = ord(" "), ord("0")


def read_csv(path: Path, form: Form) -> Dataset:
    """Read `path`. Raises InputError naming the file and the first wrong row (1 is the first after the header)."""
    file, name = open_csv(path)
    with file:
        table = read_rows(path, file, texts=read_header(path, file))
    table = table.rename_columns([name.strip().lower() for name in table.column_names])
    for column in ("emotion", "pixels"):
        if column not in table.column_names:
            raise InputError(
                f"{path}: no column '{column}' (found {', '.join(table.column_names)}). "
                "Expected emotion, pixels and Usage, as FER2013 has, or a label beside what is to be learned from."
            )
    if not table.num_rows:
        raise InputError(f"{path}: a header and no rows.")
    return Dataset(
        name=name,
        images=bring_all(_images(path, table["pixels"]), form),
        labels=_codes(path, "emotion", table["emotion"], [str(i) for i in range(len(EMOTIONS))], "0 to 6"),
        usages=_usages(path, table),
    )


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
        part = pixels.slice(start, ROWS_AT_ONCE)
        values = _parse(part)
        if values is None:  # a stray blank, or something wrong: look at every row
            values = np.empty((len(part), PIXELS), np.uint8)
            for row, text in enumerate(part.to_pylist()):
                numbers = (text or "").split()
                if complaint := _complaint(numbers):
                    raise InputError(f"{path}, row {start + row + 1}: {complaint}")
                values[row] = numbers
        images[start : start + len(part)] = values.reshape(-1, SIDE, SIDE)
    return images


def _parse(rows: pa.ChunkedArray) -> np.ndarray | None:
    """The numbers in `rows` as (n, 2304) uint8. None unless each row is exactly that many, with one blank between."""
    array = pa.concat_arrays(rows.chunks)
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    text = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]] if data else np.empty(0, np.uint8)
    bounds = bounds - bounds[0]
    blanks = np.flatnonzero(text == BLANK).astype(np.int32)
    counts = np.diff(np.searchsorted(blanks, bounds))
    if array.null_count or (counts != PIXELS - 1).any():
        return None
    ends = np.concatenate([blanks.reshape(-1, PIXELS - 1), bounds[1:, None]], axis=1)
    starts = np.concatenate([bounds[:-1, None], ends[:, :-1] + 1], axis=1)
    lengths = ends - starts
    digits = text - ZERO  # everything but digits wraps to 10 or more
    if lengths.min() < 1 or lengths.max() > 3 or np.count_nonzero(digits < 10) != len(text) - len(blanks):
        return None
    values = digits[ends - 1].astype(np.uint16)
    for place, power in ((2, 10), (3, 100)):
        # Where a number is shorter, the digit before it is another's: taken times nothing.
        values += digits[np.maximum(ends - place, 0)] * (power * (lengths >= place)).astype(np.uint16)
    return values.astype(np.uint8) if values.max() <= 255 else None


def _complaint(numbers: list[str]) -> str | None:
    """What is wrong with the pixels of a row, if anything."""
    if len(numbers) != PIXELS:
        return f"{len(numbers):,} pixel values, expected {PIXELS:,} ({SIDE} x {SIDE})."
    for number in numbers:
        if not (number.isascii() and number.isdigit() and len(number) <= 3 and int(number) <= 255):
            return f"pixel value '{number[:20]}', expected a whole number from 0 to 255."
    return None
