"""The study's logic on real journals and tables, with trainings whose curve is a formula: seconds for a study."""

import random as random_numbers
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pyarrow.parquet as pq
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from rich.console import Console

from fer_core.errors import InputError
from fer_core.size import parameters
from search_spaces.catalogue import load_space, space_names
from search_spaces.space import Choice, Float, Int, Space
from study.deadline import Deadline
from study.display import Display
from study.engine import PHASES, Engine, StudyFailedError
from study.plan import Plan, TrialSpec, make_plan
from study.run import ended_as
from study.sampler import Sampler
from study.selection import as_counted, best_confirmation, search_of, winner, winners
from study.tables import VERSION_KEY, Tables, read_table
from study.watcher import Watcher

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
) -> Engine:
    """Drive an engine to the end as Ray would, `slots` trials at a time in an order drawn from `order`.

    Raises KilledError after so many `steps`, before the engine hears of the last one. checkpoints: the epochs that
    every trial's worker has saved, which outlive a driver. pace: of an arm's trials, beside that of others. others:
    the names of other data that is tested, too.
    """
    saved = {} if checkpoints is None else checkpoints
    draw = random_numbers.Random(order)
    tables = Tables(folder, others=others)
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
        if done == saved.get(spec.trial, 0):  # as study.trial: what a driver may not have heard of comes first
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
        rows = [epoch_row(spec, number) for number in new]
        stop = engine.on_epochs(spec, rows)
        running[spec.trial] = (spec, done)
        if stop or done == the_plan.epochs:
            del running[spec.trial]
        if done == the_plan.epochs and not (stop and not engine.has_heard(spec, rows)):
            engine.on_end(spec, "completed", test=results_of(spec, others))
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


@pytest.mark.parametrize("sampler", ["random", "qmc", "tpe", "cmaes"])
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


@pytest.mark.parametrize("slots", [1, 2, 12])
def test_the_first_trials_of_an_arm_are_compared_when_all_have_come(slots: int, tmp_path: Path) -> None:
    p = plan(window=4)
    first_rung, reached = p.rungs[0], Counter[tuple[str, int]]()

    class Listener(Watcher):
        def on_epoch(self, spec: TrialSpec, epoch: dict[str, Any]) -> None:
            if spec.number is not None and spec.number < p.window:
                reached[spec.arm, epoch["epoch"]] += 1
                assert epoch["epoch"] <= first_rung or reached[spec.arm, first_rung] == p.window

    run(p, tmp_path, slots=slots, watchers=[Listener()])
    for arm in p.arms:
        assert reached[arm.name, first_rung + 1] == 2, "the best third of four, rounded up"


def test_a_trial_that_ends_while_it_waits_keeps_what_its_worker_said(tmp_path: Path) -> None:
    p = plan(trials=8, seeds=1, window=4)
    engine = Engine(p, Sampler(p, tmp_path / "optuna.log"), Tables(tmp_path))
    first = [spec for spec in iter(engine.next, None) if spec.arm == "none" and spec.phase == "search"]
    for spec in first:
        to_the_rung = [epoch_row(spec, epoch) for epoch in range(1, p.rungs[0] + 1)]
        assert engine.on_epochs(spec, to_the_rung) == (spec is not first[-1])
        engine.on_stop(spec, worker={"parameters": 7, "node": "there"}, attempts=2)
    ended = engine.tables.trials()
    assert len(ended) == len(first) - 2
    assert set(ended["status"]) == {"pruned"}
    assert set(ended["parameters"]) == {7}
    assert set(ended["node"]) == {"there"}
    assert set(ended["attempts"]) == {2}
    again = [spec for spec in iter(engine.next, None) if spec.arm == "none"]
    assert {spec.trial for spec in first} - set(ended["trial"]) == {spec.trial for spec in again if spec in first}
    engine.tables.close()


def test_a_trial_that_was_whole_when_the_limit_came_is_recorded_whole(tmp_path: Path) -> None:
    """Its driver had been killed before it heard of the last epochs, which the trial's checkpoint held."""
    clock, p = Clock(), plan(scheduler="none")
    engine = Engine(p, Sampler(p, tmp_path / "optuna.log"), Tables(tmp_path), deadline=Deadline(100, 3, clock))
    spec = next(spec for spec in iter(engine.next, None) if spec.phase == "search")
    rows = [epoch_row(spec, number) for number in range(1, p.epochs + 1)]
    engine.on_epochs(spec, rows[:2])
    clock.now = 99.0
    assert engine.on_epochs(spec, rows)
    assert engine.search_cut
    assert engine.has_heard(spec, rows)
    engine.on_end(spec, "completed")
    assert engine.tables.trials().set_index("trial").loc[spec.trial, "epochs"] == p.epochs
    engine.tables.close()


def test_a_trial_that_was_whole_before_its_rank_was_clear_waits_for_it(tmp_path: Path) -> None:
    p = plan(trials=8, window=4)
    engine = Engine(p, Sampler(p, tmp_path / "optuna.log"), Tables(tmp_path))
    spec = next(spec for spec in iter(engine.next, None) if spec.phase == "search")
    rows = [epoch_row(spec, number) for number in range(1, p.epochs + 1)]
    assert engine.on_epochs(spec, rows)
    assert not engine.has_heard(spec, rows)
    assert engine.has_heard(spec, rows[: p.rungs[0]])
    engine.on_stop(spec)
    assert engine.tables.trials().empty
    engine.tables.close()


