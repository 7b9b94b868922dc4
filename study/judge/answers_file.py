"""What trainings that ran elsewhere answered to their test examples, as a table: read, and checked.

A row is one training's answer to one example, in CSV or parquet, in one file or several. The columns, by the names
of COLUMNS or those that the user gives them:

    arm         which of the alternatives was trained
    seed        which training of the arm; the same in another arm is paired with it
    fold        in which fold the example was tested, if examples were tested in turn
    example     which test example: a number, a file's name
    label       its class
    predicted   the class that the training gave it
    p_CLASS     and how probable each class was to it: a column a class, all or none; then `predicted` may be left out
    subject     whom it is of, where several examples are of one person
"""

import gzip
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fer_core.data.classes import MOST_CLASSES, in_order
from fer_core.data.csv_file import read_header, read_rows
from fer_core.errors import InputError

COLUMNS = ("arm", "seed", "fold", "example", "label", "predicted", "subject")
NEEDED = ("arm", "seed", "example", "label")  # of folds a seed is not
PROBABILITY = "p_"
SUM_TOLERANCE = 0.01  # of probabilities that were written with few digits


@dataclass(frozen=True)
class Training:
    """One training: its arm, seed and fold, and its answers to n examples, in the order of their numbers.

    examples, labels, predicted: (n,) int, positions in `Given`. probabilities: (n, classes) float32, NaN where they
    are not known. subjects: (n,) text, or None.
    """

    arm: str
    seed: str
    fold: str | None
    examples: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray
    subjects: np.ndarray | None


@dataclass(frozen=True)
class Given:
    """All that was given. examples, classes: their names. arms: in the order in which they come."""

    examples: Sequence[str]
    classes: Sequence[str]
    arms: Sequence[str]
    folds: Sequence[str] | None
    trainings: Sequence[Training]

    def seeds_of(self, arm: str) -> list[str]:
        return list(dict.fromkeys(one.seed for one in self.trainings if one.arm == arm))


def read_answers(paths: Sequence[Path], columns: Mapping[str, str], files: re.Pattern[str] | None = None) -> Given:
    """Read and check the table in `paths`. columns: what those of COLUMNS are called here, where by another name.

    files: a pattern whose named groups say of a file, by its path, what it has no column for. Raises InputError
    naming the file, the row (1 is the first after the header) and what was expected.
    """
    parts = [_read(path, columns, files) for path in paths]
    names = parts[0].table.column_names
    for part in parts[1:]:
        if {*part.table.column_names} != {*names}:
            raise InputError(
                f"{part.path}: other columns than {parts[0].path}: {', '.join(part.table.column_names)}."
            )
    return _checked(_Rows(parts), pa.concat_tables([part.table.select(names) for part in parts]))


@dataclass(frozen=True)
class _Part:
    path: Path
    table: pa.Table


@dataclass(frozen=True)
class _Rows:
    """Where a row of all files together stands."""

    parts: Sequence[_Part]

    def where(self, row: int) -> str:
        for part in self.parts:
            if row < part.table.num_rows:
                return f"{part.path}, row {row + 1}"
            row -= part.table.num_rows
        raise IndexError(row)


