"""What a trained network makes of images, held against what they show."""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import f1_score, log_loss, recall_score

from fer_core.data.protocols import Testing
from fer_core.scoring import Scoring


@dataclass(frozen=True)
class Measures:
    """Fractions from 0 to 1, and the mean cross-entropy in nats, NaN where a probability is none."""

    accuracy: float
    loss: float
    macro_f1: float
    balanced_accuracy: float


@dataclass(frozen=True)
class Evaluation:
    """Test results: fractions from 0 to 1, the mean cross-entropy in nats, probabilities (n, classes) float32."""

    accuracy: float
    accuracy_distinct: float  # on the images without an identical twin in training
    loss: float
    macro_f1: float
    balanced_accuracy: float
    probabilities: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        return self.probabilities.argmax(axis=1).astype(np.int8)


@dataclass(frozen=True)
class Scored:
    """Test results where a score judges, in its unit. each: what every image scored, (n,) float; None of a
    concordance. answers, targets: (n, k), None where a trainer says no more than what its answers scored.
    """

    score: float
    each: np.ndarray | None
    answers: np.ndarray | None = None
    targets: np.ndarray | None = None


def evaluate(probabilities: np.ndarray, test: Testing) -> Evaluation:
    """What a network says of the test images, as probabilities (n, classes), held against what they show."""
    found = measure(probabilities, test.labels)
    correct = probabilities.argmax(axis=1) == test.labels
    return Evaluation(
        accuracy=found.accuracy,
        accuracy_distinct=float(correct[test.distinct].mean()) if test.distinct.any() else float("nan"),
        loss=found.loss,
        macro_f1=found.macro_f1,
        balanced_accuracy=found.balanced_accuracy,
        probabilities=probabilities,
    )


def scored(scoring: Scoring, answers: np.ndarray, targets: np.ndarray) -> Scored:
    """What answers (n, k) score where the `targets` (n, k) are true."""
    found = scoring.found(answers, targets)
    return Scored(scoring.result(found, targets), None if found.ndim > 1 else found, answers, targets)


def measure(probabilities: np.ndarray, labels: np.ndarray) -> Measures:
    """What probabilities (n, classes) are worth where the `labels` (n,) are true."""
    predicted, classes = probabilities.argmax(axis=1), range(probabilities.shape[1])
    finite = bool(np.isfinite(probabilities).all())
    return Measures(
        accuracy=float((predicted == labels).mean()),
        loss=float(log_loss(labels, _normalised(probabilities), labels=classes)) if finite else float("nan"),
        macro_f1=float(f1_score(labels, predicted, labels=classes, average="macro", zero_division=0)),
        # as balanced_accuracy_score, which warns of an answer that no image has for its label
        balanced_accuracy=float(recall_score(labels, predicted, labels=np.unique(labels), average="macro")),
    )


def _normalised(probabilities: np.ndarray) -> np.ndarray:
    """In float64 the float32 softmax sums to 1 to seven digits only; log_loss asks for more."""
    exact = probabilities.astype(float)
    return exact / exact.sum(axis=1, keepdims=True)
