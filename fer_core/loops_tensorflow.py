"""The loops of `passes.py` on TensorFlow: graphs, which change the model's variables in place."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    from fer_core.examples import Examples


def loops(model: keras.Model) -> tuple[Callable, Callable, Callable]:
    """Training, which measures in every step; answering; measuring answers."""
    import tensorflow as tf

    rows = tf.TensorSpec([None, None], tf.int32)
    answers = tf.TensorSpec([None, *model.output_shape[1:]], tf.float32)
    traced: dict[int, Callable] = {}

    @tf.function
    def steps(batches: Any, *parts: Any) -> None:
        for rows in batches:
            model.train_step(tuple(tf.gather(part, rows) for part in parts))

    def train(examples: "Examples", batches: Any) -> None:
        parts = [part for part in examples if part is not None]
        if len(parts) not in traced:  # once for any number of images, batches and images a batch
            specs = [tf.TensorSpec([None, *part.shape[1:]], part.dtype) for part in parts]
            traced[len(parts)] = steps.get_concrete_function(rows, *specs)
        traced[len(parts)](batches, *parts)

    @tf.function(input_signature=[tf.TensorSpec([None, *model.input_shape[1:]], model.inputs[0].dtype), rows])
    def answer(images: Any, batches: Any) -> Any:
        def of_one(rows: Any) -> Any:
            return model(tf.gather(images, rows), training=False)

        return tf.map_fn(of_one, batches, fn_output_signature=answers, parallel_iterations=1)

    @tf.function(input_signature=[answers, answers])
    def measure(labels: Any, given: Any) -> None:
        model.compute_metrics(None, labels, given)

    return train, answer, measure
