"""The tables of a study: readable at any moment, every trial once, nothing lost whatever is killed.

A parquet file cannot be appended to. New rows therefore go to `pending.jsonl` first, one line each, and the
parquet files are written anew, whole, by renaming; then the lines are dropped. Whoever opens the folder after
a crash finds the parquet files of some moment and the lines since. Writing anew is spaced so that it takes a
small share of the time however large the tables grow.
"""

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fer_core.config import MONITOR, setting_names, setting_type, value_before
from fer_core.errors import InputError
from study.search.selection import best_epoch

# 2 added `distinct` to the predictions, 3 `config.train.precision`, 4 `search`, 5 `config.data.side`, `.colour` and
# `.interpolation` to the trials, 6 `subject` to the predictions, 7 `config.data.folds`, `.fold` and
# `config.train.targets` to the trials, 8 the table `elsewhere`, 9 `looks` to the report's comparisons and effects, 10
# balanced accuracy to trials and epochs.
# Tables of an older version are read: what they lack is what was so in effect, or empty.
SCHEMA_VERSION = 11
VERSION_KEY = b"fer_study_schema"
FER2013_CLASSES = 7
PENDING = "pending.jsonl"
MEASURED = (
    "accuracy",
    "loss",
    "macro_f1",
    "balanced_accuracy",
)  # after every epoch, on training and validation images
# Pause between two writings of the parquet files, in units of what the last one took.
PAUSE = 20

Row = dict[str, Any]


def _arrow_type(kind: Any) -> pa.DataType:
    if isinstance(kind, UnionType):
        kind = get_args(kind)[0]
    return {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}[kind]


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema(columns.items(), metadata={VERSION_KEY: str(SCHEMA_VERSION)})


PROBABILITIES = "probabilities"
SETTING = "config."  # before the names of settings in a trial's row
CONFIG_COLUMNS = {f"{SETTING}{name}": _arrow_type(setting_type(name)) for name in setting_names()}
F, I, S = pa.float64(), pa.int64(), pa.string()  # noqa: E741
ANSWER = {
    **{"image": pa.int32(), "label": pa.int8(), "predicted": pa.int8()},
    **{PROBABILITIES: pa.list_(pa.float32(), FER2013_CLASSES), "distinct": pa.bool_(), "subject": S},
}
SCHEMAS = {
    "trials": _schema(
        trial=S, arm=S, phase=S, seed=I, search=I, number=I, status=S,
        **CONFIG_COLUMNS,
        epochs=I, best_epoch=I, train_accuracy=F, train_loss=F, train_macro_f1=F, train_balanced_accuracy=F,
        val_accuracy=F, val_loss=F, val_macro_f1=F, val_balanced_accuracy=F,
        test_accuracy=F, test_loss=F, test_accuracy_distinct=F, test_macro_f1=F, test_balanced_accuracy=F,
        parameters=I, seconds=F, attempts=I, node=S, error=S,
    ),
    "epochs": _schema(
        trial=S, epoch=I, train_accuracy=F, train_loss=F, train_macro_f1=F, train_balanced_accuracy=F,
        val_accuracy=F, val_loss=F, val_macro_f1=F, val_balanced_accuracy=F, learning_rate=F, seconds=F,
    ),
    "predictions": _schema(trial=S, **ANSWER),
    "elsewhere": _schema(trial=S, data=S, **ANSWER),
}  # fmt: skip
ANSWERS = ("predictions", "elsewhere")  # written when a trial is tested, before it has a row
# In the order in which they are written: a trial has no row before its answers and epochs are there, and rows go from
# the pending ones into the parquet files, never back. Whoever reads or copies them meanwhile takes the reverse.
FILES = (*(f"{name}.parquet" for name in (*ANSWERS, "epochs", "trials")), PENDING)
KEYS = {
    "trials": ["trial"],
    "epochs": ["trial", "epoch"],
    "predictions": ["trial", "image"],
    "elsewhere": ["trial", "data", "image"],
}


