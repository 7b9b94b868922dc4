"""Small real parts, shared by the tests: drawn faces, a narrow network, and one finished study."""

import json
import logging
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from fer_core.config import TrialConfig
from fer_core.data.dataset import PRIVATE_TEST, PUBLIC_TEST, TRAINING, Dataset
from fer_core.data.protocols import Learning, Testing, split
from fer_core.data.synthetic import synthetic_faces

ROOT = Path(__file__).parent.parent
# One thread: the numbers of a training depend on how many there are.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# No test reads or fills the user's cache. Those of the cache itself have one of their own.
os.environ["FER_STUDY_CACHE"] = ""
os.environ.pop("RAY_ADDRESS", None)  # nor joins the user's cluster

STORE_KEYS = {"AWS_ACCESS_KEY_ID": "anyone", "AWS_SECRET_ACCESS_KEY": "anything", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="session")
def faces() -> Dataset:
    return synthetic_faces({TRAINING: 320, PUBLIC_TEST: 64, PRIVATE_TEST: 64})


@pytest.fixture(scope="session")
def parts(faces: Dataset) -> tuple[Learning, Testing]:
    return split(faces, "challenge")


@pytest.fixture(scope="session")
def narrow() -> TrialConfig:
    """A network that trains an epoch of `faces` in under a second, with every source of randomness on."""
    return TrialConfig.from_flat(
        {
            "model.width": 0.0625,
            "model.se_placement": "block",
            "model.batch_norm_momentum": 0.9,
            "train.batch_size": 32,
            "train.epochs": 4,
        }
    )


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    status: int
    out: str
    err: str


def run_module(module: str, *arguments: object, cwd: Path = ROOT, **environment: str) -> Finished:
    """Run `python -m module` as a user does."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


# A worker imports TensorFlow and traces every network, in seconds: where two modules run side by side, one worker for
# all of a study's trials is the faster way, and of no influence on what comes out.
ONE_WORKER = ("--max-concurrent", "1")

# Small enough for seconds, and still every phase in every arm.
SMALL_STUDY = shlex.split(
    "--space se_placement --data synthetic --budget quick --trials 3 --epochs 3 --seeds 2 "
    "--set model.width=0.0625 --set data.train_images=320 --set data.val_images=100"
)


@dataclass(frozen=True)
class FinishedStudy:
    folder: Path
    command: Finished


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory: pytest.TempPathFactory) -> FinishedStudy:
    """A study that every test may read and none may change; made once, by whichever process needs it first."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, ended = shared / "small", shared / "small.json"
    with FileLock(shared / "small.lock"):
        if not ended.exists():
            command = run_module("study.run", *SMALL_STUDY, "--out", folder)
            ended.write_text(json.dumps(asdict(command)))
    return FinishedStudy(folder, Finished(**json.loads(ended.read_text())))


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The URI of an empty bucket on a real server on this machine, with the options that lead there."""
    from moto.server import ThreadedMotoServer

    from study.records.object_store import ObjectStore

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        for name, value in STORE_KEYS.items():
            environment.setenv(name, value)
        uri = f"s3://studies?endpoint_override={host}:{port}&scheme=http&allow_bucket_creation=true"
        ObjectStore(uri).file_system.create_dir("studies")
        yield uri
    server.stop()


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(7)
