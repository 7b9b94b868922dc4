"""What a time limit ends, what of it counts, and what goes on without one."""

import re
from collections import Counter
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from study.engine import Engine
from study.plan import Plan, TrialSpec
from study.records.parquet import read_table
from study.records.tables import Tables
from study.run import ended_as
from study.search.deadline import Deadline
from study.search.sampler import Sampler
from study.search.selection import as_counted, search_of, winner, winners
from study.watching.display import Display
from study.watching.watcher import Watcher
from tests.driven import Clock, epoch_row, plan, run, trials


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