class Tables:
    """The tables in `folder`, continued if they stand there already. One writer at a time.

    own: the settings of a user's own network or trainer, with the type of each: columns after all others. classes:
    how many the predictions are of. others: the names of other data that every tested trial shall have answered.
    """

    def __init__(
        self,
        folder: Path,
        own: Mapping[str, type] | None = None,
        classes: int = FER2013_CLASSES,
        others: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self._written = {name: read_parquet(folder, name) for name in SCHEMAS}
        for name in ANSWERS:
            if not self._written[name].num_rows:
                self._written[name] = with_classes(SCHEMAS[name], classes).empty_table()
        self._written["trials"] = _with_own(self._written["trials"], own or {})
        self._new: dict[str, list[Row]] = {"epochs": [], "trials": []}  # in the order of FILES
        self._finished = set(self._written["trials"]["trial"].to_pylist())
        epochs = self._written["epochs"]
        self._epochs = set(zip(epochs["trial"].to_pylist(), epochs["epoch"].to_pylist(), strict=True))
        for name, row in _read_pending(folder):
            self._take(name, row)
        self._lacking = self._find_lacking(others)
        self._pending = (folder / PENDING).open("a", encoding="utf-8")
        self._last_write, self._write_cost = 0.0, 0.0
        self.write()

    def has_trial(self, trial: str) -> bool:
        return trial in self._finished

    def lacking(self, trial: str) -> list[str]:
        """The names of other data that the trial has not answered, although it was tested."""
        return self._lacking.get(trial, [])

    def all_lacking(self) -> dict[str, list[str]]:
        """The same by trial, of every trial that lacks any."""
        return dict(self._lacking)

    def trials(self) -> pd.DataFrame:
        """All finished trials, those not yet in the parquet file too."""
        return _frame(self._whole("trials"))

    def done(self) -> pd.DataFrame:
        """Those of them that lack nothing."""
        every = self.trials()
        return every[~every["trial"].isin(list(self._lacking))]

    def all_epochs(self) -> pd.DataFrame:
        """All recorded epochs, those of unfinished trials too."""
        return self._whole("epochs").to_pandas()

    def predictions(self) -> pd.DataFrame:
        """The predictions of all tested trials."""
        return self._written["predictions"].to_pandas()

    def add_epoch(self, row: Row) -> bool:
        """Record an epoch; False if it stood there already, as after a crash between worker and driver."""
        if not self._take("epochs", row):
            return False
        self._append("epochs", row)
        return True

    def add_trial(self, row: Row, predictions: pa.Table | None = None, elsewhere: pa.Table | None = None) -> None:
        """Record a finished trial with its predictions on the test images and on other data's, if it was tested."""
        if self.has_trial(row["trial"]):
            return
        for name, rows in zip(ANSWERS, (predictions, elsewhere), strict=True):
            if rows is not None:
                self._write_answers(name, row["trial"], rows)
        self._take("trials", row)
        self._append("trials", row)
        os.fsync(self._pending.fileno())
        if time.monotonic() - self._last_write >= PAUSE * self._write_cost:
            self.write()

    def add_elsewhere(self, trial: str, elsewhere: pa.Table | None) -> None:
        """Record what a finished trial had not answered yet of other data, of all answers that are given."""
        if elsewhere is not None and self.lacking(trial):
            new = elsewhere.filter(pc.is_in(elsewhere["data"], pa.array(self._lacking.pop(trial))))
            self._write_answers("elsewhere", trial, new)

    def forget_failed(self) -> int:
        """Drop the fixed and confirm trials that failed, with their epochs, as if they had not run yet. How many.

        Not those of a search: what it proposed later, it proposed knowing of them.
        """
        self.write()
        trials, epochs = self._written["trials"], self._written["epochs"]
        failed = pc.and_(pc.equal(trials["status"], "failed"), pc.not_equal(trials["phase"], "search"))
        names = trials.filter(failed)["trial"]
        self._written["epochs"] = epochs.filter(pc.invert(pc.is_in(epochs["trial"], names)))
        self._written["trials"] = trials.filter(pc.invert(failed))
        for name in ("epochs", "trials"):  # in this order: a failed trial without epochs can be dropped again
            write_parquet(self._written[name], self.folder, name)
        dropped = set(names.to_pylist())
        self._finished -= dropped
        self._epochs = {(trial, epoch) for trial, epoch in self._epochs if trial not in dropped}
        return len(dropped)

    def forget_end(self, trial: str) -> None:
        """Drop the row of a trial that goes on, and none of its epochs."""
        self.write()
        trials = self._written["trials"]
        self._written["trials"] = trials.filter(pc.not_equal(trials["trial"], trial))
        write_parquet(self._written["trials"], self.folder, "trials")
        self._finished.discard(trial)

    def write(self) -> None:
        """Bring the parquet files up to date."""
        start = time.monotonic()
        for name, rows in self._new.items():
            self._written[name] = self._whole(name)
            rows.clear()
            write_parquet(self._written[name], self.folder, name)
        self._pending.truncate(0)
        self._last_write = time.monotonic()
        self._write_cost = self._last_write - start

    def close(self) -> None:
        self.write()
        self._pending.close()

    def _find_lacking(self, others: Sequence[str]) -> dict[str, list[str]]:
        if not others:
            return {}
        pairs = self._written["elsewhere"].group_by(["trial", "data"]).aggregate([])
        answered = set(zip(pairs["trial"].to_pylist(), pairs["data"].to_pylist(), strict=True))
        trials = self._whole("trials")
        tested = trials.filter(pc.is_valid(trials["test_accuracy"]))["trial"].to_pylist()
        found = {trial: [name for name in others if (trial, name) not in answered] for trial in tested}
        return {trial: names for trial, names in found.items() if names}

    def _take(self, name: str, row: Row) -> bool:
        if name == "trials":
            known: set[Any] = self._finished
            key: Any = row["trial"]
        else:
            known, key = self._epochs, (row["trial"], row["epoch"])
        if key in known:
            return False
        known.add(key)
        self._new[name].append(row)
        return True

    def _append(self, name: str, row: Row) -> None:
        self._pending.write(json.dumps([name, row]) + "\n")
        self._pending.flush()

    def _whole(self, name: str) -> pa.Table:
        new = pa.Table.from_pylist(self._new[name], schema=self._written[name].schema)
        return pa.concat_tables([self._written[name], new])

    def _write_answers(self, name: str, trial: str, rows: pa.Table) -> None:
        """Write the answers of a trial, to one data set or more, in the place of those that are there."""
        of_these = pc.equal(self._written[name]["trial"], trial)
        if name == "elsewhere":
            of_these = pc.and_(of_these, pc.is_in(self._written[name]["data"], pc.unique(rows["data"])))
        self._written[name] = pa.concat_tables([self._written[name].filter(pc.invert(of_these)), rows])
        write_parquet(self._written[name], self.folder, name)


def prediction_rows(
    trial: str,
    images: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    distinct: np.ndarray | None,
    subjects: np.ndarray | None = None,
    *,
    predicted: np.ndarray | None = None,
) -> pa.Table:
    """A row a test image: its row in the data set, label, prediction, the probabilities, has it no twin, and whom it
    shows if that is known. predicted: where it is not the most probable class.
    """
    predicted = probabilities.argmax(axis=1) if predicted is None else predicted
    answers = _answers(images, labels, probabilities, predicted, distinct, subjects)
    schema = with_classes(SCHEMAS["predictions"], probabilities.shape[1])
    return pa.Table.from_arrays([pa.array([trial] * len(images)), *answers], schema=schema)


def elsewhere_rows(trial: str, others: Mapping[str, Mapping[str, Any]]) -> pa.Table | None:
    """The same a tested image of the `others`, by their names with what `prediction_rows` takes of each. Predicted is
    the most probable of the classes that occur there. None of none.
    """
    found = []
    for data, given in others.items():
        labels, probabilities = given["labels"], given["probabilities"]
        among = np.unique(labels)
        predicted = among[probabilities[:, among].argmax(axis=1)]
        answers = _answers(predicted=predicted, **given)
        schema = with_classes(SCHEMAS["elsewhere"], probabilities.shape[1])
        names = [pa.array([name] * len(labels)) for name in (trial, data)]
        found.append(pa.Table.from_arrays([*names, *answers], schema=schema))
    return pa.concat_tables(found) if found else None


def _answers(
    images: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    predicted: np.ndarray,
    distinct: np.ndarray | None,
    subjects: np.ndarray | None = None,
) -> list[pa.Array]:
    return [
        pa.array(images.astype(np.int32)),
        pa.array(labels.astype(np.int8)),
        pa.array(predicted.astype(np.int8)),
        pa.FixedSizeListArray.from_arrays(pa.array(probabilities.astype(np.float32).ravel()), probabilities.shape[1]),
        pa.nulls(len(images), pa.bool_()) if distinct is None else pa.array(distinct.astype(bool)),
        pa.nulls(len(images), S) if subjects is None else pa.array(subjects.tolist(), S),
    ]


def with_classes(schema: pa.Schema, classes: int) -> pa.Schema:
    """The schema with probabilities of so many classes."""
    field = pa.field(PROBABILITIES, pa.list_(pa.float32(), classes))
    return schema.set(schema.get_field_index(PROBABILITIES), field)


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """The table `name` of a study, with the rows that its parquet file lacks while the study runs."""
    rows = [row for table_name, row in _read_pending(folder) if table_name == name]
    table = read_parquet(folder, name)  # later: a driver moves rows from the pending ones to here, never back
    frame = _frame(pa.concat_tables([table, pa.Table.from_pylist(rows, schema=table.schema)]))
    return frame.drop_duplicates(KEYS[name], ignore_index=True)


def read_parquet(folder: Path, name: str) -> pa.Table:
    """The parquet file as the schema has it, and after that the settings of a user's own network or trainer. In a
    column that an older version lacks is what was so in effect, if anything.

    Raises InputError if the file cannot be read, or if a newer version wrote it.
    """
    path, schema = folder / f"{name}.parquet", SCHEMAS[name]
    if not path.exists():
        return schema.empty_table()
    table = read_file(path)
    version = int((table.schema.metadata or {}).get(VERSION_KEY, SCHEMA_VERSION))
    if version > SCHEMA_VERSION:
        raise InputError(f"{path}: has schema {version}; this version of fer-study reads up to {SCHEMA_VERSION}.")
    if PROBABILITIES in table.column_names:
        schema = with_classes(schema, _length(table.schema.field(PROBABILITIES).type))
    columns = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.repeat(pa.scalar(_once(field.name), field.type), table.num_rows)
        for field in schema
    ]
    own = [field for field in table.schema if field.name.startswith(SETTING) and field.name not in schema.names]
    for field in own:
        columns.append(table[field.name])
        schema = schema.append(field)
    return pa.Table.from_arrays(columns, schema=schema)


