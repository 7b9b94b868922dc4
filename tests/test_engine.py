"""The study's logic on real journals and tables: what runs, what is compared, and how a killed driver comes back."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from optuna.trial import TrialState

from fer_core.errors import InputError
from fer_core.size import parameters
from search_spaces.catalogue import space_names
from search_spaces.space import Choice, Float, Int, Space
from study.engine import Engine
from study.plan import TrialSpec
from study.records.parquet import read_table
from study.records.tables import Tables
from study.search.sampler import Sampler
from study.search.selection import best_confirmation
from study.watching.watcher import Watcher
from tests.driven import KilledError, content, epoch_row, journal, plan, run, same_study, trials


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
    tests = table[[c for c in table.columns if c.startswith("test_") and c != "test_score"]]
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


def test_a_study_grows_by_trials_and_seeds(tmp_path: Path) -> None:
    run(plan(trials=3, seeds=1), tmp_path)
    before = trials(tmp_path)
    run(plan(trials=3, seeds=2), tmp_path)
    after = trials(tmp_path)
    assert set(before["trial"]) < set(after["trial"])
    assert len(after) == len(before) + 3


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
