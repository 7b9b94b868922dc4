"""An engine driven as Ray would, with trainings whose curve is a formula: seconds for a study."""

import random as random_numbers
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from search_spaces.catalogue import load_space
from search_spaces.space import Space
from study.engine import Engine
from study.plan import Plan, TrialSpec, make_plan
from study.records.parquet import read_table
from study.records.tables import Tables
from study.search.deadline import Deadline
from study.search.sampler import Sampler
from study.watching.watcher import Watcher

TEST_IMAGES = np.arange(4)
Ending = Callable[[TrialSpec], str]


def plan(space: str | Space = "se_placement", **changes: Any) -> Plan:
    arguments = {"budget": "standard", "protocol": "challenge", "data_name": "fer2013", "trials": 9, "epochs": 9}
    return make_plan(space if isinstance(space, Space) else load_space(space), **{**arguments, "seeds": 2, **changes})


def accuracy(spec: TrialSpec, epoch: int) -> float:
    """Best at a learning rate of 0.001, and rising."""
    quality = 0.7 - 0.05 * abs(np.log(spec.config.train.learning_rate / 0.001))
    return float(quality * (1 - 0.5**epoch) + 1e-6 * (spec.seed % 97))


def epoch_row(spec: TrialSpec, number: int) -> dict[str, Any]:
    value = accuracy(spec, number)
    return {
        "epoch": number,
        "train_accuracy": value,
        "train_loss": 1 - value,
        "train_macro_f1": value,
        "train_balanced_accuracy": value,
        "val_accuracy": value,
        "val_loss": 1 - value,
        "val_macro_f1": value,
        "val_balanced_accuracy": value,
        "learning_rate": spec.config.train.learning_rate,
        "seconds": 1.0,
    }


def results_of(spec: TrialSpec, others: Sequence[str] = ()) -> dict[str, Any] | None:
    if spec.phase == "search":
        return None
    value = accuracy(spec, 9)
    names = ("test_accuracy", "test_loss", "test_accuracy_distinct", "test_macro_f1", "test_balanced_accuracy")
    answers = {
        "images": TEST_IMAGES,
        "labels": TEST_IMAGES,
        "probabilities": np.full((4, 7), 1 / 7, np.float32),
        "distinct": np.ones(4, bool),
    }
    return {**dict.fromkeys(names, value), **answers, "elsewhere": dict.fromkeys(others, answers)}


class KilledError(Exception):
    """The driver died."""


def run(
    the_plan: Plan,
    folder: Path,
    *,
    slots: int = 3,
    order: int = 0,
    ending: Ending = lambda spec: "completed",
    steps: int | None = None,
    checkpoints: dict[str, int] | None = None,
    deadline: Deadline | None = None,
    engine_class: type[Engine] = Engine,
    pace: Callable[[str], float] = lambda arm: 1.0,
    watchers: Sequence[Watcher] = (),
    others: Sequence[str] = (),
    rows: Callable[[TrialSpec, int], dict[str, Any]] = epoch_row,
    results: Callable[[TrialSpec, Sequence[str]], dict[str, Any] | None] = results_of,
) -> Engine:
    """Drive an engine to the end as Ray would, `slots` trials at a time in an order drawn from `order`.

    Raises KilledError after so many `steps`, before the engine hears of the last one. checkpoints: the epochs that
    every trial's worker has saved, which outlive a driver. pace: of an arm's trials, beside that of others. others:
    the names of other data that is tested, too. rows, results: what a worker measures after an epoch, and in the end.
    """
    saved = {} if checkpoints is None else checkpoints
    draw = random_numbers.Random(order)
    tables = Tables(folder, the_plan.space.columns, others=others)
    engine = engine_class(the_plan, Sampler(the_plan, folder / "optuna.log"), tables, watchers, deadline)
    running: dict[str, tuple[TrialSpec, int]] = {}
    while not engine.finished:
        while len(running) < slots and (spec := engine.next()) is not None:
            running[spec.trial] = (spec, 0)
        if not running:  # the deadline has just ended the last search
            assert engine.finished, "nothing runs, and nothing can"
            break
        names = sorted(running)
        (name,) = draw.choices(names, [pace(running[name][0].arm) for name in names])
        spec, done = running[name]
        if done == saved.get(
            spec.trial, 0
        ):  # as study.cluster.trial: what a driver may not have heard of comes first
            saved[spec.trial] = done + 1
        new, done = range(done + 1, saved[spec.trial] + 1), saved[spec.trial]
        if steps is not None:
            steps -= 1
            if steps < 0:
                raise KilledError
        status = ending(spec)
        if status in ("failed", "diverged"):
            engine.on_end(spec, status, error="boom" if status == "failed" else None)
            del running[spec.trial]
            continue
        epochs = [rows(spec, number) for number in new]
        stop = engine.on_epochs(spec, epochs)
        running[spec.trial] = (spec, done)
        if stop or done == the_plan.epochs:
            del running[spec.trial]
        if done == the_plan.epochs and not (stop and not engine.has_heard(spec, epochs)):
            engine.on_end(spec, "completed", test=results(spec, others))
        elif stop:
            engine.on_stop(spec)
    engine.tables.close()
    return engine


def trials(folder: Path) -> pd.DataFrame:
    return read_table(folder, "trials")


def journal(folder: Path) -> dict[str, optuna.Study]:
    storage = JournalStorage(JournalFileBackend(str(folder / "optuna.log")))
    names = optuna.get_all_study_names(storage)
    return {name: optuna.load_study(study_name=name, storage=storage) for name in names}


def content(table: pd.DataFrame) -> list[dict]:
    """The rows without what differs from run to run, in an order of their own."""
    return table.sort_values("trial").drop(columns=["attempts"]).astype(object).fillna("-").to_dict("records")


def same_study(folder: Path, undisturbed: Path) -> None:
    assert content(trials(folder)) == content(trials(undisturbed))
    epochs = read_table(folder, "epochs")
    assert not epochs.duplicated(["trial", "epoch"]).any()
    assert {t.state for s in journal(folder).values() for t in s.trials} <= {TrialState.COMPLETE, TrialState.PRUNED}


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now
