"""Importances from a table of trials."""

import numpy as np
import pandas as pd
import pytest

from study.analysis.importance import FEWEST, importances

NAMES = ("train.learning_rate", "augment.shift", "model.se_reduction", "train.optimizer")


def search(random: np.random.Generator, count: int) -> pd.DataFrame:
    """Trials whose validation follows from the learning rate alone, best in the middle of its logarithmic scale."""
    rate = np.exp(random.uniform(np.log(1e-4), np.log(1e-2), count))
    return pd.DataFrame(
        {
            "status": "completed",
            "val_accuracy": 0.6 - 0.1 * np.abs(np.log10(rate) + 3),
            "config.train.learning_rate": rate,
            "config.augment.shift": random.uniform(0, 0.2, count),
            "config.model.se_reduction": random.choice([2, 4, 8, 16], count),
            "config.train.optimizer": random.choice(["adam", "sgd"], count),
        }
    )


def test_what_decides_gets_the_largest_share(random: np.random.Generator) -> None:
    shares = importances(search(random, 200), NAMES, ["train.learning_rate"], "accuracy")
    assert shares is not None
    assert next(iter(shares)) == "train.learning_rate"
    assert shares["train.learning_rate"] > 0.8
    assert sum(shares.values()) == pytest.approx(1)
    assert set(shares) == set(NAMES)


def test_too_few_completed_trials_say_nothing(random: np.random.Generator) -> None:
    trials = search(random, 2 * FEWEST)
    trials.loc[:FEWEST, "status"] = "pruned"
    assert importances(trials, NAMES, [], "accuracy") is None


def test_a_setting_that_only_some_trials_have_is_left_out(random: np.random.Generator) -> None:
    trials = search(random, 50)
    trials.loc[::2, "config.model.se_reduction"] = np.nan
    shares = importances(trials, NAMES, [], "accuracy")
    assert shares is not None
    assert "model.se_reduction" not in shares
