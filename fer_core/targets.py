"""Towards what a network is trained: what the loss holds its answer to an image against.

label         the image's label, as one-hot. The paper's.
distribution  the shares of its annotators' votes: the cross-entropy with a label distribution (Geng 2016).
drawn         a label drawn from these shares anew in every epoch, so that over the epochs each has its share.

Barsoum et al. (2016) compare the three on FER+, as majority voting, cross-entropy loss and probabilistic label
drawing. Labels choose and are tested, whichever of them is trained.
"""

import numpy as np

from fer_core.config import DRAWN, LABEL
from fer_core.data.dataset import EMOTIONS
from fer_core.errors import InputError


class Targets:
    """Those of the training images.

    kind: one of the module's docstring. labels: (n,) whole numbers below `classes`. distributions: (n, classes)
    float32, rows of sum 1; None where the data has none. Raises InputError where they are needed then.
    """

    def __init__(self, kind: str, labels: np.ndarray, distributions: np.ndarray | None, classes: int) -> None:
        if kind != LABEL and distributions is None:
            raise InputError(f"train.targets={kind}: the data has no label distributions.")
        self._given = one_hot(labels, classes) if kind == LABEL or distributions is None else distributions
        self.change = kind == DRAWN  # from epoch to epoch

    def of_epoch(self, number: int, seed: int) -> np.ndarray:
        """(n, classes) float32, for epoch `number`, from 0, of a training with `seed`: always the same for these."""
        return _drawn(self._given, np.random.default_rng((seed, number, 1))) if self.change else self._given


def _drawn(distributions: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """One class of each row, with the probabilities that the row says, as one-hot."""
    bounds = distributions.cumsum(axis=1, dtype=float)
    places = random.random((len(bounds), 1)) * bounds[:, -1:]
    return one_hot((places >= bounds).sum(axis=1), distributions.shape[1])


def one_hot(labels: np.ndarray, classes: int = len(EMOTIONS)) -> np.ndarray:
    """Labels (n,) as (n, classes) float32, the `class_mode="categorical"` of section 2.1."""
    return np.eye(classes, dtype=np.float32)[labels]
