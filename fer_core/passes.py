"""Whole passes over the images in one call of the backend: training for an epoch, and validating.

`Model.fit` prepares and starts every batch from Python, which takes a fast device longer than the batch itself. Here
the images stay on the device, as uint8; picking a batch out of them, shifting, rescaling and the step are one
compiled loop. The steps do what Keras' own do, in the same order, with the same last, smaller batch as `fit` has.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

Metrics = dict[str, float]


class Examples(NamedTuple):
    """Labelled images on the device: uint8 (n, 48, 48, 1), one-hot float32 (n, 7), and, if not all count
    alike, the weight of each in the loss, float32 (n,).
    """

    images: Any
    labels: Any
    weights: Any = None

    @classmethod
    def on_device(cls, images: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> "Examples":
        given = [part for part in (images, labels, weights) if part is not None]
        return cls(*map(ops.convert_to_tensor, given))


class Passes:
    """The passes of a compiled model, traced at their first use and kept with it."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        _build_measures(model)
        make = _jax_loops if keras.backend.backend() == "jax" else _tensorflow_loops
        self._train, self._evaluate = make(model)

    def train(self, examples: Examples, order: np.ndarray, batch_size: int) -> Metrics:
        """One step a batch, over `examples` in `order`. Returns the metrics over the images as they were seen."""
        return self._pass(self._train, examples, order, batch_size)

    def evaluate(self, examples: Examples, batch_size: int) -> Metrics:
        """The metrics of the model as it stands."""
        return self._pass(self._evaluate, examples, np.arange(len(examples.labels)), batch_size)

    def _pass(self, loop: Callable, examples: Examples, order: np.ndarray, batch_size: int) -> Metrics:
        self.model.reset_metrics()
        whole = len(order) - len(order) % batch_size
        for rows in (order[:whole].reshape(-1, batch_size), order[whole:].reshape(1, -1)):
            if rows.size:
                loop(examples, ops.convert_to_tensor(rows.astype(np.int32)))
        found = self.model.get_metrics_result()
        return {name: float(value) for name, value in found.items() if name != "loss"}  # of weighted, smoothed labels


def _build_measures(model: keras.Model) -> None:
    """Have loss and metrics make their variables, as `fit` does at its beginning."""
    answer = ops.ones((1, *model.output_shape[1:])) / model.output_shape[-1]
    model.compute_loss(y=answer, y_pred=answer)
    model.compute_metrics(None, answer, answer)
    model.reset_metrics()


def _tensorflow_loops(model: keras.Model) -> tuple[Callable, Callable]:
    """Loops that change the model's variables in place."""
    import tensorflow as tf

    def loop(step: Callable) -> Callable:
        traced: dict[int, Callable] = {}

        @tf.function
        def steps(batches: Any, *parts: Any) -> None:
            for rows in batches:
                step(tuple(tf.gather(part, rows) for part in parts))

        def run(examples: Examples, batches: Any) -> None:
            parts = [part for part in examples if part is not None]
            if len(parts) not in traced:  # once for any number of images, batches and images a batch
                specs = [tf.TensorSpec([None, *part.shape[1:]], part.dtype) for part in parts]
                traced[len(parts)] = steps.get_concrete_function(tf.TensorSpec([None, None], tf.int32), *specs)
            traced[len(parts)](batches, *parts)

        return run

    return loop(model.train_step), loop(model.test_step)


def _jax_loops(model: keras.Model) -> tuple[Callable, Callable]:
    """Pure loops over the values of the model's variables, which are assigned afterwards.

    They give the network's answers; the metrics are computed once, of all of them: in every step, their many small
    sums would take a GPU a twentieth of the time.
    """
    import jax

    # XLA on a CPU runs convolutions within a loop twenty times as slow: there Python goes from batch to batch.
    over = _one_by_one if jax.default_backend() == "cpu" else scanned
    measure = jax.jit(_measurement(model))

    def loop(step: Callable) -> Callable:
        compiled = over(step)

        def run(examples: Examples, batches: Any) -> None:
            groups = variables(model)
            state, answers = compiled(_values(groups), examples, batches)
            _assign(groups, state)
            measures = [model.metrics_variables]
            _assign(measures, [measure(*_values(measures), examples.labels[batches], answers)])

        return run

    return loop(training_step(model)), loop(_testing_step(model))


def training_step(model: keras.Model) -> Callable:
    """A pure function of state, examples and the rows of one batch, to the next state and the network's answers."""
    import jax

    def step(state: list, examples: Examples, rows: Any) -> tuple[list, Any]:
        images, labels, weights = _batch(examples, rows)
        trainable, others, optimizer = state

        def loss(trainable: list) -> tuple[Any, tuple[Any, list]]:
            answers, updated = model.stateless_call(trainable, others, images, training=True)
            return model.compute_loss(images, labels, answers, weights), (answers, updated)

        gradients, (answers, others) = jax.grad(loss, has_aux=True)(trainable)
        trainable, optimizer = model.optimizer.stateless_apply(optimizer, gradients, trainable)
        return [trainable, others, optimizer], answers

    return step


def _testing_step(model: keras.Model) -> Callable:
    def step(state: list, examples: Examples, rows: Any) -> tuple[list, Any]:
        trainable, others, _ = state
        return state, model.stateless_call(trainable, others, _batch(examples, rows)[0], training=False)[0]

    return step


def _batch(examples: Examples, rows: Any) -> list[Any]:
    return [None if part is None else part[rows] for part in examples]


def _measurement(model: keras.Model) -> Callable:
    """From the values of the metrics' variables, labels and answers (..., 7) to their next values."""

    def measured(values: list, labels: Any, answers: Any) -> list:
        mapping = zip(model.metrics_variables, values, strict=True)
        with keras.StatelessScope(state_mapping=mapping) as scope:
            model.compute_metrics(None, *(ops.reshape(part, (-1, part.shape[-1])) for part in (labels, answers)))
        return [scope.get_current_value(variable) for variable in model.metrics_variables]

    return measured


def scanned(step: Callable) -> Callable:
    """A pure step for every row of `batches` (steps, batch), in one program. Answers are (steps, batch, 7)."""
    import jax

    def run(state: list, examples: Examples, batches: Any) -> tuple[list, Any]:
        return jax.lax.scan(lambda state, rows: step(state, examples, rows), state, batches)

    return jax.jit(run, donate_argnums=0)


def _one_by_one(step: Callable) -> Callable:
    import jax

    compiled = jax.jit(step, donate_argnums=0)

    def run(state: list, examples: Examples, batches: Any) -> tuple[list, Any]:
        answers = []
        for rows in batches:
            state, answer = compiled(state, examples, rows)
            answers.append(answer)
        return state, jax.numpy.stack(answers)

    return run


def variables(model: keras.Model) -> list[list[keras.Variable]]:
    """The variables of a compiled model whose values a pure step takes."""
    return [model.trainable_variables, model.non_trainable_variables, model.optimizer.variables]


def _values(groups: list[list[keras.Variable]]) -> list[list[Any]]:
    return [[variable.value for variable in group] for group in groups]


def _assign(groups: list[list[keras.Variable]], values: list[list[Any]]) -> None:
    for group, given in zip(groups, values, strict=True):
        for variable, value in zip(group, given, strict=True):
            variable.assign(value)
