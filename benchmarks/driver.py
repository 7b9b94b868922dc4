"""The driver's time per reported epoch, with trials that take none: `python -m benchmarks.driver [TRIALS ...]`.

A whole study on Ray, with sampler, pruning, tables, journal and display, against Ray Tune bare: the same trainings by
formula, drawn at random, run by `Tuner` with its own result files, or without. Two at a time, workers kept warm.
"""

import os
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

EPOCHS = 12


class Reports:
    """Counts what the driver hears of search trials, from the first one on. Before, workers start."""

    def __init__(self) -> None:
        self.epochs, self.first, self.last = 0, 0.0, 0.0

    def on_epoch(self, spec: Any, epoch: dict[str, Any]) -> None:
        if spec.phase == "search":
            self.last = time.perf_counter()
            self.first = self.first or self.last
            self.epochs += 1

    def on_end(self, spec: Any, row: dict[str, Any]) -> None:
        """Nothing."""


def ours(trials: int) -> dict[str, float]:
    """A study of `trials` search trials over three arms. Seconds, epochs reported, and milliseconds for each."""
    from rich.console import Console

    from fer_core.data.protocols import split
    from fer_core.data.synthetic import synthetic_faces
    from search_spaces.catalogue import load_space
    from study import runner
    from study.cluster import share_out
    from study.display import Display
    from study.engine import Engine
    from study.place import Place
    from study.plan import make_plan
    from study.sampler import Sampler
    from study.tables import Tables
    from tests.formulas import Steady

    plan = make_plan(
        load_space("se_placement"), budget="quick", protocol="challenge", data_name="fer2013",
        trials=trials // 3, epochs=EPOCHS, seeds=0,
    )  # fmt: skip
    parts = {"challenge": split(synthetic_faces({0: 70, 1: 14, 2: 14}), "challenge")}
    with tempfile.TemporaryDirectory() as name, runner.connected(None, num_cpus=2) as machine:
        folder, cluster, reports = Path(name), share_out(*machine), Reports()
        with closing(Tables(folder)) as tables, open(os.devnull, "w") as nowhere:
            console = Console(file=nowhere, force_terminal=True)
            with Display(console, plan, cluster.slots, tables.trials()) as display:
                engine = Engine(plan, Sampler(plan, folder / "optuna.log"), tables, [display, reports])
                runner.run_trials(engine, cluster, parts, Place(folder), trainable=Steady)
    return _figures(reports.last - reports.first, reports.epochs)


def bare(trials: int, *, loggers: bool = True) -> dict[str, float]:
    """Ray Tune alone on as many trials, all to their last epoch."""
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "0" if loggers else "1"
    from ray import tune

    from study import runner  # silences Ray
    from study.plan import QUICK_NETWORK
    from tests.formulas import Plain

    with tempfile.TemporaryDirectory() as name, runner.connected(None, num_cpus=2):
        tuner = tune.Tuner(
            tune.with_resources(Plain, {"cpu": 1}),
            param_space={"learning_rate": tune.loguniform(2e-4, 5e-3), "epochs": EPOCHS},
            tune_config=tune.TuneConfig(num_samples=trials, reuse_actors=True),
            run_config=tune.RunConfig(storage_path=name, verbose=0),
        )
        start = time.perf_counter()
        tuner.fit()
        seconds = time.perf_counter() - start
    return _figures(seconds, trials * EPOCHS)


def _figures(seconds: float, epochs: int) -> dict[str, float]:
    return {"seconds": seconds, "epochs": epochs, "ms an epoch": 1000 * seconds / epochs}