def test_hundreds_of_trials_that_wait_for_one_are_decided_on_together(tmp_path: Path) -> None:
    one = Space("one", "How fast?", nuisance={"train.learning_rate": Float(1e-4, 1e-2, log=True)})
    run(plan(one, trials=600, epochs=3, seeds=0, sampler="random", window=600), tmp_path, slots=600)
    searched = trials(tmp_path).query("phase == 'search'")
    assert Counter(searched["status"]) == {"pruned": 400, "completed": 200}


@pytest.fixture(scope="module")
def whole_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    run(plan(), folder)
    return folder


@pytest.mark.parametrize("kept", [True, False], ids=["with checkpoints", "checkpoints lost"])
@pytest.mark.parametrize("steps", [0, 1, 7, 40, 90, 130, 180])
def test_a_killed_driver_comes_back_to_the_same_study(
    steps: int, kept: bool, whole_study: Path, tmp_path: Path
) -> None:
    checkpoints: dict[str, int] = {}
    with pytest.raises(KilledError):
        run(plan(), tmp_path, steps=steps, checkpoints=checkpoints)
    run(plan(), tmp_path, order=1, checkpoints=checkpoints if kept else None)
    same_study(tmp_path, whole_study)


@pytest.fixture(scope="module")
def whole_study_of_searches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("searches")
    run(plan(trials=4, searches=3), folder)
    return folder


@pytest.mark.parametrize("steps", [20, 90, 200])
def test_a_killed_driver_of_several_searches_comes_back_to_the_same_study(
    steps: int, whole_study_of_searches: Path, tmp_path: Path
) -> None:
    checkpoints: dict[str, int] = {}
    with pytest.raises(KilledError):
        run(plan(trials=4, searches=3), tmp_path, slots=9, steps=steps, checkpoints=checkpoints)
    run(plan(trials=4, searches=3), tmp_path, order=1, checkpoints=checkpoints)
    same_study(tmp_path, whole_study_of_searches)


@pytest.mark.parametrize("lifetime", [4, 11])
def test_a_driver_killed_again_and_again_comes_back_to_the_same_study(
    lifetime: int, whole_study: Path, tmp_path: Path
) -> None:
    """Each dies after so many steps, often where a trial has just come to the epoch after which it shall stop."""
    checkpoints: dict[str, int] = {}
    for order in range(1000):
        try:
            run(plan(), tmp_path, order=order, steps=lifetime, checkpoints=checkpoints)
            break
        except KilledError:
            continue
    same_study(tmp_path, whole_study)


def same_study(folder: Path, undisturbed: Path) -> None:
    assert content(trials(folder)) == content(trials(undisturbed))
    epochs = read_table(folder, "epochs")
    assert not epochs.duplicated(["trial", "epoch"]).any()
    assert {t.state for s in journal(folder).values() for t in s.trials} <= {TrialState.COMPLETE, TrialState.PRUNED}


def test_a_study_grows_by_trials_and_seeds(tmp_path: Path) -> None:
    run(plan(trials=3, seeds=1), tmp_path)
    before = trials(tmp_path)
    run(plan(trials=3, seeds=2), tmp_path)
    after = trials(tmp_path)
    assert set(before["trial"]) < set(after["trial"])
    assert len(after) == len(before) + 3


def test_every_search_is_one_of_its_own_and_its_winner_is_confirmed(tmp_path: Path) -> None:
    p = plan(searches=3, trials=4)
    engine = run(p, tmp_path)
    table = trials(tmp_path)
    assert len(table) == table["trial"].nunique() == p.trial_count
    assert table[table["phase"] == "fixed"]["search"].isna().all()
    assert set(journal(tmp_path)) == {
        name for arm in ("none", "block", "conv") for name in (arm, f"{arm}, search 1", f"{arm}, search 2")
    }
    for arm, search in p.search_keys:
        rows = table[(table["arm"] == arm) & (table["search"] == search)]
        assert Counter(rows["phase"]) == {"search": 4, "confirm": 2}
        chosen = engine.winner(arm, search)
        assert chosen is not None
        completed = rows[(rows["phase"] == "search") & (rows["status"] == "completed")]
        assert chosen.trial == completed.sort_values("val_accuracy").iloc[-1]["trial"]
        confirmed = rows[rows["phase"] == "confirm"]
        assert sorted(confirmed["seed"]) == p.of_search(search).confirm_seeds
        assert set(confirmed["config.train.learning_rate"]) == {chosen.config.train.learning_rate}
        assert engine.best_network(arm, search) in set(confirmed["trial"])
        assert engine.confirmations(arm, search) == confirmed["trial"].tolist()


def test_a_further_search_is_that_of_the_study_with_its_seed(tmp_path: Path) -> None:
    """So a study that is given further searches keeps what it has, and one alone has the same."""
    whole, alone = tmp_path / "whole", tmp_path / "alone"
    whole.mkdir()
    alone.mkdir()
    p = plan(trials=6)
    run(p, whole)
    before = content(trials(whole))
    run(plan(trials=6, searches=2), whole, slots=7, order=1)
    after = {row["trial"]: row for row in content(trials(whole))}
    assert [after[row["trial"]] for row in before] == before
    run(plan(trials=6, seed=100), alone)
    theirs = trials(alone).query("phase != 'fixed'")
    assert len(after) == len(before) + len(theirs)
    for row in content(theirs.drop(columns="search")):
        there = after[row["trial"]]
        assert {name: there[name] for name in row} == row
        assert there["search"] == 1


