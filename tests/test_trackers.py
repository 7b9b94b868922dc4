"""MLflow and Weights & Biases, where they are installed: a run a trial. And a watcher beside the study."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search_spaces.catalogue import load_space
from study.engine import Engine
from study.plan import TrialSpec, make_plan
from study.records.parquet import read_table
from study.records.tables import Tables
from study.replay import replay
from study.search.sampler import Sampler
from study.watching.aside import Aside
from study.watching.logs import watchers
from study.watching.watcher import Watcher


def run(folder: Path, others: list[Watcher]) -> None:
    """A study by formula in which trials wait at their rung."""
    plan = make_plan(
        load_space("se_placement"), budget="quick", protocol="challenge", data_name="fer2013", trials=8, seeds=1
    )
    engine = Engine(plan, Sampler(plan, folder / "optuna.log"), Tables(folder), others)
    replay(engine, lambda spec: np.linspace(0.1, 0.5 + spec.config.train.learning_rate, 5))


class Listener(Watcher):
    """Counts what it hears, and fails at the end of so many trials. It hears nothing before `open`."""

    def __init__(self, most: int | None = None) -> None:
        self.epochs, self.ended, self.most, self.open = 0, 0, most, threading.Event()

    def on_epoch(self, spec: TrialSpec, epoch: dict[str, Any]) -> None:
        self.open.wait()
        self.epochs += 1

    def on_end(self, spec: TrialSpec, row: dict[str, Any]) -> None:
        if self.ended == self.most:
            raise ConnectionError("the server is gone.\nSee its log.")
        self.ended += 1


def test_a_watcher_aside_hears_everything_and_holds_nothing_up(tmp_path: Path) -> None:
    listener, said = Listener(), list[str]()
    with Aside("slow", lambda: listener, said.append) as aside:
        run(tmp_path, [aside])  # ends although nobody has listened yet
        assert listener.epochs == 0
        listener.open.set()
    assert listener.epochs == len(read_table(tmp_path, "epochs"))
    assert listener.ended == len(read_table(tmp_path, "trials"))
    assert said == []


@pytest.mark.parametrize("fails", ["at its start", "later"])
def test_a_watcher_aside_that_fails_is_heard_of_once_and_ends_no_study(fails: str, tmp_path: Path) -> None:
    listener, said = Listener(2), list[str]()
    listener.open.set()

    def make() -> Watcher:
        if fails == "at its start":
            raise ConnectionError("the server is gone.\nSee its log.")
        return listener

    with Aside("broken", make, said.append) as aside:
        run(tmp_path, [aside])
    assert said == ["--log broken: the server is gone. The study goes on without it."]
    assert listener.ended == (0 if fails == "at its start" else 2)
    assert set(read_table(tmp_path, "trials")["phase"]) == {"fixed", "search", "confirm"}


def logged(name: str, folder: Path) -> None:
    """The study with this log, by the way that `study.run` takes."""
    said: list[str] = []
    with watchers([name], "se_placement", folder, said.append) as others:
        run(folder, others)
    assert said == []


@pytest.fixture
def mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    found = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    return found


def test_mlflow_has_a_run_a_trial_with_all_its_epochs(mlflow: Any, tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    logged("mlflow", tmp_path / "study")
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("se_placement study")
    runs = {run.data.tags["trial"]: run for run in client.search_runs([experiment.experiment_id])}
    trials = read_table(tmp_path / "study", "trials")
    assert sorted(runs) == sorted(trials["trial"])
    for row in trials.to_dict("records"):
        run = runs[row["trial"]]
        assert run.info.status == "FINISHED"
        assert run.data.tags["status"] == row["status"]
        assert run.data.params["model.se_placement"] == row["arm"]
        curve = client.get_metric_history(run.info.run_id, "val_accuracy")
        assert [metric.step for metric in curve] == list(range(1, row["epochs"] + 1))
        assert ("test_accuracy" in run.data.metrics) == (row["phase"] != "search")


def test_a_study_that_goes_on_goes_on_in_its_runs(mlflow: Any, spec_of: Callable[[], TrialSpec]) -> None:
    from study.watching.trackers import MLflow

    spec = spec_of()
    for epoch in (1, 2):  # of two drivers, the first of them killed
        MLflow("again").on_epoch(spec, {"epoch": epoch, "val_accuracy": 0.5, "val_loss": float("nan")})
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("again").experiment_id])
    assert [metric.step for metric in client.get_metric_history(run.info.run_id, "val_accuracy")] == [1, 2]
    assert "val_loss" not in run.data.metrics


@pytest.fixture
def spec_of() -> Callable[[], TrialSpec]:
    plan = make_plan(load_space("se_placement"), budget="quick", protocol="challenge", data_name="fer2013")
    return lambda: plan.fixed_trials()[0]


def test_weights_and_biases_has_a_run_a_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    folder = tmp_path / "study"
    folder.mkdir()
    logged("wandb", folder)
    runs = [path.name.split("-", 3)[3] for path in (folder / "wandb").glob("offline-run-*")]
    assert sorted(runs) == sorted(f"study-{trial}" for trial in read_table(folder, "trials")["trial"])
