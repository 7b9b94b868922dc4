"""Tables: readable at any moment, every trial once, and whole after any cut."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fer_core.config import TrialConfig
from study.records.parquet import read_pending, read_table
from study.records.rows import prediction_rows, trial_row
from study.records.schemas import PENDING, SCHEMAS
from study.records.tables import Tables
from tests.made import make_study


def epoch(number: int, val_accuracy: float = 0.5, val_loss: float = 1.0) -> dict[str, Any]:
    return {
        "epoch": number,
        "train_accuracy": 0.4,
        "train_loss": 1.5,
        "train_macro_f1": 0.3,
        "train_balanced_accuracy": 0.3,
        "val_accuracy": val_accuracy,
        "val_loss": val_loss,
        "val_macro_f1": val_accuracy,
        "val_balanced_accuracy": val_accuracy,
        "learning_rate": 0.002,
        "seconds": 2.0,
    }


def row(
    trial: str, status: str = "completed", epochs: list[dict] | None = None, monitor: str = "accuracy", **more: Any
) -> dict[str, Any]:
    identity = {"trial": trial, "arm": "none", "phase": "search", "seed": 1, "number": 0}
    config = TrialConfig().override({"train.monitor": monitor}).flat()
    return trial_row(identity, config, status, [epoch(1)] if epochs is None else epochs, **more)


def test_a_trials_numbers_are_those_of_its_best_epoch() -> None:
    got = row("a", epochs=[epoch(1, 0.3), epoch(2, 0.6), epoch(3, 0.6), epoch(4, 0.9, float("nan"))])
    assert (got["best_epoch"], got["val_accuracy"], got["epochs"], got["seconds"]) == (2, 0.6, 4, 8.0)


@pytest.mark.parametrize(("monitor", "best"), [("accuracy", 2), ("macro_f1", 2), ("loss", 3), ("last", 4)])
def test_which_epoch_is_the_best_is_said_by_the_configuration(monitor: str, best: int) -> None:
    epochs = [epoch(1, 0.3, 0.9), epoch(2, 0.6, 0.8), epoch(3, 0.5, 0.7), epoch(4, 0.4, 0.8)]
    assert row("a", epochs=epochs, monitor=monitor)["best_epoch"] == best


def test_a_trial_that_failed_at_once_has_a_row_with_its_error(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    tables.add_trial(row("a", "failed", epochs=[], error="OutOfMemory"))
    tables.close()
    stored = read_table(tmp_path, "trials").iloc[0]
    assert stored["status"] == "failed"
    assert stored["error"] == "OutOfMemory"
    assert np.isnan(stored["val_accuracy"])


def test_no_more_epochs_than_a_reader_can_bear_wait_for_the_parquet_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the last writing took."""
    monkeypatch.setattr("study.records.tables.PAUSE", float("inf"))
    monkeypatch.setattr("study.records.tables.MOST_WAITING", 20)
    tables, waiting = Tables(tmp_path), []
    for number in range(1, 31):
        for n in (1, 2, 3):
            tables.add_epoch({"trial": f"t{number}", **epoch(n)})
        tables.add_trial(row(f"t{number}"))
        waiting.append(sum(name == "epochs" for name, _ in read_pending(tmp_path)))
    assert 3 * 6 <= max(waiting) <= 20
    assert len(read_table(tmp_path, "epochs")) == 90
    tables.close()


