"""An arm's search by its own clock, in epochs: when each trial starts, and what is known at a proposal or a decision.

The clock is that of `window` workers on which an epoch takes an hour and trials end after certain epochs alone: at a
rung or whole. (One that diverges or fails counts as if it had gone on until then.) The next trial starts where the
earliest of those before has ended; it is proposed from the results of those that ended so far by the clock, and at a
rung it is compared with those of lower numbers, the first `window` with each other. None of that depends on who
reports first, so the same command gives the same study on any cluster; where the cluster is behind, a trial waits at
its rung for others to come there. On these terms it is asynchronous successive halving (Li et al. 2020).
"""

import heapq
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

import numpy as np

from study.search.pruning import survives

End = tuple[int, int]  # the hour at which a trial ends, and its number: ends are in this order


def starts(epochs: Iterable[int], window: int, stops: Sequence[int]) -> list[int]:
    """The hours at which an arm's trials started that ran for so many `epochs`. stops: when they may end."""
    free, hours = [0] * window, []
    for ran in epochs:
        hours.append(heapq.heappop(free))
        heapq.heappush(free, hours[-1] + stop_after(ran, stops))
    return hours


def stop_after(epochs: int, stops: Sequence[int]) -> int:
    """The first epoch from `epochs` on after which a trial may end."""
    return stops[min(bisect_left(stops, max(epochs, 1)), len(stops) - 1)]


class Timetable:
    """The trials of one arm by their numbers, at most `trials` of them and `window` at a time.

    stops: the epochs after which trials end, the last of them whole. At the others, the rungs, they are compared by
    their best values so far and the rule `scheduler`, and about 1 / `factor` of them go on.
    """

    def __init__(self, window: int, trials: int, stops: Sequence[int], scheduler: str, factor: int) -> None:
        self.open: set[int] = set()  # the trials that were begun and have not ended
        self.known: list[int] = []  # those that had ended when the last one was begun, in the order of their ends
        self._window, self._trials, self._stops = window, trials, stops
        self._scheduler, self._factor = scheduler, factor
        self._starts: list[int] = []  # the hour of every trial that was begun: they never fall
        self._epochs: list[int] = []  # how many every trial has reported
        self._ends: list[End] = [(0, number) for number in range(-window, 0)]  # after which none was begun: a heap
        self._earliest: list[End] = []  # how early open trials may end: a heap, with entries that hold no longer
        self._outlived: list[int] = []  # the last epoch after which every trial is known to go on
        self._best: list[float] = []  # the highest value that every trial has had
        self._values = {rung: np.full(trials, np.nan) for rung in stops[:-1]}
        self._come = dict.fromkeys(stops[:-1], 0)  # all trials below this number have come to the rung, or ended

    def is_due(self) -> bool:
        """Whether it is certain which trial ends next, so that another one can start there."""
        while self._earliest and self._earliest[0] != self._may_end(self._earliest[0][1]):
            heapq.heappop(self._earliest)
        return bool(self._ends) and (not self._earliest or self._ends[0] < self._earliest[0])

    def begin(self) -> int:
        """The number of the next trial, which starts now: it must be due."""
        hour, ended = heapq.heappop(self._ends)
        if ended >= 0:
            self.known.append(ended)
        number = len(self._starts)
        self._starts.append(hour)
        self._epochs.append(0)
        self._outlived.append(0)
        self._best.append(-math.inf)
        self.open.add(number)
        heapq.heappush(self._earliest, (hour + self._stops[0], number))
        return number

    def report(self, number: int, epoch: int, value: float) -> None:
        """A trial has come as far as `epoch`, where it has this value. Epochs are reported in order."""
        if epoch > self._epochs[number]:
            self._epochs[number] = epoch
            self.outlive(number, epoch - 1)
            if value > self._best[number]:
                self._best[number] = value
            if epoch in self._values:
                self._values[epoch][number] = self._best[number]

    def outlive(self, number: int, epoch: int) -> None:
        """A trial goes on after `epoch`."""
        before = self._may_end(number)
        self._outlived[number] = max(epoch, self._outlived[number])
        after = self._may_end(number)
        if after is not None and after != before:
            heapq.heappush(self._earliest, after)

    def end(self, number: int) -> None:
        """A trial has ended after the last epoch that it reported."""
        if number in self.open:
            self.open.discard(number)
            hour = self._starts[number] + stop_after(self._epochs[number], self._stops)
            heapq.heappush(self._ends, (hour, number))

    def hour(self, number: int) -> int:
        """How far a trial has come."""
        return self._starts[number] + self._epochs[number]

    def is_clear(self, number: int, epoch: int) -> bool:
        """Whether all those have come to `epoch`, or ended before, that a trial is compared with there."""
        if epoch not in self._values:
            return True
        come = self._come[epoch]
        while come < len(self._starts) and (come not in self.open or self._epochs[come] >= epoch):
            come += 1
        self._come[epoch] = come
        return come >= self._compared_with(number)

    def goes_on(self, number: int, epoch: int) -> bool:
        """Whether a trial goes on after `epoch`, where that is clear."""
        if epoch not in self._values:
            return True
        values = self._values[epoch]
        others = np.delete(values[: self._compared_with(number)], number)
        return survives(self._scheduler, values[number], others[~np.isnan(others)], self._factor)

    def _compared_with(self, number: int) -> int:
        """The trials below this number are those that a trial is compared with, itself included. They may not have
        begun yet, as where a study goes on and its trials are begun anew one by one.
        """
        return min(max(number + 1, self._window), self._trials)

    def _may_end(self, number: int) -> End | None:
        """When an open trial ends at the earliest, None for one that has ended."""
        if number not in self.open:
            return None
        later = bisect_right(self._stops, self._outlived[number])
        return self._starts[number] + self._stops[min(later, len(self._stops) - 1)], number
