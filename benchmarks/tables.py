"""Tables of 10,000 trials of 60 epochs: written as they come, then read whole, against Ray Tune's result files.

Ours are written row by row as a study does. The rival reads 200 trials that Ray Tune itself ran and logged, with
`ResultGrid.get_dataframe`, which goes from file to file; its time is given for 10,000, fifty times as many.
"""

import json
import re
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.measuring import Outcome, in_turn, medians, module, ratio

TRIALS, EPOCHS, RAYS_TRIALS = 10_000, 60, 200
GIB = 1 << 20  # in kibibytes


def measure(rounds: int, data: str | None) -> list[Outcome]:
    with tempfile.TemporaryDirectory() as name:
        ours, rays = Path(name) / "ours", Path(name) / "rays"
        ours.mkdir()
        writing = json.loads(module("benchmarks.tables", "write", ours))
        module("benchmarks.tables", "run_ray", rays)
        peaks: list[int] = []
        ways: dict[str, Callable[[], float]] = {
            "parquet": partial(_reading, "read", ours, peaks),
            "ResultGrid.get_dataframe": partial(_reading, "read_ray", rays, []),
        }
        found = in_turn(rounds, ways)
    found["ResultGrid.get_dataframe"] = [s * TRIALS / RAYS_TRIALS for s in found["ResultGrid.get_dataframe"]]
    gain = ratio(found, "ResultGrid.get_dataframe", "parquet")
    most = max(*peaks, writing["peak"]) / GIB
    rows = TRIALS * EPOCHS
    return [
        Outcome(
            "tables read whole", medians(found), "s", "at least 20 times as fast", gain, gain >= 20
        ),
        Outcome("memory for writing and reading them", {"parquet": most}, "GiB", "under 1 GB", most, most < 0.93),
        Outcome(
            "tables written as they come", {"parquet": 1e6 * writing["seconds"] / rows}, "us a row", "none",
            writing["seconds"], True,
        ),
    ]  # fmt: skip


def _reading(way: str, folder: Path, peaks: list[int]) -> float:
    found = json.loads(module("benchmarks.tables", way, folder))
    peaks.append(found["peak"])
    return found["seconds"]


def write(folder: Path) -> None:
    from fer_core.config import TrialConfig, trial_id
    from study.records.rows import trial_row
    from study.records.tables import Tables
    from tests.formulas import numbers

    tables, config = Tables(folder), TrialConfig()
    for seed in range(TRIALS):
        trial = trial_id(config, seed)
        epochs = [numbers(number, 0.001) for number in range(1, EPOCHS + 1)]
        for epoch in epochs:
            tables.add_epoch({"trial": trial, **epoch})
        identity = {"trial": trial, "arm": "none", "phase": "search", "seed": seed, "number": seed}
        tables.add_trial(trial_row(identity, config.flat(), "completed", epochs))
    tables.close()


def read(folder: Path) -> None:
    from study.records.parquet import read_table

    assert len(read_table(folder, "epochs")) == TRIALS * EPOCHS
    assert len(read_table(folder, "trials")) == TRIALS


def run_ray(folder: Path) -> None:
    from benchmarks.driver import bare

    bare(RAYS_TRIALS, folder, EPOCHS)


def read_ray(folder: Path) -> None:
    from ray import tune

    from tests.formulas import Plain

    grid = tune.Tuner.restore(str(folder / "bare"), trainable=Plain).get_results()
    assert len(grid.get_dataframe()) == RAYS_TRIALS
    assert all(len(result.metrics_dataframe) == EPOCHS for result in grid)


def _peak() -> int:
    """The most memory that this process has had, in KiB. What getrusage says counts its parent's, too."""
    return int(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0])


if __name__ == "__main__":
    way = {"write": write, "read": read, "run_ray": run_ray, "read_ray": read_ray}[sys.argv[1]]
    start = time.perf_counter()
    way(Path(sys.argv[2]))
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak": _peak()}))
