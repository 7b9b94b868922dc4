"""Batch normalisation in one kernel where the backend has one, with the numbers of Keras' own layer."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="fer_core")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' layer, over the last axis. Features are (batch, height, width, channels) or (batch, channels).

    Keras computes mean, variance, scaling and shifting one after the other, and as many passes backwards; unless XLA
    joins them, the passes over memory take as long as a convolution. TensorFlow's kernel does each way in one.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
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
            for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving * self.momentum + value * (1 - self.momentum))
        return outputs
