"""What is given of trainings that ran elsewhere: a table in CSV or parquet, in one file or several.

A row is one training's answer to one example, or where these are lost, one training with its result. The columns, by
the names of COLUMNS or those that the user gives them:

    arm         which of the alternatives was trained
    seed        which training of the arm; the same in another arm is paired with it
    fold        in which fold the example was tested, if examples were tested in turn
    example     which test example: a number, a file's name
    label       its class
    predicted   the class that the training gave it
    p_CLASS     and how probable each class was to it: a column a class, all or none; then `predicted` may be left out
    subject     whom it is of, where several examples are of one person
    accuracy, macro_f1, balanced_accuracy   or one or more of these of all examples, in place of the five above
    score       or in place of all these a number that says how good an answer, or a training, was in any other way
"""

import gzip
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from fer_core.data.csv_file import read_header, read_rows
from fer_core.errors import InputError
from search_spaces.score import SCORE
from search_spaces.space import MEASURES
from study.records.parquet import read_file

TEXTS = ("arm", "seed", "fold", "example", "label", "predicted", "subject")
COLUMNS = (*TEXTS, *MEASURES, SCORE)
PROBABILITY = "p_"
CLASSES = ("label", "predicted")  # what tells of classes, with the probabilities


@dataclass(frozen=True)
class Part:
    """A file: where it is, and its table, with the columns under the names above and no others."""

    path: Path
    table: pa.Table


@dataclass(frozen=True)
class GivenTable:
    """All files, one below the other."""

    parts: Sequence[Part]

    @property
    def table(self) -> pa.Table:
        names = self.parts[0].table.column_names
        return pa.concat_tables([part.table.select(names) for part in self.parts])

    @property
    def path(self) -> Path:
        return self.parts[0].path

    def where(self, row: int) -> str:
        """The file and the row there, 1 the first after the header, of a row of the table."""
        for part in self.parts:
            if row < part.table.num_rows:
                return f"{part.path}, row {row + 1}"
            row -= part.table.num_rows
        raise IndexError(row)


def read_given(paths: Sequence[Path], columns: Mapping[str, str], files: re.Pattern[str] | None) -> GivenTable:
    """Read the files. columns: what those of COLUMNS are called there, where by another name. files: a pattern whose
    named groups say of a file, by its path, what it has no column for.

    Raises InputError naming the file, the row and the column, and what was expected.
    """
    parts = [_read(path, columns, files) for path in paths]
    for part in parts[1:]:
        if {*part.table.column_names} != {*parts[0].table.column_names}:
            there = ", ".join(part.table.column_names)
            raise InputError(f"{part.path}: other columns than {parts[0].path}: {there}.")
    return GivenTable(parts)


def _read(path: Path, columns: Mapping[str, str], files: re.Pattern[str] | None) -> Part:
    try:
        table = read_file(path) if path.suffix == ".parquet" else _csv(path, columns)
    except (OSError, EOFError) as problem:
        raise InputError(f"{path}: cannot be read ({getattr(problem, 'strerror', None) or problem}).") from None
    if not table.num_rows:
        raise InputError(f"{path}: columns and no rows.")
    named = _of_scores_or_classes(_named(path, table.column_names, columns), by_score=SCORE in columns)
    found = _by_file_name(path, files, table.num_rows)
    for name, column in named.items():
        read = _fractions if name in MEASURES else _numbers if name == SCORE else _texts
        found[name] = read(path, column, table[column])
    if SCORE not in named:
        sure = [name for name in table.column_names if name.startswith(PROBABILITY)]
        found |= {name: _fractions(path, name, table[name]) for name in sure}
    _check_columns(path, table.column_names, found)
    return Part(path, pa.table(found))


def _of_scores_or_classes(named: Mapping[str, str], by_score: bool) -> dict[str, str]:
    """What is read of the columns: of a table that has both, classes or measures, unless the user has said what
    scores.
    """
    if SCORE in named and (by_score or not {*CLASSES, *MEASURES} & {*named}):
        return {name: column for name, column in named.items() if name not in (*CLASSES, *MEASURES)}
    return {name: column for name, column in named.items() if name != SCORE}


