"""Adam against Keras' own: the same steps, whichever kernel takes them."""

import keras
import numpy as np
import pytest

from fer_core.adam import Adam


def trained(optimizer: keras.optimizers.Optimizer, model: keras.Model, inputs: np.ndarray) -> list[np.ndarray]:
    """What the weights are after some steps, and what the optimiser remembers of them."""
    model.compile(optimizer=optimizer, loss="mean_squared_error")
    targets = np.linspace(-1, 1, len(inputs))[:, None]
    model.fit(inputs, targets, batch_size=4, epochs=5, shuffle=False, verbose=0)
    return [np.asarray(value) for value in model.weights + optimizer.variables]


def perceptron(dtype: str = "float32") -> keras.Model:
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(9, "tanh", dtype=dtype), keras.layers.Dense(1)]
    return keras.Sequential([keras.Input((6,)), *layers])


@pytest.mark.parametrize("settings", [{}, {"weight_decay": 0.1}, {"amsgrad": True}, {"beta_1": 0.5, "epsilon": 0.1}])
def test_it_takes_the_steps_of_keras(settings: dict, random: np.random.Generator) -> None:
    inputs = random.normal(size=(14, 6)).astype(np.float32)
    ours = trained(Adam(0.05, **settings), perceptron(), inputs)
    theirs = trained(keras.optimizers.Adam(0.05, **settings), perceptron(), inputs)
    before = perceptron().get_weights()
    assert not np.allclose(ours[0], before[0], atol=0.05)  # it has gone somewhere
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)


def test_weights_of_another_precision_are_trained_too(random: np.random.Generator) -> None:
    inputs = random.normal(size=(14, 6)).astype(np.float32)
    ours = trained(Adam(0.05), perceptron("float64"), inputs)
    theirs = trained(keras.optimizers.Adam(0.05), perceptron("float64"), inputs)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)


def test_a_table_of_which_a_step_uses_a_few_rows_is_trained_too(random: np.random.Generator) -> None:
    def table() -> keras.Model:
        keras.utils.set_random_seed(1)
        layers = [keras.Input((3,), dtype="int32"), keras.layers.Embedding(50, 4), keras.layers.Flatten()]
        return keras.Sequential([*layers, keras.layers.Dense(1)])

    inputs = random.integers(0, 50, (12, 3)).astype(np.int32)
    for mine, other in zip(
        trained(Adam(0.05), table(), inputs), trained(keras.optimizers.Adam(0.05), table(), inputs), strict=True
    ):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)
