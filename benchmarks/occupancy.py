"""How long searches take and how busy their slots are, where trials take different times: on drawn curves.

A search of one arm or of three, 60 epochs a trial, over ten studies with seeds of their own. A trial's epochs take
their own time, log-normal around 1 with the spread given. A configuration's quality is drawn, too; of a trial's
validation accuracy after n epochs 0.9 ** n is still missing, and every epoch has its chance. So the figures say how
trials are scheduled, and nothing of FER2013.

    python -m benchmarks.occupancy                  # some minutes
    python -m benchmarks.occupancy --studies 2      # a first look
"""

import argparse
import json
import tempfile
from itertools import product
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from search_spaces.catalogue import load_space
from search_spaces.space import Float, Space
from study.engine import Engine
from study.plan import TrialSpec, make_plan
from study.records.tables import Tables
from study.replay import replay
from study.search.sampler import Sampler

RESULTS = Path(__file__).parent / "results"
EPOCHS = 60
SPACES = {
    1: Space("one", "How fast?", nuisance={"train.learning_rate": Float(1e-4, 1e-2, log=True)}),
    3: load_space("se_placement"),
}
SIZES = ((1, 16, 2), (1, 16, 4), (1, 48, 8), (3, 16, 2), (3, 16, 12), (3, 48, 24))  # arms, trials an arm, slots
SPREADS = (0.0, 0.3, 0.8)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="benchmarks.occupancy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=10, help="how many of every kind (default: 10)")
    options = parser.parse_args(arguments)
    found = []
    for (arms, trials, slots), spread in track(list(product(SIZES, SPREADS)), "searches"):
        runs = np.array([search(arms, trials, slots, spread, seed) for seed in range(options.studies)])
        whole = arms * trials * EPOCHS + min(arms - 1, 2) * EPOCHS  # with the paper's two
        wall, busy, epochs = runs.mean(axis=0)
        found.append(
            {
                "arms": arms,
                "trials_an_arm": trials,
                "slots": slots,
                "spread": spread,
                "wall_in_epochs": round(float(wall), 1),
                "busy": round(float(busy), 3),
                "epochs": round(float(epochs), 1),
                "share_of_all_epochs": round(float(epochs) / whole, 3),
            }
        )
    (RESULTS / "occupancy.json").write_text(
        json.dumps({"studies": options.studies, "searches": found}, indent=1) + "\n"
    )
    table = Table(*(name.replace("_", " ") for name in found[0]))
    for row in found:
        table.add_row(*map(str, row.values()))
    Console().print(table)
    return 0


def search(arms: int, trials: int, slots: int, spread: float, seed: int) -> tuple[float, float, int]:
    """How long it took in epochs of a usual trial, how busy the slots were, and the epochs trained."""
    plan = make_plan(
        SPACES[arms],
        budget="standard",
        protocol="challenge",
        data_name="fer2013",
        trials=trials,
        epochs=EPOCHS,
        seeds=0,
        seed=seed,
        sampler="random",
    )
    busy: list[float] = []

    def takes(spec: TrialSpec) -> float:
        busy.append(float(np.exp(spread * _draw(spec).normal())))
        return busy[-1]

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = Engine(plan, Sampler(plan, folder / "optuna.log"), Tables(folder))
        wall = replay(engine, _curve, slots=slots, seconds=takes)
    return wall, sum(busy) / (wall * slots), len(busy)


def _draw(spec: TrialSpec) -> np.random.Generator:
    return np.random.default_rng((spec.seed, int(spec.config.digest(), 16)))


def _curve(spec: TrialSpec) -> np.ndarray:
    draw = _draw(spec)
    draw.normal()  # the pace
    learned = 1 - 0.9 ** np.arange(1, EPOCHS + 1)
    return 0.5 + (0.1 + 0.05 * draw.normal()) * learned + 0.02 * draw.normal(size=EPOCHS)


if __name__ == "__main__":
    raise SystemExit(main())