def test_a_study_that_an_older_version_began_can_be_given_further_searches(tmp_path: Path) -> None:
    run(plan(trials=4), tmp_path)
    before, path = trials(tmp_path), tmp_path / "trials.parquet"
    table = pq.read_table(path).drop_columns(["search"]).replace_schema_metadata({VERSION_KEY: b"3"})
    pq.write_table(table, path)
    p = plan(trials=4, searches=2)
    run(p, tmp_path)
    after = trials(tmp_path)
    assert len(after) == p.trial_count
    assert set(before["trial"]) < set(after["trial"])
    assert Counter(after.query("phase != 'fixed'")["search"]) == {0: 18, 1: 18}


def test_an_earlier_search_and_its_confirmation_come_first(tmp_path: Path) -> None:
    order = []

    class Listener(Watcher):
        def on_end(self, spec: TrialSpec, row: dict[str, Any]) -> None:
            order.append((spec.search, PHASES.index(spec.phase)))

    run(plan(searches=2, trials=4), tmp_path, slots=1, watchers=[Listener()])
    assert order == sorted(order)


def test_a_study_that_grows_keeps_its_trials_and_proposes_as_before(tmp_path: Path) -> None:
    first = plan(trials=3, seeds=1)
    run(first, tmp_path)
    before = content(trials(tmp_path))
    run(plan(trials=9, seeds=2, window=first.window), tmp_path)
    after = {row["trial"]: row for row in content(trials(tmp_path))}
    assert [after[row["trial"]] for row in before] == before
    searched = trials(tmp_path).query("phase == 'search'")
    assert searched.groupby("arm")["number"].apply(sorted).tolist() == [list(range(9))] * 3


def test_an_arm_with_nothing_to_tune_is_confirmed_as_it_is(tmp_path: Path) -> None:
    run(plan("paper", seeds=3), tmp_path)
    table = trials(tmp_path)
    assert Counter(zip(table["arm"], table["phase"], strict=True)) == {
        **{(f"{se}-{protocol}", "confirm"): 3 for se in ("none", "block") for protocol in ("paper", "challenge")},
        ("none-paper", "fixed"): 1,
        ("block-paper", "fixed"): 1,
    }


SMALL_NETWORKS = Space(
    "small",
    "Which small network?",
    nuisance={
        "model.se_placement": Choice(("none", "block")),
        "model.se_reduction": Choice((2, 4), when={"model.se_placement": ("block",)}),
        "model.dense_units": Int(8, 512),
        "train.learning_rate": Float(1e-4, 1e-2, log=True),
    },
    constraints={"at most 30,000 parameters": lambda config: parameters(config) <= 30_000},
)


@pytest.mark.parametrize("sampler", ["random", "qmc", "tpe", "cmaes"])
def test_proposals_fulfil_conditions_and_constraints(sampler: str, tmp_path: Path) -> None:
    p = plan(SMALL_NETWORKS, sampler=sampler, trials=24, settings={"model.width": "0.125"}, scheduler="none")
    run(p, tmp_path)
    table = trials(tmp_path).query("phase == 'search'")
    assert set(table["config.model.se_placement"]) == {"none", "block"}
    for trial in journal(tmp_path)["all"].trials:
        assert ("model.se_reduction" in trial.params) == (trial.params["model.se_placement"] == "block")
        assert parameters(p.arm_config(p.arms[0], trial.params)) <= 30_000
    units = table["config.model.dense_units"]
    assert units.min() < 20
    assert units.max() > 50  # not the smallest alone


def test_constraints_that_nothing_fulfils_are_an_error(tmp_path: Path) -> None:
    impossible = replace(SMALL_NETWORKS, constraints={"at most 10 parameters": lambda config: False})
    with pytest.raises(InputError, match="arm all: none of 100 proposals fulfils: at most 10 parameters"):
        run(plan(impossible), tmp_path)


def test_a_small_space_is_searched_without_repetition_until_it_is_used_up(tmp_path: Path) -> None:
    nuisance = {"model.se_reduction": Choice((2, 4, 8)), "augment.flip": Choice((False, True))}
    few = Space("few", "Which?", nuisance=nuisance)
    run(plan(few, trials=8, scheduler="none"), tmp_path)
    proposed = [tuple(sorted(t.params.items())) for t in journal(tmp_path)["all"].trials]
    assert len(set(proposed[:6])) == 6
    assert len(proposed) == 8


