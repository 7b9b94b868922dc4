"""How much an image counts in the loss, by the class that it has: rare ones may count more."""

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from fer_core.data.dataset import EMOTIONS


def class_weights(kind: str, labels: np.ndarray, classes: int = len(EMOTIONS)) -> np.ndarray | None:
    """The weight of each class's images in the loss (classes,) float32, of mean 1 over the images. None: no weights.

    balanced: every class has the same share of the loss. sqrt: a class's weight is the root of that, scaled.
    """
    if kind == "none":
        return None
    present, counts = np.unique(labels, return_counts=True)
    weights = compute_class_weight("balanced", classes=present, y=labels)
    if kind == "sqrt":
        weights = np.sqrt(weights)
        weights *= counts.sum() / (weights * counts).sum()
    found = np.zeros(classes, np.float32)
    found[present] = weights
    return found
