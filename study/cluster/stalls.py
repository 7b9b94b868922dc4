"""Which trials have stopped making progress: by how long their epochs take, without Ray and with a clock of the
caller's.

A trial may hang without dying: a driver's deadlock, a disk that does not answer, a stopped process. It is taken for
hung when it has reported nothing for much longer than epochs take in its arm, or before its first report for much
longer than others took to come there.
"""

from collections.abc import Iterable

PATIENCE = 10  # longest epochs of the arm
START_UP = 120.0  # seconds for fetching the images and compiling
STARTS = 3  # longest times to a first report
# Before any epoch of the arm is known: one of the full network on a slow CPU takes some ten minutes. And before it is
# known how long a start takes: a trainer of one's own may load what it likes.
UNKNOWN = 3600.0

Attempt = tuple[str, int]  # a trial, and how often it has failed before


class Stalls:
    """Keeps the last sign of life of every running attempt. `limit`: seconds, instead of what epochs say."""

    def __init__(self, limit: float | None = None) -> None:
        self.limit = limit
        self._longest: dict[str, float] = {}
        self._longest_start: float | None = None
        self._last: dict[Attempt, float] = {}
        self._begun: set[Attempt] = set()  # those of them that have reported

    def learn(self, arm: str, seconds: Iterable[float]) -> None:
        """Take note of how long epochs in the arm took."""
        self._longest[arm] = max(self._longest.get(arm, 0.0), *seconds, 0.0)

    def allowance(self, arm: str, begun: bool = True) -> float:
        """How many seconds a trial of the arm may be silent. begun: whether it has reported before."""
        if self.limit is not None:
            return self.limit
        epoch, start = self._longest.get(arm), self._longest_start
        if epoch is None or (start is None and not begun):
            return UNKNOWN
        return START_UP + PATIENCE * epoch + (0.0 if begun or start is None else STARTS * start)

    def heard(self, attempt: Attempt, now: float) -> None:
        """The attempt has reported."""
        if attempt not in self._begun:
            self._longest_start = max(self._longest_start or 0.0, now - self._last.get(attempt, now))
        self._last[attempt] = now
        self._begun.add(attempt)

    def stalled(self, running: Iterable[tuple[Attempt, str]], now: float) -> list[Attempt]:
        """Which of the running attempts, each with its arm, have been silent too long. A new one begins now."""
        running = list(running)
        self._last = {attempt: self._last.get(attempt, now) for attempt, _ in running}
        self._begun &= self._last.keys()
        return [
            attempt
            for attempt, arm in running
            if now - self._last[attempt] > self.allowance(arm, attempt in self._begun)
        ]
