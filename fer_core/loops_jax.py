"""The loops of `passes.py` on JAX: pure functions of the values of the model's variables."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

if TYPE_CHECKING:
    from fer_core.examples import Examples


def loops(model: keras.Model) -> tuple[Callable, Callable, Callable]:
    """Training; answering; measuring answers. What changes is assigned to the variables afterwards.

    Training, too, measures once, all answers of a pass: in every step, the many small sums would take a GPU a
    twentieth of the time.
    """
    import jax

    # XLA on a CPU runs convolutions within a loop twenty times as slow: there Python goes from batch to batch.
    on_cpu = jax.default_backend() == "cpu"
    trained = (_one_by_one if on_cpu else scanned)(training_step(model))
    answered = (_mapped_one_by_one if on_cpu else mapped)(answering(model))
    measured = jax.jit(_measuring(model))

    def train(examples: "Examples", batches: Any) -> None:
        groups = variables(model)
        state, answers = trained(_values(groups), examples, batches)
        _assign(groups, state)
        measure(*(ops.reshape(part, (-1, part.shape[-1])) for part in (examples.labels[batches], answers)))

    def answer(images: Any, batches: Any) -> Any:
        return answered(_values(variables(model)[:2]), images, batches)

    def measure(labels: Any, answers: Any) -> None:
        measures = [model.metrics_variables]
        _assign(measures, [measured(_values(measures)[0], labels, answers)])

    return train, answer, measure


def training_step(model: keras.Model) -> Callable:
    """A pure function of state, examples and the rows of one batch, to the next state and the network's answers."""
    import jax

    def step(state: list, examples: "Examples", rows: Any) -> tuple[list, Any]:
        images, labels, weights = (None if part is None else part[rows] for part in examples)
        trainable, others, optimizer = state

        def loss(trainable: list) -> tuple[Any, tuple[Any, list]]:
            answers, updated = model.stateless_call(trainable, others, images, training=True)
            return model.compute_loss(images, labels, answers, weights), (answers, updated)

        gradients, (answers, others) = jax.grad(loss, has_aux=True)(trainable)
        trainable, optimizer = model.optimizer.stateless_apply(optimizer, gradients, trainable)
        return [trainable, others, optimizer], answers

    return step


def scanned(step: Callable) -> Callable:
    """A training step for every row of `batches` (steps, batch), in one program. Answers are (steps, batch, 7)."""
    import jax

    def run(state: list, examples: "Examples", batches: Any) -> tuple[list, Any]:
        return jax.lax.scan(lambda state, rows: step(state, examples, rows), state, batches)

    return jax.jit(run, donate_argnums=0)


def _one_by_one(step: Callable) -> Callable:
    import jax

    compiled = jax.jit(step, donate_argnums=0)

    def run(state: list, examples: "Examples", batches: Any) -> tuple[list, Any]:
        answers = []
        for rows in batches:
            state, answer = compiled(state, examples, rows)
            answers.append(answer)
        return state, jax.numpy.stack(answers)

    return run


def answering(model: keras.Model) -> Callable:
    """A pure function of what the model has learnt, images and the rows of one batch, to the answers."""

    def answer(state: list, images: Any, rows: Any) -> Any:
        return model.stateless_call(*state, images[rows], training=False)[0]

    return answer


def mapped(answer: Callable) -> Callable:
    """The answers for every row of `batches`, in one program."""
    import jax

    return jax.jit(lambda state, images, batches: jax.lax.map(lambda rows: answer(state, images, rows), batches))


def _mapped_one_by_one(answer: Callable) -> Callable:
    import jax

    compiled = jax.jit(answer)
    return lambda state, images, batches: jax.numpy.stack([compiled(state, images, rows) for rows in batches])


def _measuring(model: keras.Model) -> Callable:
    """A pure function of the metrics' values, labels and answers, both (n, 7), to the metrics' next values."""

    def measure(values: list, labels: Any, answers: Any) -> list:
        mapping = zip(model.metrics_variables, values, strict=True)
        with keras.StatelessScope(state_mapping=mapping) as scope:
            model.compute_metrics(None, labels, answers)
        return [scope.get_current_value(variable) for variable in model.metrics_variables]

    return measure


def variables(model: keras.Model) -> list[list[keras.Variable]]:
    """The variables of a compiled model whose values a training step takes; answering takes the first two groups."""
    return [model.trainable_variables, model.non_trainable_variables, model.optimizer.variables]


def _values(groups: list[list[keras.Variable]]) -> list[list[Any]]:
    return [[variable.value for variable in group] for group in groups]


def _assign(groups: list[list[keras.Variable]], values: list[list[Any]]) -> None:
    for group, given in zip(groups, values, strict=True):
        for variable, value in zip(group, given, strict=True):
            variable.assign(value)
