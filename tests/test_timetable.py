"""An arm's clock: what is known and decided does not depend on who reports first; no worker waits without need."""

import random
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study.search.timetable import Timetable, starts, stop_after

STOPS = (2, 5, 12)


@dataclass
class Run:
    """The epochs of an arm's trials, which of them were known at each proposal, and how often a worker had none."""

    epochs: dict[int, int] = field(default_factory=dict)
    known: list[list[int]] = field(default_factory=list)
    idle: int = 0


def drive(trials: int, window: int, scheduler: str, slots: int, order: int, seed: int) -> Run:
    """An arm's search, `slots` trials at a time that report in an order drawn from `order`.

    `seed` draws their curves; one in ten of them diverges.
    """
    quality = np.random.default_rng(seed).normal(size=(trials, STOPS[-1]))
    dies_after = np.random.default_rng(seed).integers(1, 10 * STOPS[-1], trials)
    draw, found = random.Random(order), Run()
    table = Timetable(window, trials, STOPS, scheduler, 3)
    done, queue, running, waiting = [0] * trials, list[int](), list[int](), list[int]()

    def end(number: int) -> None:
        table.end(number)
        found.epochs[number] = done[number]

    while len(found.epochs) < trials:
        for number in [n for n in waiting if table.is_clear(n, done[n])]:
            waiting.remove(number)
            if table.goes_on(number, done[number]):
                table.outlive(number, done[number])
                queue.append(number)
            else:
                end(number)
        while len(found.known) < trials and table.is_due():
            queue.append(table.begin())
            found.known.append(list(table.known))
        while queue and len(running) < slots:
            running.append(queue.pop(draw.randrange(len(queue))))
        found.idle += len(running) < min(slots, window)
        if not running:
            assert len(found.epochs) == trials or any(table.is_clear(n, done[n]) for n in waiting), "nobody can go on"
            continue
        number = running.pop(draw.randrange(len(running)))
        done[number] += 1
        table.report(number, done[number], float(quality[number, done[number] - 1]))
        if done[number] in (STOPS[-1], dies_after[number]):
            end(number)
        elif table.is_clear(number, done[number]) and table.goes_on(number, done[number]):
            table.outlive(number, done[number])
            running.append(number)
        elif table.is_clear(number, done[number]):
            end(number)
        else:
            waiting.append(number)
    return found


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 40), st.integers(2, 9), st.sampled_from(["asha", "median", "none"]), st.integers(1, 12),
    st.integers(0, 10**6), st.integers(0, 10**6),
)  # fmt: skip
def test_any_order_of_reports_on_any_cluster_gives_the_same_search(
    trials: int, window: int, scheduler: str, slots: int, order: int, seed: int
) -> None:
    here, elsewhere = (drive(trials, window, scheduler, s, o, seed) for s, o in ((slots, order), (window, 0)))
    assert here.epochs == elsewhere.epochs
    assert here.known == elsewhere.known


@pytest.mark.parametrize("slots", [1, 2])
def test_no_worker_waits_where_all_trials_are_whole(slots: int) -> None:
    """Nor at the end of every `window` trials: only where fewer are left than there are workers."""
    assert drive(18, 4, "none", slots, 1, 0).idle <= (slots - 1) * STOPS[-1]


def test_a_proposal_knows_what_had_ended_by_then_and_no_more() -> None:
    found = drive(16, 4, "asha", 2, 3, seed=5)
    lengths = [found.epochs[number] for number in range(16)]
    hours = starts(lengths, 4, STOPS)
    ends = [hour + stop_after(length, STOPS) for hour, length in zip(hours, lengths, strict=True)]
    assert hours == sorted(hours)
    for number, known in enumerate(found.known):
        assert len(known) == max(0, number - 3)
        assert all(ends[k] <= hours[number] for k in known)
        assert all(ends[other] >= hours[number] for other in range(number) if other not in known)


def test_the_first_are_compared_with_each_other_and_later_ones_with_those_before() -> None:
    table = Timetable(3, 5, (1, 4), "asha", 3)
    for number, value in enumerate((0.1, 0.2, 0.3)):
        assert table.begin() == number
        assert not table.is_clear(number, 1)
        table.report(number, 1, value)
    assert [table.goes_on(number, 1) for number in range(3)] == [False, False, True]
    assert not table.is_due(), "the third may end with the first two, until it is known to go on"
    table.end(0)
    assert table.is_due()
    assert table.begin() == 3
    table.report(3, 1, 0.25)
    assert table.is_clear(3, 1)
    assert table.goes_on(3, 1), "the best two of four"


@pytest.mark.parametrize("trials", [2, 3, 9])
def test_the_first_trials_wait_for_those_that_have_not_begun_yet(trials: int) -> None:
    """As where a study goes on: its trials are begun anew one by one, and the first had come to its rung before."""
    table = Timetable(3, trials, (2, 4), "asha", 3)
    for number in range(min(3, trials)):
        assert not any(table.is_clear(earlier, 2) for earlier in range(number))
        table.begin()
        table.report(number, 2, 0.1)
    assert all(table.is_clear(number, 2) for number in range(min(3, trials)))


def test_a_trial_that_repeats_its_first_epoch_is_not_known_to_pass_its_rung() -> None:
    """As where a driver was killed after the trial had come to the rung, and the trial's checkpoint is lost."""
    table = Timetable(3, 6, (2, 3), "asha", 3)
    for number, value in enumerate((0.3, 0.1, 0.2)):
        table.begin()
        table.report(number, 2, value)
    table.end(1)
    assert table.begin() == 3
    table.outlive(0, 1)
    table.end(2)
    assert not table.is_due(), "the first may end before the third"
    table.outlive(0, 2)
    assert table.is_due()


@pytest.mark.parametrize(("epochs", "stop"), [(0, 2), (1, 2), (2, 2), (3, 5), (12, 12), (40, 12)])
def test_a_trial_that_breaks_off_counts_until_the_next_stop(epochs: int, stop: int) -> None:
    assert stop_after(epochs, STOPS) == stop
