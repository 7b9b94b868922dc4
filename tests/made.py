"""Studies made by hand: a folder with the tables of a study whose answers are drawn, for tests of what reads them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer_core.config import FOLDS, TrialConfig, trial_id
from search_spaces.space import MEASURES
from study.analysis.likeness import write_likeness
from study.plan import SEARCHES_APART, SEEDS_A_STUDY
from study.records.rows import elsewhere_rows, prediction_rows, trial_row
from study.records.tables import Tables

CLASS_NAMES = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
RATES = (0.002, 0.0005, 0.001, 0.004)


def make_study(
    folder: Path,
    accuracies: Mapping[str, float],
    *,
    seeds: Sequence[int] = (200_000, 200_001, 200_002),
    search: int = 3,
    searches: int = 1,
    epochs: int = 3,
    images: int = 140,
    folds: int | None = None,
    elsewhere: Mapping[str, int] | None = None,
    likeness: Mapping[int, float] | None = None,
    failed: Sequence[str] = (),
    **record: Any,
) -> Path:
    """Write a study whose arms answer the test images right as often as `accuracies` says.

    Every arm is searched so often with `search` trials, the n-th the winner of search n (the first of them all by
    validation), and each has a confirmation a seed; the search trials of arms in `failed` fail, and they have no
    confirmation. `record` overrides what study.json says. Arms are called by
    their SE placement; others have the placement `none` and a width of their own. folds: as many searches, the n-th
    of which tests images of its own, `images` and n more of them. elsewhere: names of other data, of which so many
    images were tested, too, and answered right as often. likeness: of test images to what trains, where it is known.
    """
    others = elsewhere or {}
    folder.mkdir(parents=True, exist_ok=True)
    base = TrialConfig()
    if folds is not None:
        search = max(search, folds)
        searches, base = folds, base.override({"data.protocol": FOLDS, "data.folds": folds})
        record = {"protocol": FOLDS, "settings": base.flat(), **record}
    known = {"also_tested": {name: f"print of {name}" for name in others} or None}
    (folder / "study.json").write_text(json.dumps(_record(list(accuracies)) | known | record))
    tables = Tables(folder)
    for position, (arm, accuracy) in enumerate(accuracies.items()):
        rates = [RATES[n % 4] * (1 + n // 4) for n in range(max(search, searches))]
        for which in range(searches):
            here = base if folds is None else base.override({"data.fold": which})
            configs = [_config(here, arm, position, rate) for rate in rates]
            shown = np.arange(images) if folds is None else which * 10_000 + np.arange(images + which)
            first = which * SEARCHES_APART * SEEDS_A_STUDY
            for number, config in enumerate(configs[:search]):
                row = _identity(arm, "search", config, first + 100_000 + number, number, which)
                value = 0.6 - 0.01 * abs(number - which) - 0.001 * which
                _add(tables, row, config, epochs, value, "failed" if arm in failed else "completed")
            for seed in () if arm in failed else seeds:
                best = configs[which]
                row = _identity(arm, "confirm", best, first + seed, None, which)
                answers = _answers(arm, first + seed, accuracy, shown)
                there = {
                    name: _answers(arm + name, first + seed, accuracy, np.arange(count))
                    for name, count in others.items()
                }
                _add(tables, row, best, epochs, 0.6, "completed", answers, there)
    tables.close()
    if likeness is not None:
        alike = pd.DataFrame({"image": list(likeness), "likeness": list(likeness.values()), "most_like": 0})
        write_likeness(alike.set_index("image"), folder)
    return folder


def _record(arms: list[str]) -> dict[str, Any]:
    claim = {"original CNN": "none", "CNN with SE blocks": "block"} if {"none", "block"} <= set(arms) else {}
    return {
        "space": "made",
        "fingerprint": "0123456789abcdef",
        "protocol": "challenge",
        "seed": 0,
        "question": "Does it help?",
        "measure": "accuracy",
        "budget": "quick",
        "window": 3,
        "data": "made",
        "class_names": CLASS_NAMES,
        "arms": arms,
        "comparable": [arms],
        "paper_arms": claim,
        "logarithmic": ["train.learning_rate"],
        "settings": TrialConfig().flat(),
        "arguments": {"data": "/nowhere/made.csv"},
        "versions": {"python": "3.11"},
        "git_revision": None,
        "command": ["python", "-m", "study.run", "--space", "made"],
        "host": "here",
        "backend": "tensorflow",
        "devices": {"cpus": 2.0, "gpus": 0.0, "slots": 2},
        "start": "2026-01-01T00:00:00+00:00",
        "end": "2026-01-01T01:00:00+00:00",
        "status": "complete",
    }


def _config(base: TrialConfig, arm: str, position: int, rate: float) -> TrialConfig:
    placed = {"model.se_placement": arm} if arm in ("none", "block", "conv") else {"model.width": 1 + position / 10}
    return base.override({**placed, "train.learning_rate": rate})


def _identity(
    arm: str, phase: str, config: TrialConfig, seed: int, number: int | None, search: int
) -> dict[str, Any]:
    identity = {"trial": trial_id(config, seed), "arm": arm, "phase": phase, "seed": seed}
    return {**identity, "search": search, "number": number}


def _answers(arm: str, seed: int, accuracy: float, images: np.ndarray) -> dict[str, np.ndarray]:
    """Labels in turn; the right class gets the largest probability with the chance `accuracy`."""
    random, count = np.random.default_rng([seed, *arm.encode()]), len(images)
    labels = np.arange(count) % 7
    answered = np.where(random.random(count) < accuracy, labels, (labels + random.integers(1, 7, count)) % 7)
    probabilities = np.full((count, 7), 0.05)
    probabilities[np.arange(count), answered] = random.uniform(0.3, 0.7, count)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return {"images": images, "labels": labels, "probabilities": probabilities, "distinct": labels != 6}


def _add(
    tables: Tables,
    identity: dict[str, Any],
    config: TrialConfig,
    epochs: int,
    value: float,
    status: str,
    answers: dict[str, np.ndarray] | None = None,
    elsewhere: Mapping[str, dict[str, np.ndarray]] | None = None,
) -> None:
    rows = (
        [_epoch(number, value * number / epochs) for number in range(1, epochs + 1)] if status == "completed" else []
    )
    for row in rows:
        tables.add_epoch({"trial": identity["trial"], **row})
    test = predictions = None
    if answers is not None:
        right = answers["probabilities"].argmax(axis=1) == answers["labels"]
        distinct = float(right[answers["distinct"]].mean())
        test = {"test_accuracy": float(right.mean()), "test_loss": 1.0, "test_accuracy_distinct": distinct}
        test |= dict.fromkeys(("test_macro_f1", "test_balanced_accuracy"), float(right.mean()))
        predictions = prediction_rows(identity["trial"], *answers.values())
    worker = {"parameters": 55_000, "node": "here"}
    error = "it broke" if status == "failed" else None
    row = trial_row(identity, config.flat(), status, rows, test=test, worker=worker, error=error)
    tables.add_trial(row, predictions, elsewhere_rows(identity["trial"], elsewhere or {}))


def _epoch(number: int, value: float) -> dict[str, Any]:
    parts = {f"{part}_{name}": value for part in ("train", "val") for name in MEASURES}
    losses = {f"{part}_loss": 2 - value for part in ("train", "val")}
    return {"epoch": number, **parts, **losses, "learning_rate": 0.002, "seconds": 1.5}
