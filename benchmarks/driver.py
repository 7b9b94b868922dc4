"""The driver's time per reported epoch, with trials that take none, at 100, 1,000 and 10,000 trials.

A whole study on Ray, with sampler, pruning, tables, journal and display, against Ray Tune bare: the same trainings by
formula, drawn at random, run by `Tuner` with its own result files. Two at a time, workers kept warm. A study of
10,000 trials takes a quarter of an hour and more, so it runs once, and Ray Tune is not asked for it.
"""

import json
import os
import sys
import tempfile
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measuring import Outcome, in_turn, medians, module
from study.watching.watcher import Watcher

EPOCHS = 12
GOAL = 10.0  # milliseconds an epoch
SIZES = (99, 999, 9_999)  # thirds of which an arm
LARGEST = SIZES[-1]


def measure(rounds: int, data: str | None) -> list[Outcome]:
    outcomes, smallest = [], 0.0
    for trials in SIZES:
        ways = {"a study": partial(_apart, "study", trials)}
        if trials < LARGEST:
            ways["Ray Tune bare"] = partial(_apart, "bare", trials)
        figures = medians(in_turn(rounds if trials < LARGEST else 1, ways))
        reached = figures["a study"]
        smallest = smallest or reached
        goal = f"at most {GOAL:g} ms, growing no more than with the number of trials"
        met = reached <= GOAL and reached <= 1.5 * smallest
        outcomes.append(Outcome(f"driver, {trials:,} trials", figures, "ms an epoch", goal, reached, met))
    return outcomes


def _apart(way: str, trials: int) -> float:
    return float(module("benchmarks.driver", way, trials))


class Reports(Watcher):
    """Counts what the driver hears of search trials, from the first one on. Before, workers start."""

    def __init__(self) -> None:
        self.epochs, self.first, self.last = 0, 0.0, 0.0

    def on_epoch(self, spec: Any, epoch: dict[str, Any]) -> None:
        if spec.phase == "search":
            self.last = time.perf_counter()
            self.first = self.first or self.last
            self.epochs += 1


def ours(trials: int) -> float:
    """A study of `trials` search trials over three arms. Milliseconds a reported epoch."""
    from rich.console import Console

    from fer_core.config import TrialConfig
    from fer_core.data.protocols import split
    from fer_core.data.synthetic import synthetic_faces
    from search_spaces.catalogue import load_space
    from study.cluster import connection, runner
    from study.cluster.machines import share_out
    from study.engine import Engine
    from study.plan import make_plan
    from study.records.place import Place
    from study.records.tables import Tables
    from study.search.sampler import Sampler
    from study.watching.display import Display
    from tests.formulas import Steady

    plan = make_plan(
        load_space("se_placement"), budget="quick", protocol="challenge", data_name="fer2013",
        trials=trials // 3, epochs=EPOCHS, seeds=0,
    )  # fmt: skip
    parts = {TrialConfig().data.view: split(synthetic_faces({0: 70, 1: 14, 2: 14}), "challenge")}
    with tempfile.TemporaryDirectory() as name, connection.connected(None, num_cpus=2) as machine:
        folder, cluster, reports = Path(name), share_out(*machine), Reports()
        with closing(Tables(folder)) as tables, open(os.devnull, "w") as nowhere:
            console = Console(file=nowhere, force_terminal=True)
            with Display(console, plan, cluster.slots, tables.trials()) as display:
                engine = Engine(plan, Sampler(plan, folder / "optuna.log"), tables, [display, reports])
                runner.run_trials(engine, cluster, parts, Place(folder), trainable=Steady)
    return 1000 * (reports.last - reports.first) / reports.epochs


def bare(trials: int, folder: Path | None = None, epochs: int = EPOCHS) -> float:
    """Ray Tune alone on as many trials, all to their last epoch, its files in `folder`. Milliseconds an epoch."""
    from study.cluster import connection  # silences Ray

    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "0"
    from ray import tune

    from tests.formulas import Plain

    with tempfile.TemporaryDirectory() as name, connection.connected(None, num_cpus=2):
        tuner = tune.Tuner(
            tune.with_resources(Plain, {"cpu": 1}),
            param_space={"learning_rate": tune.loguniform(2e-4, 5e-3), "epochs": epochs},
            tune_config=tune.TuneConfig(num_samples=trials, reuse_actors=True),
            run_config=tune.RunConfig(storage_path=str(folder or name), name="bare", verbose=0),
        )
        start = time.perf_counter()
        tuner.fit()
        return 1000 * (time.perf_counter() - start) / (trials * epochs)


if __name__ == "__main__":
    print(json.dumps({"study": ours, "bare": bare}[sys.argv[1]](int(sys.argv[2]))))
