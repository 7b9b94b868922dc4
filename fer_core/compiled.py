"""Compiled networks, kept in the process for the next training of the same shapes.

Tracing and compiling takes seconds, as long as a whole epoch of a small study. A network is taken out of the
pool for one training and comes back by `give_back`, so no two trainings ever share one. A pooled network gets
the initial values of a newly built one: the numbers are those of a fresh process.
"""

import keras
import numpy as np

from fer_core.config import ModelConfig, TrialConfig
from fer_core.model import build_model, set_shift

MOST_KEPT = 4
_pool: dict[ModelConfig, keras.Model] = {}


def take(config: TrialConfig, seed: int) -> keras.Model:
    """A compiled network for `config`, initialised from `seed`, as if it had just been built."""
    keras.utils.set_random_seed(seed)
    model = build_model(config)
    pooled = _pool.pop(config.model, None)
    if pooled is None:
        model.compile(
            optimizer=keras.optimizers.Adam(),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
            # The shift's image transform has no XLA kernel in TensorFlow; on a CPU XLA gains nothing.
            jit_compile=keras.backend.backend() == "jax",
        )
        model.optimizer.build(model.trainable_variables)
    else:
        for variable, initial in zip(state_variables(pooled), model.variables, strict=True):
            variable.assign(initial)
        for variable in pooled.optimizer.variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))
        model = pooled
    set_shift(model, config.augment.shift)
    model.optimizer.learning_rate = config.train.learning_rate
    return model


def give_back(model: keras.Model, config: TrialConfig) -> None:
    """Keep `model`, which nobody uses any more, for the next training with these model settings."""
    while len(_pool) >= MOST_KEPT:
        _pool.pop(next(iter(_pool)))
    _pool[config.model] = model


def state_variables(model: keras.Model) -> list[keras.Variable]:
    """Weights, moving averages, the shift and the states of the random generators; no metrics."""
    metrics = {id(variable) for variable in model.metrics_variables}
    return [variable for variable in model.variables if id(variable) not in metrics]
