"""What is measured after an epoch, whoever trains."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fer_core.config import LAST


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


def worth(epoch: Mapping[str, Any], monitor: str) -> float:
    """What an epoch, by its fields, is worth by what `train.monitor` names: the more, the better."""
    if monitor == LAST:
        return epoch["epoch"]
    return -epoch["val_loss"] if monitor == "loss" else epoch[f"val_{monitor}"]


def best_of(history: Sequence[Epoch], monitor: str) -> Epoch:
    """The first epoch that is worth most among those that did not diverge, if any."""
    return max(history, key=lambda e: worth(vars(e), monitor) if e.finite else -math.inf)
