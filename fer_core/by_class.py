"""Macro F1 and balanced accuracy while a network trains and validates, from the same sums over its answers."""

from typing import Any

import keras
from keras import ops

BY_CLASS = "by_class"
MACRO_F1, BALANCED_ACCURACY = "macro_f1", "balanced_accuracy"


class ByClass(keras.metrics.F1Score):
    """Keras' macro F1, and beside it the mean recall over the classes that occur (Brodersen et al. 2010)."""

    def __init__(self) -> None:
        super().__init__(average="macro", name=BY_CLASS)

    def result(self) -> dict[str, Any]:
        labelled = self.true_positives + self.false_negatives
        recalls = ops.divide_no_nan(self.true_positives, labelled)
        occur = ops.cast(labelled > 0, recalls.dtype)
        return {MACRO_F1: super().result(), BALANCED_ACCURACY: ops.divide_no_nan(ops.sum(recalls), ops.sum(occur))}
