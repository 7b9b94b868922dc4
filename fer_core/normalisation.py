"""Batch normalisation in few passes over memory, with the numbers of Keras' own layer."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="fer_core")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' layer, over the last axis. Features are (batch, height, width, channels) or (batch, channels).

    Keras computes mean, variance, scaling and shifting one after the other, and as many passes backwards, which take
    as long as a convolution. TensorFlow's kernel does each way in one; for XLA, mean and variance are written so
    that it can join them.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if keras.backend.backend() == "jax" and training and self.trainable and mask is None:
            return self._one_pass(inputs)
        if keras.backend.backend() != "tensorflow" or inputs.dtype != "float32" or len(inputs.shape) != 4:
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        learns = bool(training) and self.trainable
        nothing = tf.zeros([0])
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma.value,
            offset=self.beta.value,
            mean=nothing if learns else self.moving_mean.value,
            variance=nothing if learns else self.moving_variance.value,
            epsilon=self.epsilon,
            is_training=learns,
        )
        if learns:
            count = tf.cast(tf.size(inputs) // inputs.shape[-1], "float32")
            variance *= (count - 1) / count  # the kernel estimates a population's, Keras keeps the batch's own
            self._remember(mean, variance)
        return outputs

    def _one_pass(self, inputs: Any) -> Any:
        """Training, with both statistics from one pass over memory: XLA joins what is summed up over the same values.

        They are taken around the moving mean, so that the variance does not come out of the difference of two large
        numbers.
        """
        axes = list(range(len(inputs.shape) - 1))
        centred = ops.cast(inputs, "float32") - self.moving_mean.value
        mean = ops.mean(centred, axes)
        variance = ops.mean(ops.square(centred), axes) - ops.square(mean)
        scale = self.gamma.value * ops.rsqrt(variance + self.epsilon)
        outputs = centred * scale + (self.beta.value - mean * scale)
        self._remember(self.moving_mean.value + mean, variance)
        return ops.cast(outputs, inputs.dtype)

    def _remember(self, mean: Any, variance: Any) -> None:
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + value * (1 - self.momentum))
