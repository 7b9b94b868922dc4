"""Which search trials stop early: rules over validation accuracies, within one arm.

A trial is compared only with those of its arm from whose results it was proposed. They have ended when it starts,
so the decision does not depend on which trial happens to report first, and the same study prunes the same trials on
any cluster. (Optuna's pruners and Ray's schedulers compare with whatever has been reported by then.)
"""

import math

import numpy as np

SCHEDULERS = ("none", "asha", "median")


def survives(scheduler: str, value: float, earlier: np.ndarray, factor: int) -> bool:
    """Whether a trial with `value` (higher is better) goes on, given what earlier ones had at the same epoch.

    asha: among the best 1 / factor of all of them, itself included, rounded up (Li et al. 2020).
    median: not below the median of the earlier ones (Golovin et al. 2017). none: always.
    """
    if scheduler == "none" or not len(earlier):
        return True
    if scheduler == "median":
        return value >= float(np.median(earlier))
    better = np.count_nonzero(earlier > value)
    return bool(better < math.ceil((len(earlier) + 1) / factor))