def _read(path: Path, columns: Mapping[str, str], files: re.Pattern[str] | None) -> _Part:
    """A file with its columns under the names of COLUMNS; others are left out."""
    try:
        table = _parquet(path) if path.suffix == ".parquet" else _csv(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file.") from None
    except (OSError, EOFError) as problem:
        raise InputError(f"{path}: cannot be read ({problem}).") from None
    if not table.num_rows:
        raise InputError(f"{path}: columns and no rows.")
    known = {name.strip().lower(): name for name in reversed(table.column_names)}
    found: dict[str, pa.ChunkedArray] = {}
    for name in COLUMNS:
        if name in columns and columns[name] not in table.column_names:
            raise InputError(
                f"--column {name}={columns[name]}: {path} has the columns {', '.join(table.column_names)}."
            )
        if (column := columns.get(name) or known.get(name)) is not None:
            found[name] = _texts(path, column, table[column])
    found = {**_by_file_name(path, files, table.num_rows), **found}
    needed = [name for name in NEEDED if name != "seed" or "fold" not in found]
    probabilities = [name for name in table.column_names if name.startswith(PROBABILITY)]
    needed += [] if probabilities else ["predicted"]
    if lacking := [name for name in needed if name not in found]:
        raise InputError(
            f"{path}: no column {' nor '.join(lacking)} among {', '.join(table.column_names)}. Say which it is by "
            f"--column {lacking[0]}=COLUMN" + (", or by --files." if {*lacking} <= {"arm", "seed"} else ".")
        )
    for name in probabilities:
        found[name] = _probability(path, name, table[name])
    return _Part(path, pa.table(found))


def _parquet(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except pa.ArrowInvalid as problem:
        raise InputError(f"{path}: cannot be read as parquet ({str(problem).splitlines()[0][:200]}).") from None


def _csv(path: Path) -> pa.Table:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        header = read_header(path, file)  # type: ignore[arg-type]
        texts = [name for name in header if not name.startswith(PROBABILITY)]
        return read_rows(path, file, texts)  # type: ignore[arg-type]


def _texts(path: Path, column: str, cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column as text, a whole number without its point, nothing of it empty."""
    if pa.types.is_dictionary(cells.type):
        cells = pc.cast(cells, cells.type.value_type)
    if pa.types.is_floating(cells.type):  # as pandas has whole numbers beside an empty cell
        whole = pc.fill_null(pc.equal(cells, pc.round(cells)), False)
        if not pc.all(whole).as_py():
            row = pc.index(whole, False).as_py()
            raise InputError(f"{path}, row {row + 1}: {column} is {cells[row]}, expected text or a whole number.")
        cells = pc.cast(cells, pa.int64())
    try:
        found = pc.utf8_trim_whitespace(pc.cast(cells, pa.string()))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise InputError(f"{path}: the column {column} is {cells.type}, expected text or whole numbers.") from None
    if (row := pc.index(pc.fill_null(found, ""), "").as_py()) >= 0:
        raise InputError(f"{path}, row {row + 1}: {column} is empty.")
    return found


def _probability(path: Path, column: str, cells: pa.ChunkedArray) -> pa.ChunkedArray:
    if not (pa.types.is_floating(cells.type) or pa.types.is_integer(cells.type)):
        raise InputError(f"{path}: the column {column} is {cells.type}, expected numbers from 0 to 1.")
    found = pc.cast(cells, pa.float64())
    inside = pc.fill_null(pc.and_(pc.greater_equal(found, 0), pc.less_equal(found, 1)), False)
    if (row := pc.index(inside, False).as_py()) >= 0:
        raise InputError(f"{path}, row {row + 1}: {column} is {cells[row]}, expected a number from 0 to 1.")
    return found


def _by_file_name(path: Path, files: re.Pattern[str] | None, rows: int) -> dict[str, pa.ChunkedArray]:
    if files is None:
        return {}
    match = files.search(path.as_posix())
    if match is None:
        raise InputError(f"--files {files.pattern}: does not fit {path}.")
    return {name: pa.chunked_array([pa.repeat(text, rows)]) for name, text in match.groupdict().items() if text}


def _checked(rows: _Rows, table: pa.Table) -> Given:
    classes, probabilities = _classes(rows.parts[0].path, table)
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise InputError(f"{rows.parts[0].path}: {len(classes)} classes, expected 2 to {MOST_CLASSES}.")
    examples = in_order(pc.unique(table["example"]).to_pylist())
    frame = pd.DataFrame(
        {
            "arm": table["arm"].to_pandas(),
            "seed": table["seed"].to_pandas() if "seed" in table.column_names else "1",
            "fold": table["fold"].to_pandas() if "fold" in table.column_names else "",
            "example": _positions(table["example"], examples),
            "label": _positions(table["label"], classes),
        }
    )
    if probabilities is not None:
        _check_sums(rows, probabilities)
    frame["predicted"] = (
        _positions(table["predicted"], classes)
        if "predicted" in table.column_names
        else np.asarray(probabilities).argmax(axis=1)
    )
    if "subject" in table.column_names:
        frame["subject"] = table["subject"].to_pandas()
    _check_once(rows, frame, ["arm", "seed", "example"], examples)
    for column, what in (("label", "labelled"), ("subject", "of subject"), ("fold", "in fold")):
        if column in frame:
            values = {"label": classes}.get(column)
            _check_same(rows, frame, column, what, examples, values)
    _check_whole(frame, examples)
    return Given(
        examples,
        classes,
        list(dict.fromkeys(frame["arm"])),
        in_order({*frame["fold"]}) if "fold" in table.column_names else None,
        [_training(key, part, probabilities, len(classes)) for key, part in frame.groupby(["arm", "seed", "fold"])],  # type: ignore[arg-type]
    )


def _classes(path: Path, table: pa.Table) -> tuple[list[str], np.ndarray | None]:
    """The names of the classes, and the probabilities (n, classes) where they are given."""
    columns = [name for name in table.column_names if name.startswith(PROBABILITY)]
    named = {name for column in ("label", "predicted") if column in table.column_names
             for name in pc.unique(table[column]).to_pylist()}  # fmt: skip
    if not columns:
        return in_order(named), None
    given = in_order([name.removeprefix(PROBABILITY) for name in columns])
    if lacking := named - {*given}:
        there = ", ".join(PROBABILITY + name for name in given)
        raise InputError(f"{path}: no column {PROBABILITY}{min(lacking)} beside {there}.")
    return given, np.stack([table[PROBABILITY + name].to_numpy() for name in given], axis=1)


def _positions(cells: pa.ChunkedArray, names: Sequence[str]) -> np.ndarray:
    return pc.index_in(cells, value_set=pa.array(names, pa.string())).to_numpy()


def _check_sums(rows: _Rows, probabilities: np.ndarray) -> None:
    sums = probabilities.sum(axis=1)
    if (wrong := np.flatnonzero(np.abs(sums - 1) > SUM_TOLERANCE)).size:
        raise InputError(
            f"{rows.where(int(wrong[0]))}: the probabilities sum to {sums[wrong[0]]:.3g}, expected 1 (of logits take "
            "the softmax)."
        )


def _check_once(rows: _Rows, frame: pd.DataFrame, key: list[str], examples: Sequence[str]) -> None:
    twice = frame.duplicated(key)
    if twice.any():
        row = int(twice.idxmax())
        arm, seed, example = frame.loc[row, key]
        raise InputError(
            f"{rows.where(row)}: arm {arm}, seed {seed} has answered example {examples[example]} before. One row a "
            "training and example is expected; trainings of one arm are told apart by their seed."
        )


def _check_same(
    rows: _Rows, frame: pd.DataFrame, column: str, what: str, examples: Sequence[str], values: Sequence[str] | None
) -> None:
    """That an example has one value in the column, whoever answered it."""
    first = frame.groupby("example")[column].transform("first")
    other = frame[column] != first
    if other.any():
        row = int(other.idxmax())
        found, before = (one[row] if values is None else values[one[row]] for one in (frame[column], first))
        raise InputError(
            f"{rows.where(row)}: example {examples[frame['example'][row]]} is {what} {found}, and {before} elsewhere."
        )


def _check_whole(frame: pd.DataFrame, examples: Sequence[str]) -> None:
    """That every training has answered what others did: all, or all of its fold."""
    of_fold = frame.groupby("fold")["example"].nunique()
    for (arm, seed, fold), part in frame.groupby(["arm", "seed", "fold"]):  # type: ignore[misc]
        if len(part) == of_fold[fold]:
            continue
        every = frame.loc[frame["fold"] == fold, "example"]
        lacking = min(set(every) - set(part["example"]))
        where = f"arm {arm}, seed {seed}" + (f", fold {fold}" if fold else "")
        hint = "" if fold else " Were examples tested in turn? Then name the column that says in which fold."
        raise InputError(
            f"{where}: {len(part)} of {of_fold[fold]} examples answered; {examples[lacking]} is lacking.{hint}"
        )
    if (frame["fold"] != "").any():
        folds = frame.groupby(["arm", "seed"])["fold"].nunique()
        if (folds < frame["fold"].nunique()).any():
            arm, seed = folds.idxmin()
            raise InputError(f"arm {arm}, seed {seed}: {folds.min()} of {frame['fold'].nunique()} folds.")


def _training(
    key: tuple[str, str, str], part: pd.DataFrame, probabilities: np.ndarray | None, classes: int
) -> Training:
    part = part.sort_values("example")
    arm, seed, fold = key
    unknown = np.full((len(part), classes), np.nan, np.float32)
    return Training(
        arm=arm,
        seed=seed,
        fold=fold or None,
        examples=part["example"].to_numpy(),
        labels=part["label"].to_numpy(),
        predicted=part["predicted"].to_numpy(),
        probabilities=unknown if probabilities is None else probabilities[part.index].astype(np.float32),
        subjects=part["subject"].to_numpy(str) if "subject" in part else None,
    )
