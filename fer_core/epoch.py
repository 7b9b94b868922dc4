"""What is measured after an epoch, whoever trains."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One epoch, counted from 1: accuracies and macro F1 as fractions, losses as cross-entropy in nats an image.
    Balanced accuracy is NaN of an epoch that an earlier version has left in a checkpoint.

    Losses know of no class weights and no label smoothing, whatever the training minimised. learning_rate: None where
    it is not known.
    """

    epoch: int
    train_accuracy: float
    train_loss: float
    train_macro_f1: float
    train_balanced_accuracy: float = math.nan
    val_accuracy: float
    val_loss: float
    val_macro_f1: float
    val_balanced_accuracy: float = math.nan
    learning_rate: float | None
    seconds: float

    @property
    def finite(self) -> bool:
        return math.isfinite(self.train_loss) and math.isfinite(self.val_loss)


def best_of(history: Sequence[Epoch]) -> Epoch:
    """The first epoch with the highest validation accuracy among those that did not diverge, if any."""
    return max(history, key=lambda e: e.val_accuracy if e.finite else -1.0)
