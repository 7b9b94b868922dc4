"""Adam in one kernel a variable, with the numbers of Keras' own optimiser up to rounding."""

from collections.abc import Sequence
from typing import Any

import keras


class Adam(keras.optimizers.Adam):
    """Keras' optimiser (Kingma and Ba 2015, Algorithm 1 in the order of the end of Section 2).

    Keras makes some forty operations of a variable's step, half of all that a training step of the paper's network
    has, and TensorFlow traces, optimises and starts each of them. Its own kernel is one. The method that
    this overrides is not public: Keras has no other place where the steps of all variables meet.
    """

    def _backend_update_step(
        self, grads: Sequence[Any], trainable_variables: Sequence[Any], learning_rate: Any
    ) -> None:
        plain = keras.backend.backend() == "tensorflow" and all(map(_is_plain, grads))
        if self.amsgrad or not plain:
            super()._backend_update_step(grads, trainable_variables, learning_rate)
            return
        import tensorflow as tf

        step = tf.cast(self.iterations.value + 1, tf.float32)
        rate, *betas, epsilon = map(tf.convert_to_tensor, (learning_rate, self.beta_1, self.beta_2, self.epsilon))
        powers = [beta**step for beta in betas]
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            index = self._get_variable_index(variable)
            tf.raw_ops.ResourceApplyAdam(
                var=variable.value.handle,
                m=self._momentums[index].value.handle,
                v=self._velocities[index].value.handle,
                beta1_power=powers[0],
                beta2_power=powers[1],
                lr=rate,
                beta1=betas[0],
                beta2=betas[1],
                epsilon=epsilon,
                grad=gradient,
            )


def _is_plain(gradient: Any) -> bool:
    """Of all values of a variable, not of a few rows of a table alone, and in float32."""
    import tensorflow as tf

    return not isinstance(gradient, tf.IndexedSlices) and gradient.dtype == tf.float32
