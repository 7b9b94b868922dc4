"""How often a study's interval holds what tuning an arm is worth: one search of every arm against several of them.

Whole studies of the space `se_placement` on recorded curves, by the study's own engine. What tuning is worth is the
mean of a difference over all searches of all studies. Of every study two intervals are taken: over the seeds of the
first search's winner, and over searches, two seeds of each winner.

    python -m benchmarks.luck                       # 100 studies of 5 searches of 8 trials, some minutes
    python -m benchmarks.luck --studies 10          # a first look
"""

import argparse
import itertools
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from rich.progress import track

from benchmarks.search import CURVES, HERE, plan_on
from search_spaces.catalogue import load_space
from study.analysis.estimate import Estimate, Observed, estimate
from study.engine import Engine
from study.plan import study_seed
from study.records.parquet import read_table
from study.records.tables import Tables
from study.replay import Recorded, replay
from study.search.sampler import Sampler

SEEDS = 5  # of a winner, as many as the budget `standard` has
OF_EACH = 2  # of them, where searches are repeated


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="benchmarks.luck", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=100, help="how many, with seeds of their own (default: 100)")
    parser.add_argument("--searches", type=int, default=5, help="searches of every arm (default: 5)")
    parser.add_argument("--trials", type=int, default=8, help="trials of a search (default: 8)")
    options = parser.parse_args(arguments)
    recorded = Recorded(load_space("se_placement"), read_table(CURVES, "trials"), read_table(CURVES, "epochs"))
    arms = [arm.name for arm in recorded.space.arms]
    studies = [
        study(recorded, seed, options.searches, options.trials) for seed in track(range(options.studies), "studies")
    ]
    found = {
        "studies": options.studies,
        "searches": options.searches,
        "trials_a_search": options.trials,
        "pairs": {
            f"{arm} - {baseline}": summary([rows[arm] - rows[baseline] for rows in studies])
            for baseline, arm in itertools.combinations(arms, 2)
        },
    }
    print(json.dumps(found, indent=2))
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    (results / "luck.json").write_text(json.dumps(found, indent=2) + "\n")
    print(f"wrote {results / 'luck.json'}")
    return 0


def study(recorded: Recorded, seed: int, searches: int, trials: int) -> pd.DataFrame:
    """The test accuracies of a study's confirmations: a column an arm, a row a search and seed."""
    plan = plan_on(recorded, trials=trials, searches=searches, seeds=SEEDS, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(plan, Sampler(plan, Path(folder) / "optuna.log"), Tables(Path(folder)))
        replay(engine, recorded, order=seed)
        rows = engine.tables.trials()
    return rows[rows["phase"] == "confirm"].pivot(index="seed", columns="arm", values="test_accuracy")


def summary(gaps: list[pd.Series]) -> dict[str, float]:
    """What became of one pair of arms. gaps: of every study the differences by seed."""
    worth = float(np.mean([gap.mean() for gap in gaps]))
    one = [estimate(Observed(gap[:SEEDS].to_numpy())) for gap in gaps]
    several = [over_searches(gap) for gap in gaps]
    return {
        "worth": round(worth, 5),
        "seed_sd": _root_mean_square([e.seed_sd for e in several]),
        "search_sd": _root_mean_square([e.search_sd for e in several]),
        **{f"one_search_{name}": value for name, value in _quality(one, worth).items()},
        **{f"searches_{name}": value for name, value in _quality(several, worth).items()},
    }


def over_searches(gap: pd.Series) -> Estimate:
    """Over the searches, of whose seeds the first ones count."""
    searches = study_seed(gap.index).to_numpy()
    some = pd.Series(searches).groupby(searches).cumcount().to_numpy() < OF_EACH
    return estimate(Observed(gap.to_numpy()[some], searches=searches[some]))


def _quality(found: list[Estimate], worth: float) -> dict[str, float]:
    """In how many studies the interval holds what tuning is worth, and half its width, the median."""
    return {
        "covers": round(float(np.mean([one.low <= worth <= one.high for one in found])), 3),
        "margin": round(float(np.median([one.margin() for one in found])), 5),
    }


def _root_mean_square(values: list[float]) -> float:
    return round(float(np.sqrt(np.nanmean(np.square(values)))), 5)


if __name__ == "__main__":
    raise SystemExit(main())