@pytest.mark.parametrize("measure", ["macro_f1", "balanced_accuracy"])
def test_another_measure_chooses_where_the_space_says_so(measure: str, tmp_path: Path) -> None:
    class Falling(Engine):
        """The measure falls where accuracy rises."""

        def on_epochs(self, spec: TrialSpec, epochs: list[dict]) -> bool:
            return super().on_epochs(spec, [{**e, f"val_{measure}": 1 - e["val_accuracy"]} for e in epochs])

    p = plan("imbalance", trials=4, scheduler="none")
    p = replace(p, space=replace(p.space, measure=measure))
    engine = run(p, tmp_path, engine_class=Falling)
    table = trials(tmp_path).query("phase == 'search' and arm == 'none'")
    winner = engine.winner("none")
    assert winner is not None
    assert winner.trial == table.sort_values(f"val_{measure}").iloc[-1]["trial"]
    assert winner.trial == table.sort_values("val_accuracy").iloc[0]["trial"]


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("name", space_names())
@pytest.mark.parametrize("budget", ["quick", "standard"])
def test_every_space_runs_to_its_end(name: str, budget: str, tmp_path: Path) -> None:
    """At `quick` the budget gives settings that a space may give an arm, too."""
    the_plan = plan(name, budget=budget, trials=4, epochs=5)
    run(the_plan, tmp_path)
    trials = read_table(tmp_path, "trials")
    assert len(trials) == trials["trial"].nunique() == the_plan.trial_count
    for arm in the_plan.arms:
        ended = Counter(trials.loc[trials["arm"] == arm.name, "phase"])
        assert (ended["search"], ended["confirm"]) == (the_plan.trials_in(arm), the_plan.seeds)


RATE = Float(2e-4, 5e-3, log=True)
OVERLAPPING = {
    "the same": {"variants": {"one": {}, "other": {"augment.shift": 0.1}}, "nuisance": {"train.learning_rate": RATE}},
    # The first starting point is the paper's rate, with the seed that the other arm's has.
    "tuned": {
        "variants": {"given": {}, "tuned": {}},
        "nuisance": {
            "augment.shift": Choice((0.0, 0.1)),
            "train.learning_rate": Float(2e-4, 5e-3, log=True, when={"variant": ("tuned",)}),
        },
    },
}


@pytest.mark.parametrize("kind", OVERLAPPING)
def test_arms_that_may_have_the_same_training_have_trials_of_their_own(kind: str, tmp_path: Path) -> None:
    """Each with the seeds that the other's have, so that confirmations are still paired."""
    the_plan = plan(Space("overlapping", "", **OVERLAPPING[kind]), trials=4, epochs=5)  # type: ignore[arg-type]
    engine = run(the_plan, tmp_path, slots=4)
    trials = read_table(tmp_path, "trials")
    assert len(trials) == trials["trial"].nunique() == the_plan.trial_count
    seeds = {arm: set(rows["seed"]) for arm, rows in trials[trials["phase"] == "confirm"].groupby("arm")}
    assert len(seeds) == 2
    assert set.intersection(*seeds.values()) == set(the_plan.confirm_seeds)
    if kind == "the same":
        assert the_plan.same_arms() == {"other": "one"}
        searched = trials[trials["phase"] == "search"].pivot_table("val_accuracy", "number", "arm")
        pd.testing.assert_series_equal(searched["one"], searched["other"], check_names=False)
        networks = [engine.best_network(arm.name) for arm in the_plan.arms]
        assert networks[1] == f"{networks[0]}-1"


def test_a_study_in_which_nothing_can_go_on_fails_instead_of_waiting(tmp_path: Path) -> None:
    the_plan = plan()
    engine = Engine(the_plan, Sampler(the_plan, tmp_path / "optuna.log"), Tables(tmp_path))

    def lose_everything() -> None:
        while (spec := engine.next()) is not None:
            engine._running.discard(spec.trial)  # it ended, and nobody told

    with pytest.raises(StudyFailedError, match="none of them can go on"):
        lose_everything()


@pytest.mark.parametrize("limit", [60, 100, 150])
def test_a_time_limit_ends_the_search_in_time_for_the_confirmation(limit: int, tmp_path: Path) -> None:
    clock = Clock()

    class Ticking(Engine):
        def on_epochs(self, spec: TrialSpec, epochs: list[dict]) -> bool:
            clock.now += len(epochs) / 3  # three at a time, a second an epoch
            return super().on_epochs(spec, epochs)

    p = plan(scheduler="none", trials=21)
    engine = run(p, tmp_path, deadline=Deadline(limit, 3, clock), engine_class=Ticking)
    table = trials(tmp_path)
    assert engine.search_cut
    assert clock.now <= limit
    confirmed = table.query("phase == 'confirm'")
    assert Counter(confirmed["arm"]) == {"none": 2, "block": 2, "conv": 2}
    assert set(confirmed["epochs"]) == {p.epochs}
    searched = table.query("phase == 'search'").groupby("arm").size()
    assert searched.max() - searched.min() <= 3  # as many as run at a time
    goes_on_as_if_there_had_been_no_limit(p, tmp_path)


@pytest.mark.parametrize(("slots", "limit"), [(3, 35), (3, 75), (3, 110), (3, 400), (40, 12), (40, 18), (40, 99)])
def test_a_time_limit_gives_up_the_later_searches_that_are_not_done(slots: int, limit: int, tmp_path: Path) -> None:
    clock = Clock()

    class Ticking(Engine):
        def on_epochs(self, spec: TrialSpec, epochs: list[dict]) -> bool:
            clock.now += len(epochs) / slots
            return super().on_epochs(spec, epochs)

    class Listener(Watcher):
        def on_given_up(self, search: int) -> None:
            given_up.append(search)

    p, given_up = plan(trials=4, searches=6), list[int]()
    deadline = Deadline(limit, slots, clock)
    engine = run(p, tmp_path, slots=slots, deadline=deadline, engine_class=Ticking, watchers=[Listener()])
    assert clock.now <= limit
    assert engine.search_cut == (limit not in (99, 400))
    table = trials(tmp_path)
    confirmed = table[table["phase"] == "confirm"].groupby(["search", "arm"])["epochs"].agg(["size", "min"])
    assert (confirmed == (2, p.epochs)).all(axis=None), "a winner is confirmed wholly or not at all"
    done = [search for search in range(6) if search in confirmed.index]
    assert done == list(range(len(done)))
    assert given_up == sorted(given_up, reverse=True), "the last one first"
    assert set(range(6)) - set(done) <= set(given_up) <= set(range(1, 6))
    assert 1 <= len(done) <= 6
    for search in done[1:]:
        for arm in confirmed.loc[search].index:
            ended = table[(table["search"] == search) & (table["arm"] == arm) & (table["phase"] == "search")]
            assert len(ended) == 4, "of a later search those count that came to their end"
    record, epochs = {"measure": "accuracy"}, read_table(tmp_path, "epochs")
    for arm in p.arms:
        found = winners(record, arm.name, table, epochs)
        assert set(found) == {search for search, name in confirmed.index if name == arm.name}
    goes_on_as_if_there_had_been_no_limit(p, tmp_path)


