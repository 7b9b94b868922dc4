"""A network of one's own in the place of the paper's: built, trained, pooled, kept and taken away like that."""

import json
from dataclasses import astuple
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fer_core import compiled, predict
from fer_core.config import TrialConfig
from fer_core.data.protocols import Learning, Testing
from fer_core.errors import InputError
from fer_core.model import build_model
from fer_core.training import Training
from search_spaces.catalogue import load_space
from search_spaces.space import Float, Space
from study import check
from tests.conftest import ONE_WORKER, ROOT, FinishedStudy, run_module
from tests.test_own_trainer import Guess

EXAMPLE = ROOT / "docs" / "examples" / "separable.py"


def pixels(x: Any, settings: dict[str, Any]) -> Any:
    """A dense layer on what is left of the pixels after a dropout."""
    x = keras.layers.Dropout(settings["dropout"])(keras.layers.AveragePooling2D(4)(x))
    return keras.layers.Dense(settings["units"], activation="relu")(keras.layers.Flatten()(x))


SPACE = Space(
    "pixels", "Pixels?", network=pixels, scientific={"units": (4, 8)}, nuisance={"dropout": Float(0.0, 0.5)}
)
CONFIG = SPACE.start.override({"units": 4, "dropout": 0.2, "train.epochs": 3, "train.batch_size": 32})


def numbers(training: Training) -> list[tuple[Any, ...]]:
    return [astuple(epoch)[:-1] for epoch in training.history]


def test_a_networks_configuration_has_its_settings_and_all_but_those_of_the_papers() -> None:
    flat = CONFIG.flat()
    assert (flat["network"], flat["units"], flat["dropout"]) == ("pixels", 4, 0.2)
    assert {name.partition(".")[0] for name in flat if "." in name} == {"data", "augment", "train"}
    assert TrialConfig.from_flat(flat) == CONFIG
    with pytest.raises(InputError, match=r"model\.width: no setting of pixels"):
        CONFIG.override({"model.width": 0.5})
    with pytest.raises(InputError, match=r"train\.learning_rate=-1\.0: expected a number"):
        CONFIG.override({"train.learning_rate": -1})


def test_a_space_has_a_network_or_a_trainer() -> None:
    with pytest.raises(InputError, match="has a network and a trainer of its own, expected one of them"):
        Space("both", "Both?", network=pixels, trainer=Guess, fixed={"units": 4})
    with pytest.raises(InputError, match=r"model\.width means nothing to its network pixels"):
        Space("wide", "Wide?", network=pixels, fixed={"model.width": 1.0})


def test_it_stands_between_the_augmentation_and_the_softmax() -> None:
    model = build_model(CONFIG, pixels)
    assert (model.input_shape, model.output_shape) == ((None, 48, 48, 1), (None, 7))
    names = [layer.name for layer in model.layers]
    assert names[1:4] == ["rescale", "shift", "flip"]
    assert names[-1] == "probabilities"
    assert sum(np.prod(v.shape) for v in model.trainable_variables) == 144 * 4 + 4 + 4 * 7 + 7


def test_what_is_no_vector_of_features_is_refused() -> None:
    with pytest.raises(ValueError, match=r"pixels gave a tensor \(None, 48, 48, 1\), expected features \(None, n\)"):
        build_model(CONFIG, lambda x, settings: x)


def test_its_training_is_resumed_bit_for_bit(parts: tuple[Learning, Testing], tmp_path: Path) -> None:
    checkpoint = tmp_path / "trial.npz"
    whole = Training(CONFIG, 5, parts[0], network=pixels)
    while not whole.finished:
        whole.run_epoch()
    for _ in range(3):
        resumed = Training(CONFIG, 5, parts[0], checkpoint, pixels)
        resumed.run_epoch()
        resumed.save(checkpoint)
    assert numbers(resumed) == numbers(whole)
    np.testing.assert_array_equal(resumed.answers(parts[1].images), whole.answers(parts[1].images))
    assert resumed.parameters == 144 * 4 + 4 + 4 * 7 + 7


def test_it_answers_as_it_did_when_it_was_kept(parts: tuple[Learning, Testing], tmp_path: Path) -> None:
    training, other = (Training(CONFIG, seed, parts[0], network=pixels) for seed in (5, 6))
    training.run_epoch()
    training.save_network(tmp_path / "kept.keras")
    other.load_network(tmp_path / "kept.keras")
    np.testing.assert_array_equal(other.answers(parts[1].images), training.answers(parts[1].images))


