"""The study's logic on real journals and tables, with trainings whose curve is a formula: seconds for a study."""

import random as random_numbers
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from search_spaces.catalogue import load_space
from study.engine import Engine, StudyFailedError
from study.plan import Plan, TrialSpec, make_plan
from study.sampler import Sampler
from study.tables import Tables, read_table

TEST_IMAGES = np.arange(4)
Ending = Callable[[TrialSpec], str]


def plan(**changes: Any) -> Plan:
    arguments = {"budget": "standard", "protocol": "challenge", "data_name": "fer2013", "trials": 9, "epochs": 9}
    return make_plan(load_space("se_placement"), **{**arguments, "seeds": 2, **changes})


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
        "val_accuracy": value,
        "val_loss": 1 - value,
        "learning_rate": spec.config.train.learning_rate,
        "seconds": 1.0,
    }


def results_of(spec: TrialSpec) -> dict[str, Any] | None:
    if spec.phase == "search":
        return None
    value = accuracy(spec, 9)
    names = ("test_accuracy", "test_loss", "test_accuracy_distinct", "test_macro_f1")
    probabilities = np.full((4, 7), 1 / 7, np.float32)
    return dict.fromkeys(names, value) | {
        "images": TEST_IMAGES,
        "labels": TEST_IMAGES,
        "probabilities": probabilities,
    }


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
) -> Engine:
    """Drive an engine to the end as Ray would, `slots` trials at a time in an order drawn from `order`.

    Raises KilledError after so many `steps`, leaving everything as a kill would.
    """
    draw = random_numbers.Random(order)
    engine = Engine(the_plan, Sampler(the_plan, folder / "optuna.log"), Tables(folder))
    running: dict[str, tuple[TrialSpec, int]] = {}
    while not engine.finished:
        while len(running) < slots and (spec := engine.next()) is not None:
            running[spec.trial] = (spec, 0)
        spec, done = running[draw.choice(sorted(running))]
        if steps is not None:
            steps -= 1
            if steps < 0:
                raise KilledError
        status = ending(spec)
        if status in ("failed", "diverged"):
            engine.on_end(spec, status, error="boom" if status == "failed" else None)
            del running[spec.trial]
            continue
        stop = engine.on_epochs(spec, [epoch_row(spec, done + 1)])
        running[spec.trial] = (spec, done + 1)
        if stop or done + 1 == the_plan.epochs:
            status = "completed" if done + 1 == the_plan.epochs else "pruned"
            engine.on_end(spec, status, test=results_of(spec))
            del running[spec.trial]
    engine.tables.close()
    return engine


def trials(folder: Path) -> pd.DataFrame:
    return read_table(folder, "trials")


def journal(folder: Path) -> dict[str, optuna.Study]:
    storage = JournalStorage(JournalFileBackend(str(folder / "optuna.log")))
    return {name: optuna.load_study(study_name=name, storage=storage) for name in ("none", "block", "conv")}


def content(table: pd.DataFrame) -> list[dict]:
    """The rows without what differs from run to run, in an order of their own."""
    return table.sort_values("trial").drop(columns=["attempts"]).astype(object).fillna("-").to_dict("records")


def test_every_arm_gets_its_trials_in_every_phase(tmp_path: Path) -> None:
    run(plan(), tmp_path)
    table = trials(tmp_path)
    counts = Counter(zip(table["arm"], table["phase"], strict=True))
    assert counts == {
        ("none", "fixed"): 1,
        ("block", "fixed"): 1,
        **{(arm, "search"): 9 for arm in ("none", "block", "conv")},
        **{(arm, "confirm"): 2 for arm in ("none", "block", "conv")},
    }
    assert table["trial"].is_unique


def test_search_trials_are_never_tested_and_the_others_always(tmp_path: Path) -> None:
    run(plan(), tmp_path)
    table = trials(tmp_path)
    searched = table["phase"] == "search"
    tests = table[[c for c in table.columns if c.startswith("test_")]]
    assert tests[searched].isna().all(axis=None)
    assert tests[~searched].notna().all(axis=None)
    assert set(read_table(tmp_path, "predictions")["trial"]) == set(table[~searched]["trial"])


def test_the_winner_is_chosen_by_validation_and_confirmed_over_the_same_seeds(tmp_path: Path) -> None:
    p = plan()
    engine = run(p, tmp_path)
    table = trials(tmp_path)
    for arm in p.arms:
        searched = table[(table["arm"] == arm.name) & (table["phase"] == "search") & (table["status"] == "completed")]
        best = searched.sort_values("val_accuracy").iloc[-1]
        winner = engine.winner(arm.name)
        assert winner is not None
        assert winner.trial == best["trial"]
        confirmed = table[(table["arm"] == arm.name) & (table["phase"] == "confirm")]
        assert sorted(confirmed["seed"]) == p.confirm_seeds
        assert set(confirmed["config.train.learning_rate"]) == {best["config.train.learning_rate"]}
        assert set(confirmed["epochs"]) == {p.epochs}