def _csv(path: Path, columns: Mapping[str, str]) -> pa.Table:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        header = read_header(path, file)  # type: ignore[arg-type]
        named = _named(path, header, columns)
        return read_rows(path, file, [named[name] for name in TEXTS if name in named])  # type: ignore[arg-type]


def _named(path: Path, there: Sequence[str], columns: Mapping[str, str]) -> dict[str, str]:
    """What those of COLUMNS are called that are there."""
    for name, column in columns.items():
        if column not in there:
            raise InputError(f"--column {name}={column}: {path} has the columns {', '.join(there)}.")
    known = {name.strip().lower(): name for name in reversed(there)}
    named = {name: columns.get(name) or known.get(name) for name in COLUMNS}
    return {name: column for name, column in named.items() if column is not None}


def _by_file_name(path: Path, files: re.Pattern[str] | None, rows: int) -> dict[str, pa.ChunkedArray]:
    if files is None:
        return {}
    match = files.search(path.as_posix())
    if match is None:
        raise InputError(f"--files {files.pattern}: does not fit {path}.")
    return {name: pa.chunked_array([pa.repeat(text, rows)]) for name, text in match.groupdict().items() if text}


def _texts(path: Path, column: str, cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column as text, a whole number without its point, nothing of it empty."""
    if pa.types.is_dictionary(cells.type):
        cells = pc.cast(cells, cells.type.value_type)
    if pa.types.is_floating(cells.type):  # as pandas has whole numbers beside an empty cell
        whole = pc.fill_null(pc.equal(cells, pc.round(cells)), False)
        if (row := pc.index(whole, False).as_py()) >= 0:
            raise InputError(f"{path}, row {row + 1}: {column} is {cells[row]}, expected text or a whole number.")
        cells = pc.cast(cells, pa.int64())
    try:
        found = pc.utf8_trim_whitespace(pc.cast(cells, pa.string()))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise InputError(f"{path}: the column {column} is {cells.type}, expected text or whole numbers.") from None
    if (row := pc.index(pc.fill_null(found, ""), "").as_py()) >= 0:
        raise InputError(f"{path}, row {row + 1}: {column} is empty.")
    return found


def _fractions(path: Path, column: str, cells: pa.ChunkedArray) -> pa.ChunkedArray:
    return _numbers(path, column, cells, 0.0, 1.0)


def _numbers(
    path: Path, column: str, cells: pa.ChunkedArray, lowest: float | None = None, highest: float | None = None
) -> pa.ChunkedArray:
    between = "" if lowest is None else f" from {lowest:g} to {highest:g}"
    if not (pa.types.is_floating(cells.type) or pa.types.is_integer(cells.type)):
        raise InputError(f"{path}: the column {column} is {cells.type}, expected numbers{between}.")
    found = pc.cast(cells, pa.float64())
    inside = pc.is_finite(found)
    if lowest is not None:
        inside = pc.and_(inside, pc.and_(pc.greater_equal(found, lowest), pc.less_equal(found, highest)))
    if (row := pc.index(pc.fill_null(inside, False), False).as_py()) >= 0:
        what = cells[row] if cells[row].is_valid else "empty"
        raise InputError(f"{path}, row {row + 1}: {column} is {what}, expected a number{between}.")
    return found


def _check_columns(path: Path, names: Sequence[str], found: Mapping[str, pa.ChunkedArray]) -> None:
    """That it says which training a row is of, and what the training answered or came to."""
    needed = ["arm", *([] if "fold" in found else ["seed"])]
    if "label" in found or not any(name in found for name in (*MEASURES, SCORE)):
        sure = any(name.startswith(PROBABILITY) for name in found)
        needed += ["example", "label", *([] if sure else ["predicted"])]
    if lacking := [name for name in needed if name not in found]:
        others = f", or {' or '.join(MEASURES)} of each training, or {SCORE} of each or each answer"
        instead = others if "label" in lacking else ""
        way = ", or by --files" if {*lacking} <= {"arm", "seed"} else ""
        raise InputError(
            f"{path}: no column {' nor '.join(lacking)} among {', '.join(names)}. Say which it is by "
            f"--column {lacking[0]}=COLUMN{way}{instead}."
        )