def test_only_a_network_of_the_same_settings_is_used_again() -> None:
    compiled.forget()
    first = compiled.take(CONFIG, 1, pixels)
    compiled.give_back(first, CONFIG, pixels)
    larger = CONFIG.override({"units": 8})
    assert compiled.take(larger, 1, pixels) is not first
    assert compiled.take(CONFIG.override({"train.learning_rate": 0.1}), 1, pixels) is first
    compiled.forget()


def test_the_check_holds_for_the_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main([str(EXAMPLE), "--images", "100"]) == 0
    assert capsys.readouterr().out.count("ok   heeds its settings") == 2


def test_the_check_finds_a_setting_that_a_network_never_asks_for(parts: tuple[Learning, Testing]) -> None:
    def deaf(x: Any, settings: dict[str, Any]) -> Any:
        return keras.layers.Flatten()(keras.layers.AveragePooling2D(4)(x))

    space = Space("deaf", "Deaf?", network=deaf, nuisance={"dropout": Float(0.0, 0.5)})
    broken = [one for one in check.check_arm(space, space.arms[0], parts[0]) if not one.holds]
    assert [(one.what, one.otherwise) for one in broken] == [("heeds its settings", "it never asks for dropout")]


@pytest.fixture(scope="module")
def own_study(tmp_path_factory: pytest.TempPathFactory) -> FinishedStudy:
    folder = tmp_path_factory.mktemp("own") / "study"
    arguments = ("--space", EXAMPLE, "--data", "synthetic", "--budget", "quick", "--trials", "2", "--epochs", "2")
    small = ("--seeds", "1", "--set", "data.train_images=320", "--set", "data.val_images=100", *ONE_WORKER)
    return FinishedStudy(folder, run_module("study.run", *arguments, *small, "--out", folder))


def test_a_study_runs_with_a_network_of_its_own(own_study: FinishedStudy) -> None:
    assert own_study.command.status == 0, own_study.command.err
    trials = pd.read_parquet(own_study.folder / "trials.parquet")
    assert trials.groupby(["arm", "phase"]).size().to_dict() == {
        (arm, phase): count
        for arm in ("full", "separable")
        for phase, count in {"fixed": 1, "search": 2, "confirm": 1}.items()
    }
    assert set(trials["config.network"]) == {"blocks"}
    assert set(trials["config.train.schedule"]) == {"cosine"}
    assert trials["config.model.width"].isna().all()
    parameters = trials[trials["phase"] == "fixed"].set_index("arm")["parameters"]
    assert parameters["separable"] < parameters["full"] / 5


def test_its_network_is_taken_away_and_classifies_images(own_study: FinishedStudy, tmp_path: Path) -> None:
    exported = run_module("study.export", own_study.folder, "--arm", "separable", "--out", tmp_path / "best")
    assert exported.status == 0, exported.err
    Image.new("L", (48, 48), 90).save(tmp_path / "face.png")
    done = run_module("fer_core.predict", tmp_path / "best.keras", tmp_path / "face.png", "--json")
    assert done.status == 0, done.err
    assert sum(json.loads(done.out)[0]["probabilities"].values()) == pytest.approx(1)


LAYER = """
import keras

class Gate(keras.layers.Layer):
    def build(self, shape):
        self.gate = self.add_weight(shape=(shape[-1],), initializer="ones")

    def call(self, x):
        return x * self.gate
"""


def test_a_network_with_layers_of_its_own_needs_their_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gate.py").write_text(LAYER)
    gate = predict.load_code(tmp_path / "gate.py").Gate
    model = build_model(CONFIG, lambda x, settings: keras.layers.GlobalAveragePooling2D()(gate()(x)))
    model.save(tmp_path / "own.keras")
    Image.new("L", (48, 48), 90).save(tmp_path / "face.png")
    paths = [str(tmp_path / "own.keras"), str(tmp_path / "face.png")]
    with pytest.raises(InputError, match=r"has a layer of its own, Gate\. Give its file: --code FILE\.py"):
        predict.main(paths)
    with pytest.raises(InputError, match=r"--code .*nothing\.py: no such file"):
        predict.main([*paths, "--code", str(tmp_path / "nothing.py")])
    assert predict.main([*paths, "--code", str(tmp_path / "gate.py")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_space_shows_its_network(capsys: pytest.CaptureFixture[str]) -> None:
    space = load_space(str(EXAMPLE))
    assert space.kinds == {"convolution": str, "kernel": int, "dropout": float}
    done = run_module("study.spaces", EXAMPLE)
    assert "Network: blocks, three convolutions, each normalised and pooled, and the mean over places." in done.out
