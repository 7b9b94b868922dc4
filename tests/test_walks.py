"""Studies to which happens what chance draws, in any order: each comes to the end that it would have had undisturbed.

FER_STUDY_WALKS=1000 pytest tests/test_walks.py    # other walks than the suite's, and more of them
"""

import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.trial import FrozenTrial

from study.engine import Engine
from study.plan import Plan, TrialSpec
from study.records.parquet import read_table
from study.search.deadline import Deadline
from tests.driven import Clock, Ending, KilledError, content, journal, plan, run, trials

WALKS = os.environ.get("FER_STUDY_WALKS")
MEMORY = Path("/dev/shm")  # the journal waits for a disk at every line


@dataclass(frozen=True)
class Leg:
    """What happens to a study from one start of its driver to the next.

    slots: how many trials run at a time. killed_after: after how many steps the driver is, None if it lives. limit:
    the time limit, as a part of the time that the study takes, None for none. checkpoints_lost: by how many epochs
    those are behind that the workers left, None if there are none any more. workers_lost: how likely a trial comes
    back as it was handed out. seeds, searches: how many of the plan's the study has by now. chance: draws the rest.
    """

    slots: int
    killed_after: int | None
    limit: float | None
    checkpoints_lost: int | None
    workers_lost: float
    seeds: int
    searches: int
    chance: int


LEGS = st.builds(
    Leg,
    slots=st.sampled_from([1, 2, 3, 8, 40]),
    killed_after=st.none() | st.integers(0, 200),
    limit=st.none() | st.floats(0.1, 1.2),
    checkpoints_lost=st.sampled_from([0, 0, 0, 1, 2, None]),
    workers_lost=st.sampled_from([0.0, 0.0, 0.15]),
    seeds=st.integers(1, 2),
    searches=st.integers(1, 3),
    chance=st.integers(0, 10**6),
)
SPACES = st.sampled_from(["se_placement", "se_placement", "regularisation", "learning_rate", "best"])
REPEATED = st.sampled_from([{}, {"searches": 2}, {"searches": 3}, {"folds": 3, "protocol": "folds"}])


@settings(
    max_examples=int(WALKS or 25),
    derandomize=WALKS is None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    space=SPACES,
    trials_an_arm=st.sampled_from([2, 3, 4, 6, 9]),
    epochs=st.sampled_from([2, 3, 6, 9]),
    repeated=REPEATED,
    scheduler=st.sampled_from(["asha", "asha", "none"]),
    diverging=st.sampled_from([0, 0, 10]),
    others=st.sampled_from([[], ["lab"], ["lab", "wild"]]),
    legs=st.lists(LEGS, min_size=1, max_size=5),
)
def test_whatever_befalls_a_study_it_ends_as_if_nothing_had(
    space: str,
    trials_an_arm: int,
    epochs: int,
    repeated: dict,
    scheduler: str,
    diverging: int,
    others: list[str],
    legs: list[Leg],
) -> None:
    def planned(seeds: int, searches: int) -> Plan:
        fewer = {"searches": searches} if "searches" in repeated else {}
        return plan(
            space, trials=trials_an_arm, epochs=epochs, scheduler=scheduler, seeds=seeds, **{**repeated, **fewer}
        )

    def ending(spec: TrialSpec) -> str:
        ill = spec.number and int(spec.trial[:8], 16) % 100 < diverging  # not the first: an arm needs one that ends
        return "diverged" if ill else "completed"

    whole = planned(2, repeated.get("searches", 1))
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        undisturbed, ours = Path(folder, "undisturbed"), Path(folder, "ours")
        undisturbed.mkdir()
        ours.mkdir()
        run(whole, undisturbed, ending=ending, others=others)
        checkpoints: dict[str, int] = {}
        seeds = searches = 1  # a study only grows
        for number, leg in enumerate(legs):
            seeds, searches = max(seeds, leg.seeds), max(searches, min(leg.searches, whole.searches))
            checkpoints = surviving(checkpoints, leg.checkpoints_lost)
            go_on(planned(seeds, searches), ours, leg, checkpoints, ending, others[:number])
        run(whole, ours, order=1, checkpoints=checkpoints, ending=ending, others=others)
        same_end(ours, undisturbed, limited=any(leg.limit for leg in legs))


def surviving(checkpoints: dict[str, int], lost: int | None) -> dict[str, int]:
    return {} if lost is None else {trial: max(0, epoch - lost) for trial, epoch in checkpoints.items()}


def go_on(
    the_plan: Plan, folder: Path, leg: Leg, checkpoints: dict[str, int], ending: Ending, others: Sequence[str]
) -> None:
    clock, draw = Clock(), random.Random(leg.chance)

    class Befallen(Engine):
        """Every epoch takes a second, and some trials come back as they were handed out."""

        def next(self) -> TrialSpec | None:
            spec = super().next()
            while spec is not None and draw.random() < leg.workers_lost:
                self.put_back(spec)
                spec = super().next()
            return spec

        def on_epochs(self, spec: TrialSpec, epochs: list[dict]) -> bool:
            clock.now += len(epochs) / leg.slots
            return super().on_epochs(spec, epochs)

    takes = the_plan.trial_count * the_plan.epochs / leg.slots
    try:
        run(
            the_plan,
            folder,
            slots=leg.slots,
            order=leg.chance,
            ending=ending,
            steps=leg.killed_after,
            checkpoints=checkpoints,
            deadline=None if leg.limit is None else Deadline(leg.limit * takes, leg.slots, clock),
            engine_class=Befallen,
            others=others,
        )
    except KilledError:
        assert leg.killed_after is not None


def same_end(ours: Path, undisturbed: Path, *, limited: bool) -> None:
    """That both have the same rows, once. Confirmations of what a limit had chosen may be there, too."""
    expected, found = ({row["trial"]: row for row in content(trials(folder))} for folder in (undisturbed, ours))
    assert {trial: found.get(trial) for trial in expected} == expected
    extra = [row["phase"] for trial, row in found.items() if trial not in expected]
    assert set(extra) <= ({"confirm"} if limited else set())
    for table, keys in (("epochs", ["epoch"]), ("predictions", ["image"]), ("elsewhere", ["data", "image"])):
        assert rows_of(ours, table, keys, expected) == rows_of(undisturbed, table, keys, expected)
    for name, theirs in journal(undisturbed).items():
        assert Counter(map(told, journal(ours)[name].trials)) == Counter(map(told, theirs.trials))


def rows_of(folder: Path, table: str, keys: list[str], wanted: dict) -> set[tuple]:
    rows = read_table(folder, table)
    assert not rows.duplicated(["trial", *keys]).any()
    rows = rows[rows["trial"].isin(wanted)]
    return set(rows[["trial", *keys]].itertuples(index=False, name=None))


def told(trial: FrozenTrial) -> tuple:
    """What the journal says of a trial."""
    return tuple(sorted(trial.params.items())), trial.state, trial.value
