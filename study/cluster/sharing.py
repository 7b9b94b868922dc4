"""Which share of a GPU a trial gets: as small as its memory allows, larger once that was too small.

A small network leaves most of a GPU idle: several trials on one finish sooner than one after the other.
"""

from dataclasses import dataclass, field

MOST_ON_A_GPU = 16
# What trials need beyond what was measured for their largest network: other batch sizes, fragments.
MARGIN = 1.25


@dataclass(frozen=True)
class Need:
    """What one trial took of a GPU: bytes at its peak, without the context of its process, which takes `context`."""

    peak: int
    context: int
    total: int


def share(need: Need, cpus_a_gpu: float) -> float:
    """The share (0 to 1) of a GPU for a trial with this need, of which every one has a CPU to itself, too."""
    fitting = int(need.total / (MARGIN * need.peak + need.context))
    return as_share(max(1, min(fitting, int(cpus_a_gpu), MOST_ON_A_GPU)))


def as_share(trials: int) -> float:
    """So that `trials` fit on a GPU, whose fractions Ray counts in ten-thousandths."""
    return int(10_000 / trials) / 10_000


@dataclass
class Shares:
    """Every arm's share: `initial`, until a trial of the arm has run out of memory."""

    initial: float
    _grown: dict[str, float] = field(default_factory=dict)

    @property
    def alike(self) -> bool:
        """Whether every arm has the initial share."""
        return not self._grown

    def of(self, arm: str) -> float:
        return self._grown.get(arm, self.initial)

    def grow(self, arm: str, had: float) -> float | None:
        """A trial of the arm ran out of memory with the share it `had`. The arm's share from now on, twice as much.

        None if it had a whole GPU: then there is no more to give.
        """
        if had >= 1:
            return None
        half_as_many = as_share(max(1, round(1 / had) // 2))
        self._grown[arm] = max(self.of(arm), half_as_many)
        return self._grown[arm]