def test_the_journal_agrees_with_the_tables(tmp_path: Path) -> None:
    run(plan(), tmp_path)
    table = trials(tmp_path)
    states = {"completed": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
    assert set(table[table["phase"] == "search"]["status"]) == set(states)
    for arm, study in journal(tmp_path).items():
        rows = table[(table["arm"] == arm) & (table["phase"] == "search")].sort_values("number")
        assert [t.number for t in study.trials] == rows["number"].tolist()
        assert [t.state for t in study.trials] == [states[s] for s in rows["status"]]
        for recorded, (_, row) in zip(study.trials, rows.iterrows(), strict=True):
            assert recorded.params["train.learning_rate"] == row["config.train.learning_rate"]
            assert len(recorded.intermediate_values) == row["epochs"]
            if recorded.state == TrialState.COMPLETE:
                assert recorded.value == row["val_accuracy"]


@pytest.mark.parametrize("sampler", ["random", "qmc", "tpe"])
@pytest.mark.parametrize("scheduler", ["none", "asha", "median"])
def test_the_same_command_gives_the_same_study_on_any_cluster(sampler: str, scheduler: str, tmp_path: Path) -> None:
    p = plan(sampler=sampler, scheduler=scheduler, trials=6, epochs=5, seeds=1)
    contents = []
    for slots in (1, 4):
        folder = tmp_path / str(slots)
        folder.mkdir()
        run(p, folder, slots=slots, order=slots)
        contents.append(content(trials(folder)))
    assert contents[0] == contents[1]


def test_no_arm_proposes_the_same_values_twice(tmp_path: Path) -> None:
    run(plan(), tmp_path)
    for study in journal(tmp_path).values():
        proposed = [tuple(sorted(t.params.items())) for t in study.trials]
        assert len(set(proposed)) == len(proposed)


def test_a_trial_is_compared_within_its_arm_alone(tmp_path: Path) -> None:
    """The arm `none` is far better: it must cut off no trial of the other arms."""
    run(plan(), tmp_path)
    pruned = trials(tmp_path).query("status == 'pruned'").groupby("arm").size()
    assert set(pruned.index) == {"none", "block", "conv"}


@pytest.mark.parametrize("steps", [0, 1, 7, 40, 90, 150, 230])
def test_a_killed_driver_comes_back_to_the_same_study(steps: int, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    run(plan(), whole)
    with pytest.raises(KilledError):
        run(plan(), killed, steps=steps)
    # The trials' own checkpoints are Ray's side: here they train again, and what was recorded is not twice.
    run(plan(), killed, order=1)
    assert content(trials(killed)) == content(trials(whole))
    epochs = read_table(killed, "epochs")
    assert not epochs.duplicated(["trial", "epoch"]).any()
    assert {t.state for s in journal(killed).values() for t in s.trials} <= {TrialState.COMPLETE, TrialState.PRUNED}


def test_a_study_grows_by_trials_and_seeds(tmp_path: Path) -> None:
    run(plan(trials=3, seeds=1), tmp_path)
    before = trials(tmp_path)
    run(plan(trials=3, seeds=2), tmp_path)
    after = trials(tmp_path)
    assert set(before["trial"]) < set(after["trial"])
    assert len(after) == len(before) + 3


def test_a_failed_trial_is_recorded_and_the_study_goes_on(tmp_path: Path) -> None:
    def ending(spec: TrialSpec) -> str:
        return {1: "failed", 2: "diverged"}.get(spec.number or 0, "completed")

    run(plan(), tmp_path, ending=ending)
    table = trials(tmp_path).query("phase == 'search'")
    assert Counter(table["status"])["failed"] == Counter(table["status"])["diverged"] == 3
    assert set(table.query("status == 'failed'")["error"]) == {"boom"}
    for study in journal(tmp_path).values():
        assert study.trials[1].state == TrialState.FAIL
        assert study.trials[2].state == TrialState.PRUNED


def test_many_failures_in_a_row_stop_the_study_with_the_cause(tmp_path: Path) -> None:
    with pytest.raises(StudyFailedError, match="6 trials in a row failed, the last with: boom"):
        run(plan(), tmp_path, ending=lambda spec: "failed")


def test_an_arm_without_a_good_trial_stops_the_study(tmp_path: Path) -> None:
    with pytest.raises(StudyFailedError, match="arm conv: no search trial ended well"):
        run(plan(), tmp_path, ending=lambda spec: "diverged" if spec.arm == "conv" else "completed")