def goes_on_as_if_there_had_been_no_limit(the_plan: Plan, folder: Path) -> None:
    """To the same study, but that winners that the limit had chosen may have been confirmed, too."""
    run(the_plan, folder, order=1)
    (folder / "undisturbed").mkdir()
    run(the_plan, folder / "undisturbed", order=2)
    ours, theirs = (
        found.set_index("trial")[["status", "epochs", "val_accuracy"]].sort_index()
        for found in map(trials, (folder, folder / "undisturbed"))
    )
    pd.testing.assert_frame_equal(ours.loc[theirs.index], theirs)
    extra = trials(folder).set_index("trial").loc[ours.index.difference(theirs.index)]
    assert (extra["phase"] == "confirm").all()


@pytest.mark.parametrize("limit", [50, 60])
def test_under_one_time_limit_after_another_every_winner_is_confirmed(limit: int, tmp_path: Path) -> None:
    """As night by night: whatever an earlier night has confirmed, a later one keeps time for its own winners."""
    p, nights = plan(scheduler="none", trials=21, epochs=6), 0
    complete = False
    while not complete:
        clock, counted = Clock(), dict[str, int]()

        class Ticking(Engine):
            def on_epochs(self, spec: TrialSpec, epochs: list[dict], clock: Clock = clock) -> bool:
                clock.now += len(epochs) / 3
                return super().on_epochs(spec, epochs)

        class Listener(Watcher):
            def on_cut(self, so_far: Mapping[str, int], counted: dict[str, int] = counted) -> None:
                counted |= so_far

        engine = run(
            p, tmp_path, deadline=Deadline(limit, 3, clock), engine_class=Ticking, watchers=[Listener()], order=nights
        )
        assert clock.now <= limit
        table, epochs = trials(tmp_path), read_table(tmp_path, "epochs")
        record = {"measure": "accuracy", "window": p.window, "stops": p.stops, "counted_epochs": counted}
        confirmed = Counter(table.loc[table["phase"] == "confirm", "trial"].str.partition("-")[0])
        for arm in p.arms:
            (chosen,) = winners(record, arm.name, table, epochs).values()
            assert confirmed[chosen["trial"].partition("-")[0]] == p.seeds
        nights, complete = nights + 1, not engine.search_cut
    assert nights > 2


def test_what_a_time_limit_ends_is_said(tmp_path: Path) -> None:
    clock, out = Clock(), StringIO()

    class Ticking(Engine):
        def on_epochs(self, spec: TrialSpec, epochs: list[dict]) -> bool:
            clock.now += len(epochs) / 3
            return super().on_epochs(spec, epochs)

    p = plan(trials=9, searches=3)
    display = Display(Console(file=out), p, 3, trials(tmp_path))
    run(p, tmp_path, deadline=Deadline(50, 3, clock), engine_class=Ticking, watchers=[display])
    said = out.getvalue().replace("\n", " ")
    for number in (3, 2):
        assert f"The time limit: search {number} of 3 is given up, of every arm where it was not done." in said
    assert re.search(r"The configurations of none, block, conv are chosen by the first \d+ epochs of each", said)


def test_arms_whose_search_a_time_limit_ends_are_judged_by_the_same_number_of_epochs(tmp_path: Path) -> None:
    """With room for all trials at once, an arm of slow epochs has had fewer of them."""
    clock, counted = Clock(), {}

    class Ticking(Engine):
        def on_epochs(self, spec: TrialSpec, epochs: list[dict]) -> bool:
            clock.now += len(epochs) / 12
            return super().on_epochs(spec, epochs)

    class Listener(Watcher):
        def on_cut(self, found: Mapping[str, int]) -> None:
            counted.update(found)

    p, pace = plan(trials=12, epochs=60), {"none": 4.0, "block": 2.0, "conv": 1.0}
    engine = run(
        p,
        tmp_path,
        slots=12,
        deadline=Deadline(60, 12, clock),
        engine_class=Ticking,
        pace=pace.__getitem__,
        watchers=[Listener()],
    )
    table, epochs = trials(tmp_path), read_table(tmp_path, "epochs")
    spent = table.query("phase == 'search'").groupby("arm")["epochs"].sum()
    assert spent["none"] > 1.2 * spent["conv"]
    assert counted == dict.fromkeys(pace, spent["conv"])
    record = {"counted_epochs": counted, "window": p.window, "stops": p.stops, "measure": "accuracy"}
    for arm in pace:
        best = winner(search_of(record, arm, 0, table, epochs), "accuracy")
        chosen = engine.winner(arm)
        assert chosen is not None
        assert best is not None
        assert best["trial"] == chosen.trial, "the tables tell what the engine knew"
    again = Deadline(30, 12, clock)  # and once more, in the middle of what it then goes on with
    assert run(p, tmp_path, slots=12, deadline=again, engine_class=Ticking).search_cut
    goes_on_as_if_there_had_been_no_limit(p, tmp_path)


