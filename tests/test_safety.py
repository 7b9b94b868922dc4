"""Files and names of unknown origin run no code and break no output; a private Ray is private."""

import io
from pathlib import Path

import keras
import numpy as np
import psutil
import pytest
from rich.console import Console

from fer_core.config import TrialConfig
from fer_core.data import protocols
from fer_core.errors import InputError
from fer_core.model import load_network
from fer_core.training import Training
from study.watching.display import make_console
from tests.test_faults import driver


class Bomb:
    """Unpickled, leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


def test_a_checkpoint_with_a_pickle_in_it_is_taken_for_damaged(
    parts: tuple[protocols.Learning, protocols.Testing], narrow: TrialConfig, tmp_path: Path
) -> None:
    fuse, checkpoint = tmp_path / "went off", tmp_path / "trial.npz"
    np.savez(checkpoint, record=np.array([Bomb(fuse)], dtype=object))
    assert Training(narrow, 1, parts[0], checkpoint).history == []
    assert not fuse.exists()
    with np.load(checkpoint, allow_pickle=True) as stored:
        stored["record"]
    assert fuse.exists()  # it would have gone off


def test_a_network_with_code_in_it_is_refused(tmp_path: Path) -> None:
    images = keras.Input((48, 48, 1))
    scores = keras.layers.Dense(7)(keras.layers.Flatten()(keras.layers.Lambda(lambda x: x / 255)(images)))
    keras.Model(images, scores).save(tmp_path / "lambda.keras")
    with pytest.raises(InputError, match=r"lambda\.keras: not a network saved as \.keras"):
        load_network(tmp_path / "lambda.keras")


def test_a_name_that_looks_like_markup_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    make_console().print("study: /data/[/red] [bold]:smile:", soft_wrap=True)
    assert capsys.readouterr().out == "study: /data/[/red] [bold]:smile:\n"
    with pytest.raises(Exception, match="closing tag"):
        Console(file=io.StringIO()).print("study: /data/[/red]")


def test_a_private_ray_listens_on_the_loopback_alone(tmp_path: Path) -> None:
    with driver(tmp_path / "study") as study:
        study.until(lambda: study.epochs() >= 1)
        family = [psutil.Process(study.process.pid), *study.family.values()]
        listening = {
            connection.laddr.ip
            for process in family
            if process.is_running()
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
    assert listening
    assert listening <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
