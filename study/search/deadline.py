"""A limit on a study's time: when the search must end so that the confirmation fits in."""

import math
import time
from collections.abc import Callable


class _Pace:
    """How long something takes that is seen over and over."""

    def __init__(self) -> None:
        self._seconds = [0.0]  # of the first n together

    def observe(self, seconds: float) -> None:
        self._seconds.append(self._seconds[-1] + seconds)

    @property
    def seen(self) -> int:
        return len(self._seconds) - 1

    @property
    def mean(self) -> float:
        """Of the later half, in seconds; 0 if none was seen."""
        earlier = self.seen // 2
        return (self._seconds[self.seen] - self._seconds[earlier]) / max(1, self.seen - earlier)


class Deadline:
    """`seconds` from now, for `slots` trials at a time. `clock` gives the time in seconds.

    The time of what is to come is taken from the means of the later halves of the first epochs seen so far, which may
    also compile, and of the others: the earlier ones shared the machine with what starts up. `MARGIN` covers what is
    no epoch: the start of a trial, the test, an epoch slower than the mean. What ends a search ends it for good, so
    nothing is judged by fewer than `FEWEST` epochs.
    """

    MARGIN = 1.3
    FEWEST = 4

    def __init__(self, seconds: float, slots: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._end, self._slots, self._clock = clock() + seconds, slots, clock
        self._first, self._later = _Pace(), _Pace()

    @property
    def left(self) -> float:
        """Seconds left, at least 0."""
        return max(0.0, self._end - self._clock())

    def observe(self, epoch: int, seconds: float) -> None:
        """Epoch number `epoch` of some trial, from 1, took so long."""
        (self._first if epoch == 1 else self._later).observe(seconds)

    def allows(self, trials: int, epochs: int) -> bool:
        """Whether a further epoch of the search leaves the time that so many confirmations of so many epochs take."""
        if (self._later if epochs > 1 else self._first).seen < self.FEWEST:
            return self.left > 0
        a_trial = self._first.mean + (epochs - 1) * self._later.mean
        an_epoch = self._later.mean if epochs > 1 else self._first.mean
        turns = math.ceil(trials / self._slots)  # with however many workers, a trial takes as long as one
        return self.left > self.MARGIN * (a_trial * turns + an_epoch)
