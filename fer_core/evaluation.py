"""What a trained network makes of the test images."""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import f1_score, log_loss

from fer_core.data.dataset import EMOTIONS
from fer_core.data.protocols import Testing


@dataclass(frozen=True)
class Evaluation:
    """Test results: fractions from 0 to 1, the mean cross-entropy in nats, probabilities (n, 7) float32."""

    accuracy: float
    accuracy_distinct: float  # on the images without an identical twin in training
    loss: float
    macro_f1: float
    probabilities: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        return self.probabilities.argmax(axis=1).astype(np.int8)


def evaluate(probabilities: np.ndarray, test: Testing) -> Evaluation:
    """What a network says of the test images, as probabilities (n, 7), held against what they show."""
    predicted = probabilities.argmax(axis=1)
    correct = predicted == test.labels
    return Evaluation(
        accuracy=float(correct.mean()),
        accuracy_distinct=float(correct[test.distinct].mean()) if test.distinct.any() else float("nan"),
        loss=float(log_loss(test.labels, _normalised(probabilities), labels=range(len(EMOTIONS)))),
        macro_f1=float(
            f1_score(test.labels, predicted, labels=range(len(EMOTIONS)), average="macro", zero_division=0)
        ),
        probabilities=probabilities,
    )


def _normalised(probabilities: np.ndarray) -> np.ndarray:
    """In float64 the float32 softmax sums to 1 to seven digits only; log_loss asks for more."""
    exact = probabilities.astype(float)
    return exact / exact.sum(axis=1, keepdims=True)
