"""What a space gives where it is not the paper's network that trains: a trainer of one's own, in any framework.

A trainer knows how to train for an epoch, what it makes of images, and how to put itself on disk and back. The
harness does the rest: which images it sees, when it stops, what is measured, which epoch is tested, what happens when
it is killed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fer_core.config import Value

if TYPE_CHECKING:
    import numpy as np


class Trainer(ABC):
    """One training.

    The global generators of Python, NumPy and, where they are loaded, PyTorch and Keras are seeded from the trial's
    seed before it is made, and from seed and number before every epoch: what draws from them is reproducible, and a
    training that was killed goes on as if it had not been.

    What is slow to import belongs into the methods: `--dry-run` and an error's message read the space's file, too.
    """

    # To be set on `self`, and recorded: the rate of the last epoch, and how many numbers are trained.
    learning_rate: float | None = None
    parameters: int | None = None

    @abstractmethod
    def __init__(
        self, settings: Mapping[str, Value], seed: int, images: np.ndarray, labels: np.ndarray, classes: Sequence[str]
    ) -> None:
        """settings: by their names in the space, None where a setting's condition does not hold, and `train.epochs`,
        the most that there will be. seed: of the trial. images and labels: those that train, as long as it lives.
        Images are (n, side, side) uint8 in grey, of FER2013 (n, 48, 48), or (n, side, side, 3) in colour; where the
        data holds features or texts instead, they come as they are, (n, ...). Labels (n,) are indices into `classes`,
        the names, of which some may have no image; where the data has numbers instead, such as valence and arousal,
        they are these, (n, len(classes)) float32, and `classes` says what each is of.
        """

    @abstractmethod
    def train_epoch(self, number: int) -> None:
        """Train for epoch `number`, counted from 1."""

    def predict(self, images: np.ndarray) -> np.ndarray:
        """The probabilities (n, len(classes)) of n images, in the form of those that train, as it stands; or its
        answers, (n, k) as their targets, where a score is made of these. To be written unless `score` tells it.
        """
        raise NotImplementedError

    def score(self, images: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """What each of n images scores as it stands, (n,), such as how far it is off. To be written where the space
        is judged by a `Score` that is not made of answers. targets: of these images what `labels` is of those that
        train.
        """
        raise NotImplementedError

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write everything that `predict` and the next epoch depend on to the file `path`, which is not there yet."""

    @abstractmethod
    def load(self, path: Path) -> None:
        """The inverse of `save`, on a trainer made with the same settings and seed."""

    def validated(self, accuracy: float, loss: float) -> None:  # noqa: B027  # need not be written
        """Hear what the validation images said after an epoch, for a rate that falls on a plateau. Before `save`."""

    def scored(self, score: float) -> None:  # noqa: B027  # need not be written
        """Hear the same where a score judges: what they scored on the mean."""
