"""How a score judges: what is made of an answer that is held against what is true, and of what all examples have."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fer_core.summaries import CONCORDANCE, MEAN, result

ABSOLUTE, SQUARED = "absolute", "squared"

# What an answer is off, as its score: of gaps (n, k) between answers and targets.
ERRORS: dict[str, Callable[[np.ndarray], np.ndarray]] = {ABSOLUTE: np.abs, SQUARED: np.square}


@dataclass(frozen=True)
class Scoring:
    """each: of an example the error, one of ERRORS, on the mean over the targets; None where a trainer says itself
    what its answers score, and of a concordance, which no example has alone. over: what is made of all, one of
    `fer_core.summaries`. higher_is_better: which way.
    """

    each: str | None = None
    over: str = MEAN
    higher_is_better: bool = False

    @property
    def of_answers(self) -> bool:
        """Whether answers (n, k) to targets (n, k) are all it takes."""
        return self.each is not None or self.over == CONCORDANCE

    def found(self, answers: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """What the examples score, (n,) float, or of a concordance the answers themselves, (n, k)."""
        if self.each is None:
            return answers.astype(float)
        return ERRORS[self.each](answers.astype(float) - targets).mean(axis=1)

    def result(self, found: np.ndarray, targets: np.ndarray) -> float:
        """The score of all, by what `found` says of each."""
        return result(self.over, found, targets)
