"""What is measured after an epoch, whoever trains."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fer_core.config import HIGHEST_SCORE, LAST, LOWEST_SCORE

# Of what `train.monitor` may name, the field of an epoch and which way it is better, where these do not go without
# saying.
GOALS = {"loss": ("loss", -1), HIGHEST_SCORE: ("score", 1), LOWEST_SCORE: ("score", -1)}


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One epoch, counted from 1: accuracies and macro F1 as fractions, losses as cross-entropy in nats an image; or
    the mean score where a score judges, and then none of these. Of an epoch that an earlier version has left in a
    checkpoint, balanced accuracy is not known.

    Losses know of no class weights and no label smoothing, whatever the training minimised. learning_rate: None where
    it is not known.
    """

    epoch: int
    train_accuracy: float | None = None
    train_loss: float | None = None
    train_macro_f1: float | None = None
    train_balanced_accuracy: float | None = None
    train_score: float | None = None
    val_accuracy: float | None = None
    val_loss: float | None = None
    val_macro_f1: float | None = None
    val_balanced_accuracy: float | None = None
    val_score: float | None = None
    learning_rate: float | None
    seconds: float

    @property
    def finite(self) -> bool:
        return is_finite(vars(self))


def is_finite(epoch: Mapping[str, Any]) -> bool:
    """Whether the losses of an epoch, by its fields, or else its scores are numbers: then it did not diverge."""
    known = [[epoch.get(f"{part}_{name}") for part in ("train", "val")] for name in ("loss", "score")]
    return any(all(value is not None and math.isfinite(value) for value in of_parts) for of_parts in known)


def worth(epoch: Mapping[str, Any], goal: str) -> float:
    """What an epoch is worth by what `train.monitor` names, or a trial that has its fields: the more, the better."""
    if goal == LAST:
        return epoch["epoch"]
    name, sign = GOALS.get(goal, (goal, 1))
    return sign * epoch[f"val_{name}"]


def best_of(history: Sequence[Epoch], monitor: str) -> Epoch:
    """The first epoch that is worth most among those that did not diverge, if any."""
    return max(history, key=lambda e: worth(vars(e), monitor) if e.finite else -math.inf)