def test_the_first_epochs_of_an_arm_are_those_by_its_clock_however_late_they_ran() -> None:
    """Two at a time: the second begins with the first, the third where the second ended after two epochs."""
    curves = {"a": [0.1, 0.2, 0.3, 0.4], "b": [0.2, 0.2], "c": [0.5, 0.6]}
    statuses = {"a": "completed", "b": "pruned", "c": "pruned"}
    rows = [
        {"trial": t, "number": n, "status": statuses[t], "epochs": len(curves[t]), "val_accuracy": max(curves[t])}
        for n, t in enumerate(curves)
    ]

    def epochs_of(trial: str) -> list[dict[str, Any]]:
        return [{"val_accuracy": value, "val_loss": 1.0, "train_loss": 1.0} for value in curves[trial]]

    # Hours: a 1 to 4, b 1 and 2, c 3 and 4.
    for most, expected in {
        8: {"a": ("completed", 0.4), "b": ("pruned", 0.2), "c": ("pruned", 0.6)},
        6: {"a": ("pruned", 0.3), "b": ("pruned", 0.2), "c": ("pruned", 0.5)},
        5: {"a": ("pruned", 0.3), "b": ("pruned", 0.2)},
        1: {"a": ("pruned", 0.1)},
        0: {},
    }.items():
        found = {
            row["trial"]: (row["status"], row["val_accuracy"]) for row in as_counted(rows, epochs_of, 2, (2, 4), most)
        }
        assert found == expected


@pytest.mark.parametrize(("monitor", "expected"), [(None, 0.3), ("loss", 0.1), ("last", 0.2)])
def test_the_first_epochs_of_a_trial_are_judged_by_what_it_monitors(monitor: str | None, expected: float) -> None:
    """By accuracy, where its table is older than the setting."""
    row = {"trial": "a", "number": 0, "status": "completed", "epochs": 4, "val_accuracy": 0.4}
    curve = [(0.1, 1.0), (0.3, 2.0), (0.2, 3.0), (0.4, 0.5)]
    epochs = [
        {"epoch": n, "val_accuracy": accuracy, "val_loss": loss, "train_loss": 1.0}
        for n, (accuracy, loss) in enumerate(curve, start=1)
    ]
    (found,) = as_counted([{**row, "config.train.monitor": monitor}], lambda trial: epochs, 2, (2, 4), 3)
    assert (found["status"], found["val_accuracy"]) == ("pruned", expected)


def test_a_deadline_forgets_slow_early_epochs() -> None:
    deadline, trials = Deadline(1000, 1, Clock()), 10
    for seconds in (90.0, 20.0):
        deadline.observe(1, seconds)
    for number, seconds in enumerate((60.0, 60.0, 10.0), start=2):
        deadline.observe(number, seconds)
        assert deadline.allows(10**9, 10**9), "so few epochs end no search"
    deadline.observe(5, 10.0)
    longest = 1000 / Deadline.MARGIN - 10  # less the further epoch of the search
    fitting = 1 + (longest / trials - 20) / 10
    assert deadline.allows(trials, fitting - 0.1)
    assert not deadline.allows(trials, fitting + 0.1)
    for number in (6, 7):
        deadline.observe(number, 30.0)
    assert not deadline.allows(trials, 0.7 * fitting), "the later half are 10, 30 and 30 s"


def test_a_deadline_judges_trials_of_one_epoch_by_these() -> None:
    deadline = Deadline(100, 2, Clock())
    for _ in range(Deadline.FEWEST):
        assert deadline.allows(10**9, 1)
        deadline.observe(1, 5.0)
    assert deadline.allows(28, 1)
    assert not deadline.allows(29, 1)  # 1.3 times 14.5 confirmations and a further epoch of 5 s


@pytest.mark.parametrize(("trials", "turns"), [(0, 0), (1, 1), (6, 1), (16, 1), (17, 2)])
def test_a_deadline_keeps_a_whole_trial_however_many_workers_there_are(trials: int, turns: int) -> None:
    clock = Clock()
    deadline = Deadline(1000, 16, clock)
    for epoch in range(1, 6):
        deadline.observe(epoch, 10.0)
    kept = Deadline.MARGIN * (turns * 100 + 10)  # ten epochs, and a further one of the search
    clock.now = 1000 - kept - 0.1
    assert deadline.allows(trials, 10)
    clock.now += 0.2
    assert not deadline.allows(trials, 10)


