"""What a trainer of one's own may be judged by in the place of accuracy: a number that it gives every example."""

from dataclasses import dataclass

from fer_core.config import HIGHEST_SCORE, LOWEST_SCORE
from fer_core.errors import InputError
from search_spaces.claim import POINTS

SCORE = "score"  # the name of what judges, in a study's record and in tables, whatever its title


@dataclass(frozen=True)
class Score:
    """An error, an overlap, a divergence, a return: of several examples the mean of what each has.

    title: what it is called in a sentence, such as "absolute error". unit: that it is in, such as "years"; nothing
    where that has no name. higher_is_better: which way. margin: what counts as no difference, in its unit; None for
    what is claimed, or if nothing is, for nothing. Raises InputError where it is in points, which are of shares.
    """

    title: str
    unit: str = ""
    higher_is_better: bool = True
    margin: float | None = None

    def __post_init__(self) -> None:
        if self.unit == POINTS:
            raise InputError(
                f"a score in {POINTS}: these are hundredths of a share here. Expected another unit, or none."
            )

    @property
    def goal(self) -> str:
        """What an epoch or a trial is chosen by, as `train.monitor` has it."""
        return HIGHEST_SCORE if self.higher_is_better else LOWEST_SCORE
