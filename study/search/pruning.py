"""Which search trials stop early: rules over validation accuracies, within one arm.

Whom a trial is compared with is for the arm's timetable to say, so that the decision does not depend on which trial
happens to report first. (Optuna's pruners and Ray's schedulers compare with whatever has been reported by then.)
"""

import math

import numpy as np

SCHEDULERS = ("none", "asha", "median")


def survives(scheduler: str, value: float, others: np.ndarray, factor: int) -> bool:
    """Whether a trial with `value` (higher is better) goes on, given what `others` had at the same epoch.

    asha: among the best 1 / factor of all of them, itself included, rounded up (Li et al. 2020), or fewer than
    `factor` have come so far. median: not below the median of the others (Golovin et al. 2017). none: always.
    """
    if scheduler == "none" or not len(others):
        return True
    if scheduler == "median":
        return value >= float(np.median(others))
    if len(others) + 1 < factor:
        return True
    better = np.count_nonzero(others > value)
    return bool(better < math.ceil((len(others) + 1) / factor))