def read_file(path: Path, schema: pa.Schema | None = None) -> pa.Table:
    """The table in a parquet file, as `schema` has it if there is one. Raises InputError if it cannot be read."""
    try:
        # By its path Arrow opens it twice, and a driver may exchange it in between. Of a Python file its threads need
        # the interpreter to let go of it, and abort where that is about to end (apache/arrow 34314).
        with pa.OSFile(str(path)) as file:
            return pq.read_table(file, schema=schema)
    except (pa.ArrowException, OSError) as problem:
        raise InputError(f"{path}: cannot be read as parquet ({str(problem).splitlines()[0]}).") from None


def _length(kind: pa.DataType) -> int:
    return kind.list_size if pa.types.is_fixed_size_list(kind) else FER2013_CLASSES


def _with_own(trials: pa.Table, own: Mapping[str, type]) -> pa.Table:
    """The table with a column for each setting of the user's own, empty if there was none."""
    for name, kind in own.items():
        if f"{SETTING}{name}" not in trials.column_names:
            field = pa.field(f"{SETTING}{name}", _arrow_type(kind))
            trials = trials.append_column(field, pa.nulls(trials.num_rows, field.type))
    return trials


def _frame(table: pa.Table) -> pd.DataFrame:
    """For pandas, whose whole numbers become others beside an empty cell: those of the user's own settings do not."""
    frame = table.to_pandas()
    for field in table.schema:
        own = field.name.startswith(SETTING) and field.name not in CONFIG_COLUMNS
        if own and pa.types.is_integer(field.type) and table[field.name].null_count:
            frame[field.name] = pd.Series(table[field.name].to_pylist(), frame.index, object)
    return frame


