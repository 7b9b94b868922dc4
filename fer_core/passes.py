"""Whole passes over the images in one call of the backend: training for an epoch, and validating.

`Model.fit` prepares and starts every batch from Python, which takes a fast device longer than the batch itself. Here
the images stay on the device, as uint8; picking a batch out of them, shifting, rescaling and the step are one
compiled loop. The steps do what Keras' own do, in the same order, with the same last, smaller batch as `fit` has.
"""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from fer_core.by_class import BY_CLASS
from fer_core.examples import Examples

Metrics = dict[str, float]
BATCH = 512  # images a step of validation and test; has no influence on the numbers beyond rounding


class Passes:
    """The passes of a compiled model, traced at their first use and kept with it."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        _build_measures(model)
        self._train, self._answer, self._measure = _loops(model)

    def train(self, examples: Examples, order: np.ndarray, batch_size: int) -> Metrics:
        """One step a batch, over `examples` in `order`. Returns the metrics over the images as they were seen."""
        self.model.reset_metrics()
        for batches in _batches(order, batch_size):
            self._train(examples, batches)
        return self._metrics()

    def evaluate(self, examples: Examples, batch_size: int) -> Metrics:
        """The metrics of the model as it stands."""
        answers = self.predict(examples.images, batch_size)
        self.model.reset_metrics()
        self._measure(examples.labels, answers)
        return self._metrics()

    def predict(self, images: Any, batch_size: int, rows: np.ndarray | None = None) -> Any:
        """What the model as it stands answers (n, classes) to images on the device (`Examples`), or to these rows."""
        order = np.arange(len(images)) if rows is None else rows
        answers = [self._answer(images, batches) for batches in _batches(order, batch_size)]
        return ops.concatenate([ops.reshape(part, (-1, part.shape[-1])) for part in answers])

    def _metrics(self) -> Metrics:
        found = self.model.get_metrics_result()
        found |= found.pop(BY_CLASS, {})  # where Keras has not put them beside the others itself, as 3.12 does
        return {name: float(value) for name, value in found.items() if name != "loss"}  # of weighted, smoothed labels


def _batches(order: np.ndarray, batch_size: int) -> Iterator[Any]:
    """The rows of whole batches (steps, batch), then those of a last, smaller one, if any (1, rest)."""
    whole = len(order) - len(order) % batch_size
    for rows in (order[:whole].reshape(-1, batch_size), order[whole:].reshape(1, -1)):
        if rows.size:
            yield ops.convert_to_tensor(rows.astype(np.int32))


def _build_measures(model: keras.Model) -> None:
    """Have loss and metrics make their variables, as `fit` does at its beginning."""
    answer = ops.ones((1, *model.output_shape[1:])) / model.output_shape[-1]
    model.compute_loss(y=answer, y_pred=answer)
    model.compute_metrics(None, answer, answer)
    model.reset_metrics()


def _loops(model: keras.Model) -> tuple[Callable, Callable, Callable]:
    """Of the backend: training on examples; the model's answers (steps, batch, classes) to images, both for the rows
    of `batches` (steps, batch); and taking labels and answers (n, classes) into the model's metrics.
    """
    if keras.backend.backend() == "jax":
        from fer_core.loops_jax import loops
    else:
        from fer_core.loops_tensorflow import loops
    return loops(model)
