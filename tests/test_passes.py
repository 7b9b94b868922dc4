"""A pass in one call gives what `Model.fit` and `Model.evaluate` give, batch by batch."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.metrics import f1_score

from fer_core import compiled
from fer_core.class_weights import class_weights
from fer_core.config import TrialConfig
from fer_core.data import protocols
from fer_core.data.protocols import Learning
from fer_core.examples import Examples
from fer_core.loops_jax import answering, mapped, scanned, training_step, variables
from fer_core.passes import Metrics, Passes
from fer_core.targets import one_hot
from tests.conftest import ROOT

Parts = tuple[Learning, protocols.Testing]
ORDER = np.random.default_rng(3).permutation(320)
BATCH = 48  # does not divide 320: the last batch is smaller
on_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="what a GPU runs on JAX; make test-jax")


def new_network(config: TrialConfig) -> Passes:
    compiled.forget()
    return compiled.take(config, 5)


def without_loss(metrics: Metrics) -> Metrics:
    return {name: value for name, value in metrics.items() if name != "loss"}


@pytest.mark.parametrize("weighting", ["none", "balanced"])
def test_a_pass_trains_as_fit_does(weighting: str, narrow: TrialConfig, parts: Parts) -> None:
    learning, weights = parts[0], class_weights(weighting, parts[0].train_labels)
    images, labels = learning.train_images[..., None], one_hot(learning.train_labels)
    plain = new_network(narrow).model
    fitted = plain.fit(
        images[ORDER],
        labels[ORDER],
        class_weight=None if weights is None else dict(enumerate(weights)),
        batch_size=BATCH,
        shuffle=False,
        verbose=0,
    )
    ours = new_network(narrow)
    examples = Examples.on_device(images, labels, None if weights is None else weights[learning.train_labels])
    trained = ours.train(examples, ORDER, BATCH)

    assert trained == pytest.approx(
        without_loss({name: values[0] for name, values in fitted.history.items()}), rel=1e-4
    )
    for mine, theirs in zip(ours.model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-4)

    validation = learning.val_images[..., None], one_hot(learning.val_labels)
    plain.set_weights(ours.model.get_weights())
    answers = keras.ops.convert_to_numpy(ours.predict(keras.ops.convert_to_tensor(validation[0]), BATCH))
    np.testing.assert_allclose(answers, plain.predict(validation[0], verbose=0), atol=1e-5)
    evaluated = plain.evaluate(*validation, batch_size=BATCH, verbose=0, return_dict=True)
    assert ours.evaluate(Examples.on_device(*validation), BATCH) == pytest.approx(without_loss(evaluated), rel=1e-4)


def test_measures_by_class_are_those_of_scikit_learn(narrow: TrialConfig, parts: Parts) -> None:
    """Also where a class occurs in no label."""
    kept = parts[0].val_labels != 3
    images, labels = parts[0].val_images[kept][..., None], parts[0].val_labels[kept]
    network = new_network(narrow)
    found = network.evaluate(Examples.on_device(images, one_hot(labels)), BATCH)
    predicted = keras.ops.convert_to_numpy(network.predict(keras.ops.convert_to_tensor(images), BATCH)).argmax(axis=1)
    assert len(set(predicted)) > 1
    recalls = [(predicted[labels == label] == label).mean() for label in np.unique(labels)]
    assert found["balanced_accuracy"] == pytest.approx(np.mean(recalls), abs=1e-6)
    assert found["macro_f1"] == pytest.approx(f1_score(labels, predicted, labels=range(7), average="macro"), abs=1e-6)


def test_the_batches_of_a_pass_may_be_of_any_size(narrow: TrialConfig, parts: Parts) -> None:
    network = new_network(narrow)
    examples = Examples.on_device(parts[0].val_images[..., None], one_hot(parts[0].val_labels))
    whole = network.evaluate(examples, 1000)
    assert network.evaluate(examples, 7) == pytest.approx(whole, rel=1e-5)


@on_jax
def test_loops_in_one_program_give_what_one_step_after_the_other_does(narrow: TrialConfig, parts: Parts) -> None:
    network = new_network(narrow.override({"train.optimizer": "sgd"}))  # Adam divides rounding errors by themselves
    examples = Examples.on_device(parts[0].train_images[..., None], one_hot(parts[0].train_labels))
    groups = variables(network.model)
    state = [[np.array(variable) for variable in group] for group in groups]
    batches = ORDER[:96].reshape(2, 48)
    asked = mapped(answering(network.model))(state[:2], examples.images, batches)
    np.testing.assert_allclose(asked.reshape(96, 7), network.predict(examples.images[ORDER[:96]], 48), atol=1e-5)
    found, answers = scanned(training_step(network.model))(state, examples, batches)
    network.train(examples, ORDER[:96], 48)
    assert answers.shape == (2, 48, 7)
    for mine, theirs in zip(found, groups, strict=True):
        for value, variable in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(value, np.array(variable), rtol=1e-3, atol=1e-4)


COMPILES = """
import pathlib, sys
import jax
from fer_core.compiled import keep_programs

found = []
jax.monitoring.register_event_listener(lambda event, **_: found.append(event.rsplit("/", 1)[1]))
jax.jit(lambda x: x + 1)(1)  # JAX looks once whether it has a folder
keep_programs(pathlib.Path(sys.argv[1]))
found.clear()
jax.jit(lambda x: x @ x)(jax.numpy.ones((8, 8)))
print("cache_hits" in found)
"""


@on_jax
def test_a_second_process_finds_what_the_first_compiled(tmp_path: Path) -> None:
    ours, users = tmp_path / "ours", tmp_path / "users"

    def finds(**variables: str) -> bool:
        variables |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
        command = [sys.executable, "-c", COMPILES, str(ours)]
        run = subprocess.run(
            command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, check=True
        )
        return run.stdout.strip() == "True"

    assert not finds()
    assert finds()
    assert not finds(JAX_COMPILATION_CACHE_DIR=str(users)), "it looked into ours"
    assert any(users.iterdir())
