"""How many epochs the default search needs to be as good as random search: on recorded curves, over many studies.

Both search the space `se_placement` with the same number of trials an arm, over 50 studies with seeds of their own.
What counts is the accuracy, without chance, of the configuration that validation has chosen so far, the mean over
arms and studies, against the epochs spent in the arm.

    python -m benchmarks.search                     # 50 studies, some minutes
    python -m benchmarks.search --studies 5         # a first look
"""

import argparse
import itertools
import json
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from rich.progress import track

from search_spaces.catalogue import load_space
from study.engine import Engine
from study.plan import Plan, TrialSpec, make_plan
from study.records.parquet import read_table
from study.records.tables import Tables
from study.replay import Recorded, replay
from study.search.sampler import Sampler
from study.search.selection import winner
from study.watching.watcher import Watcher

HERE = Path(__file__).parent
CURVES = HERE.parent / "results" / "reference" / "curves-fer2013-eighth"
RANDOM, DEFAULT = ("random", "none"), ("tpe", "asha")


class Incumbent(Watcher):
    """What an arm's best configuration so far would be worth, after every epoch spent in the arm."""

    def __init__(self, recorded: Recorded) -> None:
        self.recorded = recorded
        self.values: dict[str, list[float]] = defaultdict(list)
        self._seen: dict[str, dict[str, dict]] = defaultdict(dict)
        self._expected: dict[str, float] = {}

    def on_epoch(self, spec: TrialSpec, epoch: dict) -> None:
        if spec.phase != "search":
            return
        seen = self._seen[spec.arm]
        before = seen.get(spec.trial, {"val_accuracy": -1.0})["val_accuracy"]
        # As the engine chooses: trials that ran to their end before others.
        whole = epoch["epoch"] == self.recorded.epochs
        seen[spec.trial] = {
            "trial": spec.trial,
            "status": "completed" if whole else "pruned",
            "val_accuracy": max(before, epoch["val_accuracy"]),
            "number": spec.number,
        }
        if spec.trial not in self._expected:
            self._expected[spec.trial] = float(self.recorded.expected(spec)[-1])
        best = winner(seen.values(), "accuracy")
        assert best is not None
        self.values[spec.arm].append(self._expected[best["trial"]])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="benchmarks.search", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=50, help="how many, each with a seed of its own (default: 50)")
    parser.add_argument("--trials", type=int, default=32, help="search trials an arm (default: 32)")
    parser.add_argument("--window", type=int, help="an arm's trials open at a time (default: the plan's)")
    options = parser.parse_args(arguments)
    space = load_space("se_placement")
    recorded = Recorded(space, read_table(CURVES, "trials"), read_table(CURVES, "epochs"))
    curves = {}
    for way in (RANDOM, DEFAULT):
        seeds = track(range(options.studies), " and ".join(way))
        curves[way] = np.array(
            [arm for seed in seeds for arm in study(recorded, way, seed, options.trials, options.window)]
        )
    found = summary(curves, recorded.epochs, options.trials)
    found["luck_of_the_search"] = luck(curves[DEFAULT][:, -1].reshape(options.studies, len(space.arms)))
    found["studies"] = options.studies
    print(json.dumps(found, indent=2))
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    (results / "search.json").write_text(json.dumps(found, indent=2) + "\n")
    draw(curves, found, results / "search.png")
    print(f"wrote {results / 'search.json'} and search.png")
    return 0


def plan_on(recorded: Recorded, **arguments: Any) -> Plan:
    """A plan for the recorded curves. arguments: as of `make_plan`."""
    of_curves = {"budget": "quick", "protocol": "challenge", "data_name": "fer2013", "epochs": recorded.epochs}
    return make_plan(recorded.space, **of_curves, **arguments)


def study(recorded: Recorded, way: tuple[str, str], seed: int, trials: int, window: int | None) -> list[np.ndarray]:
    """One study: for every arm the worth of its incumbent after every epoch, extended to the epochs of all trials."""
    sampler, scheduler = way
    plan = plan_on(recorded, trials=trials, seeds=0, seed=seed, sampler=sampler, scheduler=scheduler, window=window)
    watch = Incumbent(recorded)
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(plan, Sampler(plan, Path(folder) / "optuna.log"), Tables(Path(folder)), [watch])
        replay(engine, recorded, order=seed)
    most = trials * recorded.epochs
    return [np.concatenate([v, np.full(most - len(v), v[-1])]) for v in watch.values.values()]


def summary(curves: dict[tuple[str, str], np.ndarray], epochs: int, trials: int) -> dict:
    """Where random search ends, and after how many epochs the default has got there."""
    random, default = curves[RANDOM].mean(axis=0), curves[DEFAULT].mean(axis=0)
    target = random[-1]
    below = np.flatnonzero(default < target)  # as good from there on, not for a lucky moment
    needed = int(below[-1]) + 2 if len(below) else 1
    needed = needed if needed <= len(default) else None
    return {
        "trials_an_arm": trials,
        "epochs_of_random_search": epochs * trials,
        "final_accuracy_of_random_search": round(float(target), 5),
        "final_accuracy_of_default": round(float(default[-1]), 5),
        "epochs_until_default_stays_as_good": needed,
        "share_of_the_epochs": None if needed is None else round(needed / (epochs * trials), 3),
    }


def luck(final: np.ndarray) -> float:
    """How far searches with other seeds make two arms differ otherwise: the standard deviation of the difference
    between what two arms' chosen configurations are worth, (studies, arms), over the studies; the root mean square
    over the pairs of arms.
    """
    pairs = itertools.combinations(range(final.shape[1]), 2)
    variances = [np.var(final[:, one] - final[:, other], ddof=1) for one, other in pairs]
    return round(float(np.sqrt(np.mean(variances))), 5)


def draw(curves: dict[tuple[str, str], np.ndarray], found: dict, path: Path) -> None:
    """Both curves with the standard error over studies and arms."""
    figure, axes = plt.subplots(figsize=(7, 4))
    for way, style in ((RANDOM, "--"), (DEFAULT, "-")):
        values = 100 * curves[way]
        mean, error = values.mean(axis=0), values.std(axis=0) / np.sqrt(len(values))
        x = np.arange(1, len(mean) + 1)
        axes.plot(x, mean, style, color="black", label=f"{way[0]} sampler, {way[1]} scheduler")
        axes.fill_between(x, mean - error, mean + error, color="0.8")
    axes.axhline(100 * found["final_accuracy_of_random_search"], color="0.5", linewidth=0.8)
    axes.set_ylim(bottom=100 * np.quantile(curves[RANDOM].mean(axis=0), 0.05))
    axes.set(xlabel="epochs spent in an arm", ylabel="accuracy of the chosen configuration, %")
    axes.set_title("Recorded curves of FER2013 at an eighth of the width", loc="left")
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    raise SystemExit(main())
