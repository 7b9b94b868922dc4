"""The tables of a study: readable at any moment, every trial once, nothing lost whatever is killed.

A parquet file cannot be appended to. New rows therefore go to `pending.jsonl` first, one line each, and the
parquet files are written anew, whole, by renaming; then the lines are dropped. Whoever opens the folder after
a crash finds the parquet files of some moment and the lines since. Writing anew is spaced so that it takes a
small share of the time however large the tables grow.
"""

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from study.records.parquet import as_frame, read_parquet, read_pending, write_parquet
from study.records.schemas import ANSWERS, FER2013_CLASSES, PENDING, SCHEMAS, SETTING, Row, arrow_type, with_classes

# Pause between two writings of the parquet files, in units of what the last one took.
PAUSE = 20
# But no more epochs than these wait for it: whoever reads a running study reads them line by line, in under a second.
MOST_WAITING = 50_000


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
        for name, row in read_pending(folder):
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
        return as_frame(self._whole("trials"))

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

    def add_trial(
        self,
        row: Row,
        predictions: pa.Table | None = None,
        elsewhere: pa.Table | None = None,
        scores: pa.Table | None = None,
    ) -> None:
        """Record a finished trial with its predictions on the test images and on other data's, if it was tested, or
        its scores.
        """
        if self.has_trial(row["trial"]):
            return
        for name, rows in zip(ANSWERS, (predictions, scores, elsewhere), strict=True):
            if rows is not None:
                self._write_answers(name, row["trial"], rows)
        self._take("trials", row)
        self._append("trials", row)
        os.fsync(self._pending.fileno())
        rested = time.monotonic() - self._last_write >= PAUSE * self._write_cost
        if rested or len(self._new["epochs"]) > MOST_WAITING:
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


def _with_own(trials: pa.Table, own: Mapping[str, type]) -> pa.Table:
    """The table with a column for each setting of the user's own, empty if there was none."""
    for name, kind in own.items():
        if f"{SETTING}{name}" not in trials.column_names:
            field = pa.field(f"{SETTING}{name}", arrow_type(kind))
            trials = trials.append_column(field, pa.nulls(trials.num_rows, field.type))
    return trials
