"""What may judge in the place of accuracy: a number that an answer scores, or what is made of all answers."""

from dataclasses import dataclass

from fer_core.config import HIGHEST_SCORE, LOWEST_SCORE
from fer_core.errors import InputError
from fer_core.scoring import ABSOLUTE, ERRORS, SQUARED, Scoring
from fer_core.summaries import CONCORDANCE, MEAN, ROOT, SUMMARIES
from search_spaces.claim import POINTS

SCORE = "score"  # the name of what judges, in a study's record and in tables, whatever its title


@dataclass(frozen=True)
class Score:
    """An error, an overlap, a divergence, a return: of several examples the mean of what each has, or what else is
    made of them.

    title: what it is called in a sentence, such as "absolute error". unit: that it is in, such as "years"; nothing
    where that has no name. higher_is_better: which way. margin: what counts as no difference, in its unit; None for
    what is claimed, or if nothing is, for nothing. over: what is made of the examples', one of SUMMARIES
    (`fer_core.summaries`): CONCORDANCE is of answers, by `predict` of a trainer, which needs no `score` then. each:
    of numbers that are answered the error that an example scores, on the mean over the targets, one of ERRORS
    (`fer_core.scoring`); None where a trainer has a `score` of its own.
    Raises InputError where it is in points, which are of shares, and where more of an error, or less of a
    concordance, were the better.
    """

    title: str
    unit: str = ""
    higher_is_better: bool = True
    margin: float | None = None
    over: str = MEAN
    each: str | None = None

    def __post_init__(self) -> None:
        if self.unit == POINTS:
            raise InputError(
                f"a score in {POINTS}: these are hundredths of a share here. Expected another unit, or none."
            )
        if self.each is not None and (self.each not in ERRORS or self.higher_is_better or self.over == CONCORDANCE):
            raise InputError(
                f"{self.title}: each {self.each}, expected {' or '.join(ERRORS)}, higher_is_better=False, and over "
                f"{MEAN} or {ROOT}."
            )
        if self.over not in SUMMARIES:
            raise InputError(f"{self.title}: over {self.over}, expected {', '.join(SUMMARIES)}.")
        if self.over == CONCORDANCE and not self.higher_is_better:
            raise InputError(f"{self.title}: a concordance is better the higher it is.")

    @property
    def scoring(self) -> Scoring:
        """How it is made of what is answered."""
        return Scoring(self.each, self.over, self.higher_is_better)

    @property
    def told_by(self) -> str:
        """The method of a trainer that tells it."""
        return "predict" if self.scoring.of_answers else "score"

    @property
    def goal(self) -> str:
        """What an epoch or a trial is chosen by, as `train.monitor` has it."""
        return HIGHEST_SCORE if self.higher_is_better else LOWEST_SCORE


# Those that `--measure` knows, of numbers that are learned in the place of classes.
OF_NUMBERS = {
    "absolute_error": Score("absolute error", higher_is_better=False, each=ABSOLUTE),
    "root_mean_square_error": Score("root mean square error", higher_is_better=False, each=SQUARED, over=ROOT),
    "concordance": Score("concordance", over=CONCORDANCE),
}
