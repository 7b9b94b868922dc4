"""The two ends of a network, which say what it takes and what it gives: a saved one needs nothing beside it."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers


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
