"""The Ray cluster of a study: one that is joined, or one of its own on this machine.

Imports Ray's core alone, which is enough to look at a cluster; Ray Tune comes with `runner.py`.
"""

import logging
import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from study.cluster.machines import usable

# Read by Ray when it is imported. Its output is silenced, since the study has a display of its own.
os.environ.update(
    RAY_AIR_NEW_OUTPUT="0",
    RAY_USAGE_STATS_ENABLED="0",
    TUNE_PRINT_ALL_TRIAL_ERRORS="0",
    TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1",
    TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S="0",
    TUNE_MAX_PENDING_TRIALS_PG="1000000",  # else workers start in a row; Feed knows the room
    TUNE_GLOBAL_CHECKPOINT_S="1000000",  # between snapshots, which nobody reads and which grow with the trials
    TUNE_FORCE_TRIAL_CLEANUP_S="1",  # a stopped trial loses nothing: its last epoch is saved
)

import ray

import fer_core
import search_spaces
import study
from fer_core.errors import InputError
from study.cluster.head_watch import asked_to_end


@contextmanager
def connected(address: str | None, on_gpus: bool = True, **pretended: Any) -> Iterator[tuple[float, float]]:
    """A connection to the Ray cluster at `address`, or a private one on this machine.

    Yields the CPUs and GPUs that it has for trials.

    on_gpus: False for trials on CPUs alone. pretended: `num_cpus` and `num_gpus` that a private one shall believe in,
    instead of what is there. Raises InputError if the cluster does not answer. Within, SIGTERM is as Ctrl-C.
    """
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    environment: dict[str, Any] | None = None
    if address is None:
        os.environ.update(_worker_environment())  # workers with an environment of their own start later
    else:
        packages = [str(Path(package.__path__[0])) for package in (study, search_spaces, fer_core)]
        environment = {"env_vars": _worker_environment(), "py_modules": packages}
    before = signal.getsignal(signal.SIGTERM)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of Ray before 2.60, about what is set below
            ray.init(
                address=address or "local",
                runtime_env=environment,
                log_to_driver=False,
                logging_level=logging.ERROR,
                include_dashboard=False if address is None else None,
                configure_logging=True,
                **pretended,
            )
    except (ConnectionError, RuntimeError, ValueError) as problem:
        if address is None:
            raise
        reason = str(problem).strip().splitlines()[0]
        raise InputError(f"--address {address}: no Ray cluster answers there ({reason}).") from None
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield usable(nodes(), on_gpus)
    finally:
        ray.shutdown()
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """What Ctrl-C does now, as a cluster's scheduler asks for. Ray's own handler exits at once."""
    asked_to_end.set()
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):  # ignored, as in what a script starts in the background
        raise KeyboardInterrupt
    handler(signal.SIGINT, frame)


def nodes() -> list[tuple[float, float]]:
    """The CPUs and GPUs of every node that is there."""
    resources = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [(node.get("CPU", 0.0), node.get("GPU", 0.0)) for node in resources]


def _worker_environment() -> dict[str, str]:
    """What a worker must find set before it imports its backend."""
    environment = {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # else a trial on CPUs alone sees every GPU
    }
    if "KERAS_BACKEND" in os.environ:
        environment["KERAS_BACKEND"] = os.environ["KERAS_BACKEND"]
    return environment
