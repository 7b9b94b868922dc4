"""Random shifts and flips of the training images, inside the model, as ImageDataGenerator draws them.

Keras' own RandomTranslation and RandomFlip draw the same, but their random state belongs to no variable of the
model where the step is compiled, so an interrupted training could not continue with the same draws. What is
drawn from is a variable too, so that one compiled network serves trials with other augmentation.
"""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="fer_core")
class RandomShift(keras.layers.Layer):
    """Shift every image by its own draw along both axes while training; do nothing otherwise.

    fraction: shifts are uniform in [-fraction, fraction] of the side, continuous, independent for the axes;
    bilinear, edges repeated (`width_shift_range`, `height_shift_range` and `fill_mode="nearest"` of
    ImageDataGenerator; section 2.1). Images are (batch, height, width, channels), float.
    """

    def __init__(self, fraction: float, seed: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.fraction = self.add_weight(
            name="fraction", shape=(), initializer=keras.initializers.Constant(fraction), trainable=False
        )

    def call(self, images: Any, training: bool = False) -> Any:
        if not training:
            return images
        batch, height, width = ops.shape(images)[0], images.shape[1], images.shape[2]
        shifts = self.fraction * keras.random.uniform((batch, 2), -1.0, 1.0, seed=self.seed_generator)
        return shift_images(images, shifts * ops.convert_to_tensor([[height, width]], dtype=shifts.dtype))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "fraction": float(self.fraction), "seed": self.seed}


@keras.saving.register_keras_serializable(package="fer_core")
class RandomFlip(keras.layers.Layer):
    """Mirror every image left to right with a probability of a half while training, if `on`.

    As `horizontal_flip` of ImageDataGenerator. Images are (batch, height, width, channels).
    """

    def __init__(self, on: bool, seed: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.on = self.add_weight(
            name="on", shape=(), initializer=keras.initializers.Constant(float(on)), trainable=False
        )

    def call(self, images: Any, training: bool = False) -> Any:
        if not training:
            return images
        draws = keras.random.uniform((ops.shape(images)[0], 1, 1, 1), seed=self.seed_generator)
        return ops.where(draws < 0.5 * self.on, ops.flip(images, axis=2), images)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "on": bool(float(self.on)), "seed": self.seed}


def shift_images(images: Any, shifts: Any) -> Any:
    """Each image moved by its own (rows, columns) in `shifts` (batch, 2), in pixels, as `apply_transform` does.

    A positive value reads further down or to the right, so that the picture moves up or to the left.
    """
    return ops.einsum(
        "bij,bjkc,blk->bilc",
        _interpolation(images.shape[1], shifts[:, 0]),
        images,
        _interpolation(images.shape[2], shifts[:, 1]),
    )


def _interpolation(side: int, shifts: Any) -> Any:
    """For every shift (batch,) the matrix (side, side) that interpolates a line of pixels there, edges repeated.

    Small products are faster on every device than a general transform of images, and XLA can compile them.
    """
    pixels = ops.arange(side, dtype=shifts.dtype)
    read = ops.clip(pixels + shifts[:, None], 0, side - 1)
    return ops.relu(1 - ops.abs(read[:, :, None] - pixels))
