"""Image files classified by a saved network, as a user does it."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from fer_core import predict
from fer_core.config import TrialConfig
from fer_core.data.dataset import EMOTIONS, Dataset
from fer_core.errors import InputError
from fer_core.model import build_model
from tests.conftest import run_module


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "model.keras"
    keras.utils.set_random_seed(3)
    build_model(TrialConfig.from_flat({"model.width": 0.0625, "model.se_placement": "conv"})).save(path)
    return path


@pytest.fixture
def images(faces: Dataset, tmp_path: Path) -> list[Path]:
    """One image as it is, one that is large and in colour."""
    small, large = tmp_path / "small.png", tmp_path / "large, in colour.jpg"
    Image.fromarray(faces.images[0]).save(small)
    Image.new("RGB", (200, 120), (180, 90, 20)).save(large)
    return [small, large]


def test_probabilities_are_those_of_the_network(
    network: Path, images: list[Path], faces: Dataset, capsys: pytest.CaptureFixture
) -> None:
    assert predict.main([str(network), *map(str, images), "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    expected = keras.saving.load_model(network).predict(faces.images[:1, ..., None], verbose=0)[0]
    np.testing.assert_allclose(list(first["probabilities"].values()), expected, rtol=1e-5)
    assert first["predicted"] == EMOTIONS[expected.argmax()]
    assert second["image"] == str(images[1])
    assert sum(second["probabilities"].values()) == pytest.approx(1)


def test_the_command_prints_a_line_an_image(network: Path, images: list[Path]) -> None:
    done = run_module("fer_core.predict", network, *images)
    assert done.status == 0, done.err
    lines = done.out.splitlines()
    assert len(lines) == 3
    assert lines[0].split() == ["image", "predicted", *EMOTIONS]
    assert lines[2].startswith(str(images[1]))


def test_what_cannot_be_read_is_named(network: Path, images: list[Path], tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.png"
    with pytest.raises(InputError, match=r"nothing\.png: not a readable image"):
        predict.main([str(network), str(nothing)])
    with pytest.raises(InputError, match=r"nothing\.png: no such file"):
        predict.main([str(nothing), str(images[0])])
    nothing.write_bytes(b"no network")
    with pytest.raises(InputError, match=r"nothing\.png: not a network saved as \.keras"):
        predict.main([str(nothing), str(images[0])])


def test_a_network_of_another_shape_is_refused(images: list[Path], tmp_path: Path) -> None:
    other = tmp_path / "other.keras"
    keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(2)]).save(other)
    with pytest.raises(InputError, match="expected one from"):
        predict.main([str(other), str(images[0])])


def test_a_network_with_code_in_it_is_not_run(images: list[Path], tmp_path: Path) -> None:
    risky = tmp_path / "risky.keras"
    keras.Sequential([keras.Input((48, 48, 1)), keras.layers.Lambda(lambda x: x)]).save(risky)
    with pytest.raises(InputError, match="not a network"):
        predict.main([str(risky), str(images[0])])
