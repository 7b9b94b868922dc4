"""A limit on a study's time: when the search must end so that the confirmation fits in."""

import time
from collections.abc import Callable


class Deadline:
    """`seconds` from now, for `slots` trials at a time. `clock` gives the time in seconds.

    The time of what is to come is taken from the mean of the later half of the epochs seen so far: the first ones
    also compiled, or shared the machine with other work. `MARGIN` covers what is no epoch: the start of a trial, the
    test, an epoch slower than the mean.
    """

    MARGIN = 1.3

    def __init__(self, seconds: float, slots: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._end, self._slots, self._clock = clock() + seconds, slots, clock
        self._seconds = [0.0]  # of the first n epochs together

    @property
    def left(self) -> float:
        """Seconds left, at least 0."""
        return max(0.0, self._end - self._clock())

    def observe(self, epoch_seconds: float) -> None:
        """An epoch of some trial took so long."""
        self._seconds.append(self._seconds[-1] + epoch_seconds)

    def allows(self, reserved_epochs: int) -> bool:
        """Whether a further epoch of the search leaves the time that `reserved_epochs` of confirmation take."""
        seen = len(self._seconds) - 1
        if not seen:
            return self.left > 0
        earlier = seen // 2
        an_epoch = (self._seconds[seen] - self._seconds[earlier]) / (seen - earlier)
        return self.left > self.MARGIN * an_epoch * (reserved_epochs / self._slots + 1)