def test_a_search_is_not_ended_by_first_epochs_that_compile(tmp_path: Path) -> None:
    """Each took as long as nine later ones: by these alone the confirmation would need more time than there is."""
    clock = Clock()

    class Ticking(Engine):
        def on_epochs(self, spec: TrialSpec, epochs: list[dict]) -> bool:
            for epoch in epochs:
                epoch["seconds"] = 9.0 if epoch["epoch"] == 1 else 1.0
                clock.now += epoch["seconds"] / 3
            return super().on_epochs(spec, epochs)

    p = plan(trials=3)
    limit = 1.25 * p.trial_count * (8 + p.epochs) / 3
    engine = run(p, tmp_path, deadline=Deadline(limit, 3, clock), engine_class=Ticking)
    assert 9 * Deadline.MARGIN * (len(p.arms) * p.seeds * p.epochs / 3 + 1) > limit
    assert not engine.search_cut
    assert clock.now <= limit


def test_an_interrupted_confirmation_is_no_study_that_ran_out_of_time(tmp_path: Path) -> None:
    clock, looked = Clock(), 0
    deadline = Deadline(60, 3, clock)

    class Interrupted(Engine):
        def on_end(self, spec: TrialSpec, status: str, **details: Any) -> None:
            nonlocal looked
            super().on_end(spec, status, **details)
            if spec.phase == "confirm" and not self.finished:
                looked += 1
                assert self.search_cut
                assert ended_as(self, deadline) == "interrupted"
                assert ended_as(self, None) == "interrupted"
                assert ended_as(self, Deadline(0, 3, clock)) == "out of time"

        def on_epochs(self, spec: TrialSpec, epochs: list[dict]) -> bool:
            clock.now += len(epochs) / 3
            return super().on_epochs(spec, epochs)

    cut, whole = tmp_path / "cut", tmp_path / "whole"
    cut.mkdir()
    whole.mkdir()
    engine = run(plan(trials=60), cut, deadline=deadline, engine_class=Interrupted)
    assert looked
    assert ended_as(engine, deadline) == "out of time"
    assert ended_as(run(plan(), whole), None) == "complete"


def test_a_users_own_configuration_runs_in_the_arm_where_it_lies(tmp_path: Path) -> None:
    base = plan().base
    own = base.override({"model.se_placement": "conv", "train.learning_rate": 0.03, "train.epochs": 9})
    run(plan(own=[own]), tmp_path)
    fixed = trials(tmp_path).query("phase == 'fixed'").set_index("arm")
    assert set(fixed.index) == {"none", "block", "conv"}
    assert fixed.at["conv", "config.train.learning_rate"] == 0.03
    with pytest.raises(InputError, match=r"data\.protocol is paper, the study's challenge"):
        plan(own=[own.override({"data.protocol": "paper"})]).fixed_trials()
    with pytest.raises(InputError, match="lies in no arm of the space reduction_ratio"):
        plan("reduction_ratio", own=[base]).fixed_trials()


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


def test_failed_trials_that_are_tried_again_leave_a_study_as_if_they_had_not_failed(tmp_path: Path) -> None:
    undisturbed, folder = tmp_path / "undisturbed", tmp_path / "study"
    for path in (undisturbed, folder):
        path.mkdir()
    run(plan(), undisturbed)

    def broken(spec: TrialSpec) -> str:
        """A node that fails one of the paper's trials, and one of two confirmations."""
        lost = spec.arm == "none" if spec.phase == "fixed" else spec.phase == "confirm" and spec.seed % 2 == 1
        return "failed" if lost else "completed"

    run(plan(), folder, ending=broken)
    failed = trials(folder).query("status == 'failed'")
    assert Counter(failed["phase"]) == {"fixed": 1, "confirm": 3}
    run(plan(), folder)
    assert len(trials(folder).query("status == 'failed'")) == 4, "by itself nothing is tried again"
    tables = Tables(folder)
    assert tables.forget_failed() == 4
    assert not set(failed["trial"]) & {*read_table(folder, "trials")["trial"], *read_table(folder, "epochs")["trial"]}
    assert tables.forget_failed() == 0
    tables.close()
    run(plan(), folder)
    assert content(trials(folder)) == content(trials(undisturbed))
    for name in ("epochs", "predictions"):
        assert set(read_table(folder, name)["trial"]) == set(read_table(undisturbed, name)["trial"])


def test_a_search_keeps_its_failed_trials(tmp_path: Path) -> None:
    run(plan(), tmp_path, ending=lambda spec: "failed" if spec.number == 1 else "completed")
    tables, before = Tables(tmp_path), trials(tmp_path)
    assert tables.forget_failed() == 0
    tables.close()
    pd.testing.assert_frame_equal(trials(tmp_path), before)


def test_many_failures_in_a_row_stop_the_study_with_the_cause(tmp_path: Path) -> None:
    with pytest.raises(StudyFailedError, match="6 trials in a row failed, the last with: boom"):
        run(plan(), tmp_path, ending=lambda spec: "failed")


def test_an_arm_without_a_good_trial_stops_the_study(tmp_path: Path) -> None:
    with pytest.raises(StudyFailedError, match="arm conv: no search trial ended well"):
        run(plan(), tmp_path, ending=lambda spec: "diverged" if spec.arm == "conv" else "completed")


def test_a_trial_that_could_not_run_is_handed_out_again(tmp_path: Path) -> None:
    p = plan(trials=2, epochs=2, seeds=1)
    engine = Engine(p, Sampler(p, tmp_path / "optuna.log"), Tables(tmp_path))
    first = engine.next()
    assert first is not None
    engine.put_back(first)
    handed_out = []
    while (spec := engine.next()) is not None:
        handed_out.append(spec.trial)
    assert handed_out.count(first.trial) == 1
    engine.tables.close()