def test_tables_are_readable_at_any_moment(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    for number in range(1, 31):
        tables.add_epoch({"trial": f"t{number}", **epoch(1)})
        tables.add_trial(row(f"t{number}"))
        assert len(read_table(tmp_path, "trials")) == number
        assert len(read_table(tmp_path, "epochs")) == number
        for name in ("trials", "epochs"):
            assert pq.read_table(tmp_path / f"{name}.parquet").schema.names == SCHEMAS[name].names
    tables.close()


def test_a_reader_misses_nothing_that_a_driver_is_just_moving_to_the_parquet_files(tmp_path: Path) -> None:
    tables, recorded = Tables(tmp_path), [0]

    def drive() -> None:
        for number in range(1, 101):
            tables.add_trial(row(f"t{number}"))
            recorded[0] = number
            tables.write()

    driver = threading.Thread(target=drive)
    driver.start()
    while driver.is_alive():
        before = recorded[0]
        assert len(read_table(tmp_path, "trials")) >= before
    driver.join()
    tables.close()


def test_no_trial_is_in_its_parquet_file_before_its_epochs_are_in_theirs(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    tables.write()
    (tmp_path / "epochs.parquet").unlink()
    (tmp_path / "epochs.parquet").mkdir()  # so that it cannot be written

    def record() -> None:
        tables.add_epoch({"trial": "t", **epoch(1)})
        tables.add_trial(row("t", epochs=[epoch(1)]))
        tables.write()

    with pytest.raises(OSError, match="directory"):
        record()
    assert not pq.read_table(tmp_path / "trials.parquet").num_rows
    assert len(read_table(tmp_path, "trials")) == 1


def test_adding_a_trial_or_an_epoch_again_changes_nothing(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    for _ in range(2):
        tables.add_epoch({"trial": "a", **epoch(1)})
        tables.add_trial(row("a"))
    tables.close()
    again = Tables(tmp_path)
    assert again.has_trial("a")
    assert not again.add_epoch({"trial": "a", **epoch(1)})
    again.add_trial(row("a"))
    again.close()
    assert len(read_table(tmp_path, "trials")) == len(read_table(tmp_path, "epochs")) == 1


def test_pending_lines_cut_at_any_byte_are_read_to_the_last_whole_one(tmp_path: Path) -> None:
    lines = "".join(json.dumps(["epochs", {"trial": "a", **epoch(n)}]) + "\n" for n in (1, 2))
    first = lines.index("\n") + 1
    for cut in range(len(lines) + 1):
        (tmp_path / PENDING).write_text(lines[:cut])
        assert len(read_table(tmp_path, "epochs")) == (cut >= first) + (cut == len(lines))


def test_rows_after_a_half_written_line_are_not_lost(tmp_path: Path) -> None:
    (tmp_path / PENDING).write_text(json.dumps(["epochs", {"trial": "a", **epoch(1)}]) + '\n["epochs", {"tri')
    tables = Tables(tmp_path)
    tables.add_epoch({"trial": "a", **epoch(2)})
    assert read_table(tmp_path, "epochs")["epoch"].tolist() == [1, 2]
    tables.close()
    assert pq.read_table(tmp_path / "epochs.parquet")["epoch"].to_pylist() == [1, 2]


def test_rows_that_stand_in_the_parquet_file_and_among_the_pending_lines_count_once(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    tables.add_epoch({"trial": "a", **epoch(1)})
    lines = (tmp_path / PENDING).read_text()
    tables.close()
    (tmp_path / PENDING).write_text(lines)  # killed between the renaming and the truncation
    assert len(read_table(tmp_path, "epochs")) == 1
    Tables(tmp_path).close()
    assert pq.read_table(tmp_path / "epochs.parquet").num_rows == 1


def test_predictions_come_back_as_they_went_in(tmp_path: Path, random: np.random.Generator) -> None:
    probabilities = random.dirichlet(np.ones(7), size=5).astype(np.float32)
    images, labels = np.array([3, 5, 7, 9, 11]), np.array([0, 1, 2, 3, 4])
    tables = Tables(tmp_path)
    tables.add_trial(row("a"), prediction_rows("a", images, labels, probabilities, images > 5))
    tables.close()
    got = read_table(tmp_path, "predictions")
    np.testing.assert_array_equal(np.stack(got["probabilities"]), probabilities)
    assert got["predicted"].tolist() == probabilities.argmax(axis=1).tolist()
    assert got["image"].tolist() == images.tolist()
    assert got["distinct"].tolist() == [False, False, True, True, True]


@pytest.mark.parametrize("name", SCHEMAS)
def test_an_empty_study_has_empty_tables(name: str, tmp_path: Path) -> None:
    assert list(read_table(tmp_path, name).columns) == SCHEMAS[name].names


def test_a_column_that_an_older_study_lacks_holds_what_was_so_in_effect_or_nothing(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    tables.add_trial(row("a"))
    tables.close()
    path = tmp_path / "trials.parquet"
    older = pq.read_table(path).drop_columns(["config.model.dense_norm", "config.train.precision"])
    older = older.append_column("gone", pa.array([1]))
    pq.write_table(older, path)
    read = read_table(tmp_path, "trials")
    assert read["config.model.dense_norm"].isna().all()
    assert read["config.train.precision"].tolist() == ["float32"]
    assert read["trial"].tolist() == ["a"]
    assert "gone" not in read


READ_AND_END = """
import os, sys
from pathlib import Path
from study.records.parquet import read_table

for _ in range(30):
    process = os.fork()
    if not process:
        for name in ("trials", "epochs"):
            read_table(Path(sys.argv[1]), name)
        sys.exit()
    assert os.waitpid(process, 0)[1] == 0
"""


def test_a_command_that_has_just_read_a_table_ends_well(tmp_path: Path) -> None:
    """Threads of Arrow's that still hold a file of Python's abort one in ten that ends at once."""
    study = make_study(tmp_path / "study", {"none": 0.5, "block": 0.6})
    done = subprocess.run([sys.executable, "-c", READ_AND_END, study], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
