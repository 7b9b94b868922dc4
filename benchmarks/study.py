"""Wall time of a search of 12 trials of 3 epochs, two at a time: ours, and what one would write with other tools.

All train the paper's network at a quarter of its width on 2,000 images and validate on all of PublicTest; whole
processes, from the command to its end.
"""

import statistics
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.images import learning, write_folders
from benchmarks.measuring import ROOT, Outcome, in_turn, medians, ratio, seconds
from study.records.parquet import read_table

# With the paper's own configuration, which every study runs, twelve trials.
IMAGES, TRIALS, EPOCHS, SLOTS = 2000, 11, 3, 2


def measure(rounds: int, data: str | None) -> list[Outcome]:
    training: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        write_folders(learning(data, IMAGES), Path(name))
        ways = {
            "this harness": partial(_ours, data, Path(name), training),
            "one start": partial(seconds, "benchmarks.rivals.start"),
            "Ray Tune's guide": partial(seconds, "benchmarks.rivals.ray_tune", name),
            "KerasTuner": partial(seconds, "benchmarks.rivals.keras_tuner", name),
            "plain Optuna": partial(seconds, "benchmarks.rivals.plain_optuna", name),
        }
        found = in_turn(rounds, ways)
    found["training and validation"] = training
    share = ratio(found, "this harness", "Ray Tune's guide")
    overhead = statistics.median(
        wall / (pure + start)
        for wall, pure, start in zip(found["this harness"], training, found["one start"], strict=True)
    )
    figures = medians(found)
    least = {name: figures.pop(name) for name in ("training and validation", "one start")}
    return [
        Outcome("a study of 12 trials", figures, "s", "at most half of Ray Tune's guide", share, share <= 0.5),
        Outcome(
            "the same against its training and validation over the cores and one start",
            {"this harness": figures["this harness"], **least},
            "s", "at most 1.2 times these", overhead, overhead <= 1.2,
        ),
    ]  # fmt: skip


def _ours(data: str | None, folder: Path, training: list[float]) -> float:
    """A study's wall time; to `training` goes that of its epochs, spread over the slots."""
    out = Path(tempfile.mkdtemp(dir=folder)) / "study"
    wall = seconds(
        "study.run", "--space", ROOT / "benchmarks" / "twelve.py", *(("--data", data) if data else ()), "--out", out,
        "--budget", "standard", "--trials", TRIALS, "--epochs", EPOCHS, "--seeds", 0, "--scheduler", "none",
        "--set", "model.width=0.25", "--set", f"data.train_images={IMAGES}",
    )  # fmt: skip
    training.append(read_table(out, "epochs")["seconds"].sum() / SLOTS)
    return wall
