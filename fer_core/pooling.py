"""Max pooling with a cheap way back on JAX, with the numbers of Keras' own layer."""

from collections.abc import Callable
from functools import cache
from typing import Any

import keras


@keras.saving.register_keras_serializable(package="fer_core")
class MaxPooling2D(keras.layers.MaxPooling2D):
    """Keras' layer over windows of 2 by 2 that do not overlap. Features are (batch, height, width, channels).

    The gradient goes to the first of a window's largest values, on every backend. On a GPU, XLA searches the windows
    for it anew, with a position in four integers for each, and scatters; here the way forward keeps which of the four
    it was, in one byte.
    """

    def call(self, inputs: Any) -> Any:
        if keras.backend.backend() != "jax" or not self._halves(inputs):
            return super().call(inputs)
        return _jax_pool()(inputs)

    def _halves(self, inputs: Any) -> bool:
        shape = self.pool_size, self.strides, self.padding, self.data_format
        even = len(inputs.shape) == 4 and inputs.shape[1] % 2 == 0 and inputs.shape[2] % 2 == 0
        return shape == ((2, 2), (2, 2), "valid", "channels_last") and even


@cache
def _jax_pool() -> Callable:
    import jax
    from jax import numpy as jnp

    def forwards(features: Any) -> tuple[Any, Any]:
        corners = [features[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]
        largest = jnp.maximum(jnp.maximum(corners[0], corners[1]), jnp.maximum(corners[2], corners[3]))
        which = jnp.full(largest.shape, 3, "uint8")
        for number in (2, 1, 0):
            which = jnp.where(corners[number] == largest, jnp.uint8(number), which)
        return largest, which

    def backwards(which: Any, gradient: Any) -> tuple[Any]:
        batch, height, width, channels = gradient.shape
        number = (2 * jnp.arange(2)[:, None] + jnp.arange(2)).astype("uint8").reshape(1, 1, 2, 1, 2, 1)
        spread = jnp.where(which[:, :, None, :, None] == number, gradient[:, :, None, :, None], 0)
        return (spread.reshape(batch, 2 * height, 2 * width, channels),)

    pool = jax.custom_vjp(lambda features: forwards(features)[0])
    pool.defvjp(forwards, backwards)
    return pool
