"""How long the report of a large study takes: `python -m benchmarks.report [TRIALS] [EPOCHS]`.

Makes a study of drawn numbers (10,000 trials of 60 epochs unless told otherwise, three arms, ten confirmation seeds
on 3,589 test images) in a temporary folder and times `python -m study.report` on it, as a whole process. Nothing is
trained; the numbers mean nothing.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fer_core.config import TrialConfig
from search_spaces.catalogue import load_space
from study.records.folder import environment_record, now, space_record
from study.records.rows import prediction_rows
from study.records.schemas import SCHEMAS

ARMS, SEEDS, IMAGES = ("none", "block", "conv"), 10, 3589
LIMIT = 60  # seconds, on two cores


def main(trials: int = 10_000, epochs: int = 60) -> None:
    with tempfile.TemporaryDirectory() as folder:
        study = make(Path(folder) / "study", trials, epochs)
        start = time.monotonic()
        done = subprocess.run([sys.executable, "-m", "study.report", str(study)], capture_output=True, text=True)
        seconds = time.monotonic() - start
        if done.returncode:
            raise SystemExit(done.stderr)
        print(f"{trials:,} trials of {epochs} epochs: reported in {seconds:.1f} s (goal: {LIMIT})")


def make(folder: Path, trials: int, epochs: int) -> Path:
    """Write the study's record and tables."""
    folder.mkdir()
    random = np.random.default_rng(0)
    space = load_space("se_placement")
    record = {
        "space": space.name, "fingerprint": "0", "protocol": "challenge", "seed": 0, **space_record(space),
        "budget": "full", "data": "drawn numbers", "class_names": list("abcdefg"), "settings": TrialConfig().flat(),
        "arguments": {"data": None}, **environment_record(), "devices": {"cpus": 2.0, "gpus": 0.0, "slots": 2},
        "start": now(), "end": now(), "status": "complete",
    }  # fmt: skip
    (folder / "study.json").write_text(json.dumps(record))
    rows = pd.concat([_trials(random, trials - len(ARMS) * SEEDS), _confirmations(random)], ignore_index=True)
    _write(folder, "trials", rows)
    _write(folder, "epochs", _epochs(random, rows["trial"], epochs))
    labels = random.integers(0, 7, IMAGES)
    predictions = [
        prediction_rows(
            trial, np.arange(IMAGES), labels, random.dirichlet(np.full(7, 0.3), IMAGES), np.ones(IMAGES, bool)
        )
        for trial in rows.loc[rows["phase"] == "confirm", "trial"]
    ]
    pq.write_table(pa.concat_tables(predictions), folder / "predictions.parquet")
    return folder


def _trials(random: np.random.Generator, count: int) -> pd.DataFrame:
    """Search trials; every arm's first is its best."""
    arm = np.resize(ARMS, count)
    number = np.arange(count) // len(ARMS)
    value = np.where(number == 0, 0.9, random.uniform(0.3, 0.7, count))
    status = np.where(random.random(count) < 0.5, "completed", "pruned")
    return pd.DataFrame(
        {
            "trial": [f"{i:010x}-{100_000 + n}" for i, n in enumerate(number)],
            "arm": arm,
            "phase": "search",
            "seed": 100_000 + number,
            "number": number,
            "status": np.where(number == 0, "completed", status),
            "epochs": 60,
            "val_accuracy": value,
            "seconds": 100.0,
            **{f"config.{name}": setting for name, setting in TrialConfig().flat().items()},
            "config.model.se_placement": arm,
            "config.train.learning_rate": np.exp(random.uniform(np.log(2e-4), np.log(5e-3), count)),
            "config.augment.shift": random.uniform(0, 0.2, count),
            "config.model.se_reduction": random.choice([2, 4, 8, 16, 32], count),
        }
    )


def _confirmations(random: np.random.Generator) -> pd.DataFrame:
    rows = [
        {
            "trial": f"{position:010x}-{200_000 + seed}", "arm": arm, "phase": "confirm", "seed": 200_000 + seed,
            "status": "completed", "epochs": 60, "val_accuracy": 0.6, "test_accuracy": random.uniform(0.5, 0.7),
            "test_accuracy_distinct": 0.6, "test_macro_f1": 0.6, "test_loss": 1.0, "train_loss": 1.0,
            "train_accuracy": 0.7, "parameters": 3_490_000 + position, "seconds": 100.0,
        }
        for position, arm in enumerate(ARMS)
        for seed in range(SEEDS)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _epochs(random: np.random.Generator, trials: pd.Series, epochs: int) -> pd.DataFrame:
    count = len(trials) * epochs
    parts = {f"{part}_{name}": random.random(count) for part in ("train", "val") for name in ("accuracy", "loss")}
    return pd.DataFrame(
        {
            "trial": np.repeat(trials.to_numpy(), epochs),
            "epoch": np.tile(np.arange(1, epochs + 1), len(trials)),
            **parts,
        }
    )


def _write(folder: Path, name: str, frame: pd.DataFrame) -> None:
    frame.reindex(columns=SCHEMAS[name].names).to_parquet(
        folder / f"{name}.parquet", schema=SCHEMAS[name], index=False
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
