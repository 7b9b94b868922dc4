"""What a pass goes over: labelled images on the device."""

from typing import Any, NamedTuple

import numpy as np
from keras import ops


class Examples(NamedTuple):
    """Labelled images on the device: uint8 (n, side, side, channels), or features float32 or int32 (n, ...); one-hot,
    distributions or numbers float32 (n, classes); and, if not all count alike, the weight of each in the loss,
    float32 (n,).
    """

    images: Any
    labels: Any
    weights: Any = None

    @classmethod
    def on_device(cls, images: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> "Examples":
        given = [part for part in (images, labels, weights) if part is not None]
        return cls(*map(ops.convert_to_tensor, given))

    def towards(self, labels: np.ndarray) -> "Examples":
        """The same images with other labels."""
        return self._replace(labels=ops.convert_to_tensor(labels))
