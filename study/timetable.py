"""An arm's search by its own clock, in epochs: when each trial starts, and what is known at a proposal or a decision.

The clock is that of `window` workers on which an epoch takes an hour, whatever the cluster does: a trial starts where
one before has ended. What is proposed or decided at an hour knows all that happened in the arm until then and
nothing later, so that it does not matter who reports first; where the cluster is behind, a trial waits. On these
terms it is asynchronous successive halving (Li et al. 2020), with the trials that come to a rung at the same hour
compared with one another.
"""

import heapq
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from study.pruning import survives

NEVER = float("inf")


def starts(lengths: Iterable[int], window: int) -> list[int]:
    """The hours at which the trials of an arm started that ran for so many epochs."""
    free, hours = [0] * window, []
    for length in lengths:
        hours.append(heapq.heappop(free))
        heapq.heappush(free, hours[-1] + length)
    return hours


class Timetable:
    """The trials of one arm by their numbers, at most `trials` of them and `window` at a time.

    rungs: the epochs after which a trial is compared with others, by `scheduler`, and 1 / `factor` of them go on.
    """

    def __init__(self, window: int, trials: int, rungs: Sequence[int], scheduler: str, factor: int) -> None:
        self.starts: list[int] = []  # the hour of every trial that was begun: they never fall
        self.open: set[int] = set()  # the trials that were begun and have not ended
        self.known: list[int] = []  # those that had ended when the last one was begun, in the order of their ends
        self._epochs: list[int] = []  # how many every trial has reported
        self._sure: list[int] = []  # how many of them it is known to outlive
        self._free = [0] * window  # when the workers have nothing to do: a heap
        self._ends: list[tuple[int, int]] = []  # hour and number of ended trials not yet known: a heap
        self._values = {rung: np.full(trials, np.nan) for rung in rungs}
        self._scheduler, self._factor = scheduler, factor

    def is_due(self) -> bool:
        """Whether all is known that was to happen until the hour at which the next trial starts."""
        return bool(self._free) and self._free[0] <= self._settled

    def begin(self) -> int:
        """The number of the next trial, which starts now: it must be due."""
        hour = heapq.heappop(self._free)
        while self._ends and self._ends[0][0] <= hour:
            self.known.append(heapq.heappop(self._ends)[1])
        number = len(self.starts)
        self.starts.append(hour)
        self._epochs.append(0)
        self._sure.append(0)
        self.open.add(number)
        self._forget()
        return number

    def report(self, number: int, epoch: int, value: float) -> None:
        """A trial has come as far as `epoch`; `value` is its best until then."""
        if epoch <= self._epochs[number]:
            return
        self._epochs[number], self._sure[number] = epoch, epoch - 1
        if epoch in self._values:
            self._values[epoch][number] = value
        self._forget()

    def outlive(self, number: int) -> None:
        """A trial goes on after the last epoch that it reported."""
        self._sure[number] = self._epochs[number]
        self._forget()

    def end(self, number: int) -> None:
        """A trial has ended after the last epoch that it reported."""
        if number in self.open:
            self.open.discard(number)
            heapq.heappush(self._free, self.hour(number))
            heapq.heappush(self._ends, (self.hour(number), number))
            self._forget()

    def hour(self, number: int) -> int:
        """How far a trial has come."""
        return self.starts[number] + self._epochs[number]

    def goes_on(self, number: int, epoch: int) -> bool | None:
        """Whether a trial goes on after `epoch`. None: those that came to this rung by its hour are not all known."""
        if epoch not in self._values:
            return True
        if self.starts[number] + epoch > self._reported:
            return None
        values = self._values[epoch]
        others = np.delete(values[: bisect_right(self.starts, self.starts[number])], number)
        return survives(self._scheduler, values[number], others[~np.isnan(others)], self._factor)

    @cached_property
    def _reported(self) -> float:
        """The hour until which all trials have reported."""
        return min(map(self.hour, self.open), default=NEVER)

    @cached_property
    def _settled(self) -> float:
        """The hour until which it is known which trials ended."""
        return min((self.starts[number] + self._sure[number] for number in self.open), default=NEVER)

    def _forget(self) -> None:
        self.__dict__.pop("_reported", None)
        self.__dict__.pop("_settled", None)
