"""The two tasks that a network may have, to tell classes or numbers: what it is trained towards, how it is measured.

Classes are measured as a pass goes over the images, numbers by the answers of the network as it stands after it.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import keras
import numpy as np

from fer_core.by_class import BALANCED_ACCURACY, MACRO_F1
from fer_core.class_weights import class_weights
from fer_core.compiled import CROSS_ENTROPY
from fer_core.config import TrainConfig
from fer_core.data.protocols import Indices, Learning, Testing, stratified
from fer_core.ends import Numbers, Told
from fer_core.evaluation import Evaluation, Scored, evaluate, scored
from fer_core.examples import Examples
from fer_core.passes import BATCH, Passes
from fer_core.scoring import Scoring
from fer_core.targets import Targets, one_hot

# Of an epoch's fields, what the passes call them.
MEASURED = {
    "accuracy": "accuracy",
    "loss": CROSS_ENTROPY,
    "macro_f1": MACRO_F1,
    "balanced_accuracy": BALANCED_ACCURACY,
}


class Task(Protocol):
    """told: what the network's answers are of. change: whether what is trained towards changes from epoch to epoch.
    weights: of the training images in the loss (n,) float32, None where all count alike. val: what is true of those
    that validate (m, k) float32.
    """

    told: Told
    change: bool
    weights: np.ndarray | None
    val: np.ndarray

    def towards(self, number: int, seed: int) -> np.ndarray:
        """What is trained towards in epoch `number`, from 0: (n, k) float32."""

    def measured(
        self, passes: Passes, trained: Mapping[str, float], train: Examples, val: Examples
    ) -> dict[str, float]:
        """An epoch's fields `train_*` and `val_*`. trained: what the pass over the training images measured."""

    def rising(self, measured: Mapping[str, Any]) -> float:
        """What falls on no plateau while it rises, of an epoch's fields."""

    def tested(self, answers: np.ndarray, testing: Testing) -> Evaluation | Scored:
        """What the answers to the test images are worth."""


def task_of(config: TrainConfig, learning: Learning, train: Indices, val: Indices, scoring: Scoring | None) -> Task:
    """That of these rows of the images. scoring: how numbers are judged."""
    if learning.train_targets is None:
        return Classification(config, learning, train, val)
    if scoring is None:
        raise ValueError("numbers in the place of classes are judged by a score")
    return Regression(learning, train, val, scoring)


class Classification:
    """To tell classes, measured by what their probabilities are worth."""

    def __init__(self, config: TrainConfig, learning: Learning, train: Indices, val: Indices) -> None:
        self.told: Told = learning.classes
        labels, count = learning.train_labels[train], len(learning.classes)
        shares = None if learning.train_distributions is None else learning.train_distributions[train]
        self._targets = Targets(config.targets, labels, shares, count)
        weights = class_weights(config.class_weights, labels, count)
        self.weights = None if weights is None else weights[labels]
        self.val = one_hot(learning.val_labels[val], count)
        self.change = self._targets.change

    def towards(self, number: int, seed: int) -> np.ndarray:
        return self._targets.of_epoch(number, seed)

    def measured(
        self, passes: Passes, trained: Mapping[str, float], train: Examples, val: Examples
    ) -> dict[str, float]:
        validated = passes.evaluate(val, BATCH)
        return {
            **{f"train_{name}": trained[key] for name, key in MEASURED.items()},
            **{f"val_{name}": validated[key] for name, key in MEASURED.items()},
        }

    def rising(self, measured: Mapping[str, Any]) -> float:
        return measured["val_accuracy"]

    def tested(self, answers: np.ndarray, testing: Testing) -> Evaluation:
        return evaluate(answers, testing)


class Regression:
    """To tell numbers, measured by what the answers score: of as many training images as validate, and of those."""

    weights: np.ndarray | None = None
    change = False

    def __init__(self, learning: Learning, train: Indices, val: Indices, scoring: Scoring) -> None:
        assert learning.train_targets is not None
        assert learning.val_targets is not None
        self._scoring, self._train = scoring, learning.train_targets[train]
        self.told: Told = Numbers.like(learning.classes, self._train)
        self.val = learning.val_targets[val]
        self._some = stratified(learning.train_labels[train], len(val))

    def towards(self, number: int, seed: int) -> np.ndarray:
        return self._train

    def measured(
        self, passes: Passes, trained: Mapping[str, float], train: Examples, val: Examples
    ) -> dict[str, float]:
        parts = (train, self._some, self._train[self._some]), (val, None, self.val)
        answers = (passes.predict(part.images, BATCH, rows) for part, rows, _ in parts)
        scores = [
            scored(self._scoring, keras.ops.convert_to_numpy(one), targets).score
            for one, (*_, targets) in zip(answers, parts, strict=True)
        ]
        return dict(zip(("train_score", "val_score"), scores, strict=True))

    def rising(self, measured: Mapping[str, Any]) -> float:
        score = measured["val_score"]
        return score if self._scoring.higher_is_better else -score

    def tested(self, answers: np.ndarray, testing: Testing) -> Scored:
        assert testing.targets is not None
        return scored(self._scoring, answers, testing.targets)
