"""From confirmation trials to estimates: each arm's test accuracy, and the differences between arms.

Intervals here are over seeds, paired: the arms share their seeds and their test images. They do not count the
chance that lies in the choice of the test images.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from fer_core import paper

CONFIDENCE = 0.95


@dataclass(frozen=True)
class ArmEstimate:
    """An arm's winner and its confirmation by one measure, a fraction; NaN where there are no such trials."""

    arm: str
    search_trials: int
    search_epochs: int
    validation: float  # the winner's, in the search
    seeds: int
    test: float  # mean over the confirmation seeds
    test_accuracy_distinct: float  # mean accuracy on the test images without an identical twin in training
    test_spread: float  # standard deviation over the confirmation seeds


@dataclass(frozen=True)
class Difference:
    """How much higher the test accuracy of `arm` is than that of `baseline`, paired over `seeds` seeds."""

    arm: str
    baseline: str
    seeds: int
    mean: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """`better` or `worse` if the interval leaves out zero, else `undecided`."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "undecided"


def confirmed(trials: pd.DataFrame, arm: str, winner: str | None, measure: str = "test_accuracy") -> pd.Series:
    """The column `measure` by seed over the confirmation of the arm's winner (a configuration's digest)."""
    chosen = trials[(trials["arm"] == arm) & (trials["phase"] == "confirm") & (trials["status"] == "completed")]
    chosen = chosen[chosen["trial"].str.split("-").str[0] == winner]
    return chosen.set_index("seed")[measure].sort_index()


def estimate_arm(trials: pd.DataFrame, arm: str, winner: str | None, measure: str = "accuracy") -> ArmEstimate:
    """Summarise `arm` from the table of trials; `winner` is the digest of its best configuration."""
    search = trials[(trials["arm"] == arm) & (trials["phase"] == "search")]
    won = search.loc[search["trial"].str.split("-").str[0] == winner, f"val_{measure}"]
    tested = confirmed(trials, arm, winner, f"test_{measure}")
    return ArmEstimate(
        arm=arm,
        search_trials=len(search),
        search_epochs=int(search["epochs"].sum()),
        validation=float(won.max()) if len(won) else float("nan"),
        seeds=len(tested),
        test=float(tested.mean()),
        test_accuracy_distinct=float(confirmed(trials, arm, winner, "test_accuracy_distinct").mean()),
        test_spread=float(tested.std(ddof=1)) if len(tested) > 1 else float("nan"),
    )


def compare(accuracies: dict[str, pd.Series]) -> list[Difference]:
    """The difference of every pair of arms, the earlier one the baseline; `accuracies` are by seed."""
    return [
        difference(arm, baseline, accuracies[arm], accuracies[baseline])
        for baseline, arm in itertools.combinations(accuracies, 2)
    ]


def difference(arm: str, baseline: str, accuracies: pd.Series, baseline_accuracies: pd.Series) -> Difference:
    """The mean paired difference over the seeds both have, with Student's interval (infinite for one seed)."""
    paired = (accuracies - baseline_accuracies).dropna()
    mean = float(paired.mean()) if len(paired) else float("nan")
    if len(paired) < 2:
        return Difference(arm, baseline, len(paired), mean, -np.inf, np.inf)
    if np.ptp(paired.to_numpy()) == 0:  # no spread: SciPy's interval would be NaN
        return Difference(arm, baseline, len(paired), mean, mean, mean)
    interval = stats.ttest_1samp(paired, 0.0).confidence_interval(CONFIDENCE)
    return Difference(arm, baseline, len(paired), mean, float(interval.low), float(interval.high))


def claim_verdict(gain: Difference) -> str:
    """What a difference of SE per block to no SE says of the paper's claim of +1.03 points (Table 1).

    `replicated`: a gain beyond chance whose interval holds the paper's. `contradicted`: the whole interval lies
    below the paper's gain. Else `undecided`.
    """
    if gain.high < paper.REPORTED_GAIN:
        return "contradicted"
    if gain.low > 0 and gain.low <= paper.REPORTED_GAIN:
        return "replicated"
    return "undecided"