def test_a_study_of_a_thousand_trials_stays_far_below_50_megabytes(tmp_path: Path) -> None:
    """By a tenth of it: all that grows does so by lines and rows."""
    run(plan(trials=32, epochs=10, sampler="random"), tmp_path, slots=8)
    assert len(trials(tmp_path)) > 100
    size = sum(path.stat().st_size for path in tmp_path.rglob("*"))
    assert 10 * size < 10e6  # networks and predictions of the confirmed trials come on top


def test_of_equal_confirmations_the_one_with_the_lowest_seed_is_kept_whichever_ended_first() -> None:
    rows = [{"trial": f"a-{seed}", "seed": seed, "status": "completed", "val_accuracy": 0.5} for seed in (1, 2)]
    for order in (rows, rows[::-1]):
        kept = best_confirmation(order, "accuracy")
        assert kept is not None
        assert kept["trial"] == "a-1"


# Other data that a study is tested on when it has run


class Heard(Watcher):
    """Which trials ended, and which were tested on what later."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.tested: dict[str, tuple[list[str], bool, str | None]] = {}

    def on_end(self, spec: TrialSpec, row: dict[str, Any]) -> None:
        self.ended.append(spec.trial)

    def on_tested(self, spec: TrialSpec, names: Sequence[str], *, as_before: bool, error: str | None) -> None:
        assert spec.trial not in self.tested
        self.tested[spec.trial] = list(names), as_before, error


def those_tested(folder: Path) -> set[str]:
    every = trials(folder)
    return set(every.loc[every["phase"] != "search", "trial"])


def answered(folder: Path) -> dict[str, set[str]]:
    """The names of the other data that every trial has answered, every image once."""
    rows = read_table(folder, "elsewhere")
    assert len(rows) == len(TEST_IMAGES) * len(rows.drop_duplicates(["trial", "data"]))
    return rows.groupby("trial")["data"].agg(set).to_dict()


def test_what_has_ended_is_handed_out_again_for_what_it_lacks_of_other_data_alone(tmp_path: Path) -> None:
    run(plan(), tmp_path)
    before = {name: read_table(tmp_path, name) for name in ("trials", "epochs", "predictions")}
    for others, new in ((["lab"], ["lab"]), (["lab", "wild"], ["wild"]), (["lab", "wild"], None)):
        heard = Heard()
        run(plan(), tmp_path, others=others, watchers=[heard])
        wanted = those_tested(tmp_path) if new else set()
        assert heard.tested == dict.fromkeys(wanted, (new, True, None))
        assert heard.ended == []
        assert answered(tmp_path) == {key: set(others) for key in those_tested(tmp_path)}
    for name, table in before.items():
        pd.testing.assert_frame_equal(read_table(tmp_path, name), table)


def test_a_study_that_grows_is_tested_as_a_whole(tmp_path: Path) -> None:
    run(plan(), tmp_path)
    heard, before = Heard(), those_tested(tmp_path)
    run(plan(seeds=3), tmp_path, others=["lab"], watchers=[heard])
    assert set(heard.tested) == before
    assert set(heard.ended) == those_tested(tmp_path) - before
    assert answered(tmp_path) == {key: {"lab"} for key in those_tested(tmp_path)}


def test_what_cannot_be_tested_later_keeps_its_row_and_is_tried_again(tmp_path: Path) -> None:
    run(plan(), tmp_path)
    rows = trials(tmp_path)
    broken = sorted(those_tested(tmp_path))[:2]
    outcomes = dict(zip(broken, ("failed", "diverged"), strict=True))
    heard = Heard()
    run(plan(), tmp_path, others=["lab"], watchers=[heard], ending=lambda spec: outcomes.get(spec.trial, "completed"))
    assert [heard.tested[trial] for trial in broken] == [([], False, "boom"), ([], False, "diverged")]
    assert set(answered(tmp_path)) == those_tested(tmp_path) - set(broken)
    pd.testing.assert_frame_equal(trials(tmp_path), rows)
    again = Heard()
    run(plan(), tmp_path, others=["lab"], watchers=[again])
    assert again.tested == {trial: (["lab"], True, None) for trial in broken}


def test_a_driver_killed_while_it_tests_later_asks_nothing_twice(tmp_path: Path) -> None:
    run(plan(), tmp_path)
    heard: list[Heard] = []
    for steps in (40, 40, None):
        heard.append(Heard())
        try:
            run(plan(), tmp_path, others=["lab"], watchers=heard[-1:], steps=steps)
        except KilledError:
            assert steps is not None
    counts = Counter(trial for one in heard for trial in one.tested)
    assert counts == dict.fromkeys(those_tested(tmp_path), 1)
    assert all(one.tested for one in heard)


def test_a_network_that_answers_otherwise_than_before_is_called_another(tmp_path: Path) -> None:
    engine = run(plan(), tmp_path)
    heard = Heard()
    tables = Tables(tmp_path, others=["lab"])
    engine = Engine(plan(), Sampler(plan(), tmp_path / "optuna.log"), tables, [heard])
    for change, as_before in ((1 + 1e-6, True), (1.01, False)):  # another rounding, another training
        spec = engine.next()
        assert spec is not None
        assert engine.has_ended(spec)
        results = results_of(spec, ["lab"])
        assert results is not None
        engine.on_end(spec, "completed", test=results | {"test_loss": results["test_loss"] * change})
        assert heard.tested[spec.trial] == (["lab"], as_before, None)