def _once(column: str) -> Any:
    """What a column held in effect before there was one."""
    if column == "search":
        return 0
    return value_before(column.removeprefix("config.")) if column in CONFIG_COLUMNS else None


def _read_pending(folder: Path) -> Iterable[tuple[str, Row]]:
    """The lines since the parquet files were written, up to the last whole one."""
    try:
        content = (folder / PENDING).read_bytes()  # at once: a driver may drop them while they are read
    except FileNotFoundError:
        return
    for line in content.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            return
        name, row = json.loads(line)
        yield name, row


def write_parquet(table: pa.Table, folder: Path, name: str) -> None:
    """Write the table to `name`.parquet in the folder, whole or not at all."""
    path = folder / f"{name}.parquet"
    partial = path.with_suffix(".parquet.partial")
    pq.write_table(table, partial, compression="zstd")
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def trial_row(
    identity: Mapping[str, Any],
    config: Mapping[str, Any],
    status: str,
    epochs: list[Row],
    *,
    test: Mapping[str, float] | None = None,
    worker: Mapping[str, Any] | None = None,
    attempts: int = 1,
    error: str | None = None,
) -> Row:
    """The row of `trials` for a trial that ended: its numbers are those of the best epoch by validation."""
    row: Row = dict.fromkeys(SCHEMAS["trials"].names)
    row |= {**identity, **{f"config.{name}": value for name, value in config.items()}, "status": status}
    best = best_epoch(epochs, str(config[MONITOR]))
    if best is not None:
        row |= {f"{part}_{name}": best[f"{part}_{name}"] for part in ("train", "val") for name in MEASURED}
        row["best_epoch"] = best["epoch"]
    row |= {"epochs": len(epochs), "seconds": sum(e["seconds"] for e in epochs)}
    row |= {**(test or {}), **(worker or {}), "attempts": attempts, "error": error}
    return row
