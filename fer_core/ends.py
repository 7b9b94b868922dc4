"""The two ends of a network, which say what it takes and what it gives: a saved one needs nothing beside it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers, ops


class Numbers(NamedTuple):
    """What a network may tell in the place of classes: their names, and of each the mean and the standard deviation
    among the targets that train.
    """

    names: tuple[str, ...]
    means: tuple[float, ...]
    spreads: tuple[float, ...]

    @classmethod
    def like(cls, names: Sequence[str], targets: np.ndarray) -> "Numbers":
        """Those of `targets` (n, k). A target that is always the same has a spread of 1."""
        means, spreads = targets.mean(axis=0, dtype=float), targets.std(axis=0, dtype=float)
        spreads[spreads == 0] = 1
        return cls(tuple(names), tuple(means.tolist()), tuple(spreads.tolist()))


Told = tuple[str, ...] | Numbers  # what a network's answers are of: classes, by their names, or numbers


@keras.saving.register_keras_serializable(package="fer_core")
class PixelScale(layers.Rescaling):
    """Pixels from 0 to 255 to 0 to 1 (section 2.1). interpolation: how their images were brought to their size."""

    def __init__(self, interpolation: str, scale: float = 1 / 255, **options: Any) -> None:
        super().__init__(scale, **options)
        self.interpolation = interpolation

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "interpolation": self.interpolation}


@keras.saving.register_keras_serializable(package="fer_core")
class ClassProbabilities(layers.Dense):
    """Keras' dense layer with a softmax, a unit for each of `classes`, their names. Features are (batch, n)."""

    def __init__(self, classes: Sequence[str], **options: Any) -> None:
        super().__init__(len(classes), activation="softmax", **options)
        self.classes = tuple(classes)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        for name in ("units", "activation"):
            del config[name]
        return {**config, "classes": list(self.classes)}


@keras.saving.register_keras_serializable(package="fer_core")
class ScaledNumbers(layers.Dense):
    """Keras' dense layer, a unit for each of the numbers that it tells, in the targets' own units: it starts around
    their means, and learns in their spreads.
    """

    def __init__(
        self, names: Sequence[str], means: Sequence[float], spreads: Sequence[float], **options: Any
    ) -> None:
        super().__init__(len(names), **options)
        self.names, self.means, self.spreads = tuple(names), tuple(means), tuple(spreads)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        means, spreads = (ops.convert_to_tensor(values, self.compute_dtype) for values in (self.means, self.spreads))
        return means + spreads * super().call(inputs, training)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["units"]
        return {**config, "names": list(self.names), "means": list(self.means), "spreads": list(self.spreads)}
