"""What a trainer of one's own may be judged by in the place of accuracy: a number that it gives every example."""

from dataclasses import dataclass

from fer_core.config import HIGHEST_SCORE, LOWEST_SCORE
from fer_core.errors import InputError
from fer_core.summaries import CONCORDANCE, MEAN, SUMMARIES
from search_spaces.claim import POINTS

SCORE = "score"  # the name of what judges, in a study's record and in tables, whatever its title


@dataclass(frozen=True)
class Score:
    """An error, an overlap, a divergence, a return: of several examples the mean of what each has, or what else is
    made of them.

    title: what it is called in a sentence, such as "absolute error". unit: that it is in, such as "years"; nothing
    where that has no name. higher_is_better: which way. margin: what counts as no difference, in its unit; None for
    what is claimed, or if nothing is, for nothing. over: what is made of the examples', one of SUMMARIES
    (`fer_core.summaries`): CONCORDANCE is of a trainer's answers, by `predict`, which needs no `score` then.
    Raises InputError where it is in points, which are of shares, and where the less concordance were the better.
    """

    title: str
    unit: str = ""
    higher_is_better: bool = True
    margin: float | None = None
    over: str = MEAN

    def __post_init__(self) -> None:
        if self.unit == POINTS:
            raise InputError(
                f"a score in {POINTS}: these are hundredths of a share here. Expected another unit, or none."
            )

        if self.over not in SUMMARIES:
            raise InputError(f"{self.title}: over {self.over}, expected {', '.join(SUMMARIES)}.")
        if self.over == CONCORDANCE and not self.higher_is_better:
            raise InputError(f"{self.title}: a concordance is better the higher it is.")

    @property
    def told_by(self) -> str:
        """The method of a trainer that tells it."""
        return "predict" if self.over == CONCORDANCE else "score"

    @property
    def goal(self) -> str:
        """What an epoch or a trial is chosen by, as `train.monitor` has it."""
        return HIGHEST_SCORE if self.higher_is_better else LOWEST_SCORE
