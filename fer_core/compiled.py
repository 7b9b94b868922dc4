"""Compiled networks, kept in the process for the next training of the same shapes.

Tracing and compiling takes seconds, as long as a whole epoch of a small study. A network is taken out of the
pool for one training and comes back by `give_back`, so no two trainings ever share one. A pooled network gets
the initial values of a newly built one: the numbers are those of a fresh process. What XLA compiles for a GPU, a
minute's work for the paper's network, is kept on disk for other processes, too.
"""

import os
import random
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from fer_core.adam import Adam
from fer_core.by_class import ByClass
from fer_core.config import ModelConfig, Network, Own, TrainConfig, TrialConfig
from fer_core.data.cache import cache_folder
from fer_core.data.dataset import EMOTIONS
from fer_core.ends import Numbers, Told
from fer_core.features import Features
from fer_core.form import Form
from fer_core.model import build_model, set_augmentation
from fer_core.passes import Passes
from fer_core.regression import loss_of

MOST_KEPT = 4
OPTIMIZERS = {
    "adam": Adam,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": partial(keras.optimizers.SGD, momentum=0.9, nesterov=True),
}
# Of every image, and free of class weights and smoothing, so that losses can be compared between trainings.
CROSS_ENTROPY = "categorical_crossentropy"


class _Shape(NamedTuple):
    """What is compiled into a network. Everything else can be set on it afterwards."""

    network: Network | None
    told: Told
    given: Features | None
    form: Form
    own: Own | None
    model: ModelConfig
    optimizer: str
    weight_decay: float
    label_smoothing: float
    regression_loss: str
    precision: str


_pool: dict[_Shape, Passes] = {}


def take(
    config: TrialConfig,
    seed: int,
    network: Network | None = None,
    told: Told = EMOTIONS,
    given: Features | None = None,
) -> Passes:
    """A compiled network for `config` that tells what is to be `told`, initialised from `seed`, as if newly built.

    network: the user's own, where it is one of those. given: what that takes instead of images.
    """
    if keras.backend.backend() == "jax":
        _keep_gpu_programs()
    # Whence Keras' layers draw their seeds. `keras.utils.set_random_seed` makes TensorFlow prepare its graphs anew.
    random.seed(seed)
    model = build_model(config, network, told, given)
    pooled = _pool.pop(_shape(config, network, told, given), None)
    if pooled is None:
        model.compile(
            optimizer=_optimizer(config.train),
            **_aim(config.train, told),
            jit_compile=keras.backend.backend() == "jax",  # in TensorFlow on a CPU, XLA gains nothing
        )
        model.optimizer.build(model.trainable_variables)
        passes = Passes(model)
    else:
        passes = pooled
        for variable, initial in zip(state_variables(passes.model), model.variables, strict=True):
            variable.assign(initial)
        for variable in passes.model.optimizer.variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))
    set_augmentation(passes.model, config.augment)
    passes.model.optimizer.learning_rate = config.train.learning_rate
    return passes


def give_back(
    passes: Passes,
    config: TrialConfig,
    network: Network | None = None,
    told: Told = EMOTIONS,
    given: Features | None = None,
) -> None:
    """Keep a network, which nobody uses any more, for the next training that can use it. All as `take` was told."""
    while len(_pool) >= MOST_KEPT:
        _pool.pop(next(iter(_pool)))
    _pool[_shape(config, network, told, given)] = passes


def _keep_gpu_programs() -> None:
    """Not those for a CPU: another one that shares the folder may lack its instructions."""
    import jax

    folder = cache_folder()
    if folder is not None and jax.default_backend() == "gpu":
        keep_programs(folder / "programs")


def keep_programs(folder: Path) -> None:
    """Have JAX keep in `folder` what XLA compiles from now on, and take it from there, whichever process it is.

    Short ones, too, which JAX leaves out by itself: there are many of them before a first epoch. A folder that the
    user has given JAX, by the variable JAX_COMPILATION_CACHE_DIR, stays.
    """
    import jax

    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)


def forget() -> None:
    """Drop the networks that wait for a next training, with the memory they hold."""
    _pool.clear()


def _shape(config: TrialConfig, network: Network | None, told: Told, given: Features | None) -> _Shape:
    train = config.train
    return _Shape(
        network,
        told,
        given,
        config.data.form,
        config.own,
        config.model,
        train.optimizer,
        train.weight_decay,
        train.label_smoothing,
        train.regression_loss,
        train.precision,
    )


def _aim(train: TrainConfig, told: Told) -> dict[str, Any]:
    """The loss, and what is measured while it falls: of classes alone. Numbers are measured by what answers score."""
    if isinstance(told, Numbers):
        return {"loss": loss_of(train.regression_loss, told)}
    return {
        "loss": keras.losses.CategoricalCrossentropy(label_smoothing=train.label_smoothing),
        "metrics": ["accuracy", CROSS_ENTROPY, ByClass()],
    }


def _optimizer(train: TrainConfig) -> keras.optimizers.Optimizer:
    optimizer = OPTIMIZERS[train.optimizer](weight_decay=train.weight_decay or None)
    if train.weight_decay:
        # As usual, kernels decay; shifts and scales, which have no directions to choose from, do not.
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def state_variables(model: keras.Model) -> list[keras.Variable]:
    """Weights, moving averages, the augmentation and the states of the random generators; no metrics."""
    metrics = {id(variable) for variable in model.metrics_variables}
    return [variable for variable in model.variables if id(variable) not in metrics]
