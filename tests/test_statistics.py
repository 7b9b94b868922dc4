"""Estimates, differences and verdicts against computations by hand."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy import stats

from search_spaces.catalogue import load_space
from study.plan import make_plan
from study.statistics import Difference, claim_verdict, compare, confirmed, difference, estimate_arm
from study.summary import print_summary, verdict_line


def by_seed(*values: float) -> pd.Series:
    return pd.Series(values, index=range(len(values)), dtype=float)


def test_a_difference_is_the_paired_t_interval() -> None:
    arm, baseline = by_seed(0.70, 0.68, 0.71), by_seed(0.69, 0.66, 0.68)
    got = difference("block", "none", arm, baseline)
    gains = np.array([0.01, 0.02, 0.03])
    margin = stats.t.ppf(0.975, 2) * gains.std(ddof=1) / np.sqrt(3)
    assert got.mean == pytest.approx(0.02)
    assert (got.low, got.high) == (pytest.approx(0.02 - margin), pytest.approx(0.02 + margin))
    assert got.verdict == "undecided"


def test_only_seeds_that_both_arms_have_are_paired() -> None:
    got = difference("block", "none", by_seed(0.7, 0.8), by_seed(0.6, 0.6, 0.1))
    assert got.seeds == 2
    assert got.mean == pytest.approx(0.15)


def test_one_seed_decides_nothing() -> None:
    got = difference("block", "none", by_seed(0.9), by_seed(0.1))
    assert (got.low, got.high, got.verdict) == (-np.inf, np.inf, "undecided")


def test_every_pair_is_compared_with_the_earlier_arm_as_the_baseline() -> None:
    got = compare({"none": by_seed(0.6, 0.61), "block": by_seed(0.7, 0.72), "conv": by_seed(0.8, 0.83)})
    assert [(d.baseline, d.arm) for d in got] == [("none", "block"), ("none", "conv"), ("block", "conv")]


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.002, 0.015, "replicated"),
        (-0.001, 0.02, "undecided"),
        (-0.01, 0.008, "contradicted"),
        (0.001, 0.008, "contradicted"),  # a gain, but a smaller one than the paper's
        (0.02, 0.04, "undecided"),  # a gain beyond the paper's: not its claim
    ],
)
def test_the_claim_is_judged_by_fixed_rules(low: float, high: float, verdict: str) -> None:
    assert claim_verdict(Difference("block", "none", 5, (low + high) / 2, low, high)) == verdict


TRIALS = pd.DataFrame(
    [
        ("aa-1", "none", "search", 1, "completed", 4, 0.50, np.nan),
        ("bb-1", "none", "search", 1, "pruned", 2, 0.40, np.nan),
        ("aa-7", "none", "confirm", 7, "completed", 4, 0.51, 0.60),
        ("aa-8", "none", "confirm", 8, "completed", 4, 0.52, 0.64),
        ("bb-7", "none", "confirm", 7, "completed", 4, 0.52, 0.99),  # of a winner before the study grew
        ("aa-9", "none", "confirm", 9, "failed", 0, np.nan, np.nan),
    ],
    columns=["trial", "arm", "phase", "seed", "status", "epochs", "val_accuracy", "test_accuracy"],
).assign(test_accuracy_distinct=lambda trials: trials["test_accuracy"] - 0.01)


def test_an_arm_is_summarised_from_the_confirmation_of_its_winner() -> None:
    assert confirmed(TRIALS, "none", "aa").to_dict() == {7: 0.60, 8: 0.64}
    got = estimate_arm(TRIALS, "none", "aa")
    assert (got.search_trials, got.search_epochs, got.validation, got.seeds) == (2, 6, 0.50, 2)
    assert got.test == pytest.approx(0.62)
    assert got.test_accuracy_distinct == pytest.approx(0.61)
    assert got.test_spread == pytest.approx(np.std([0.60, 0.64], ddof=1))


@pytest.mark.parametrize("data", ["synthetic", "fer2013"])
def test_the_verdict_says_what_the_data_were(data: str) -> None:
    plan = make_plan(load_space("se_placement"), budget="quick", protocol="challenge", data_name=data)
    differences = [
        Difference("block", "none", 3, 0.05, 0.04, 0.06),
        Difference("conv", "none", 3, 0.0, -0.01, 0.01),
    ]
    line = verdict_line(plan, differences, data)
    assert line.startswith("Verdict: block is better than none")
    assert ("drawn faces: they say nothing of FER2013" in line) == (data == "synthetic")
    assert ("+1.03 points" in line) == (data == "fer2013")
    assert ("at this reduced scale" in line) == (data == "fer2013")


def test_the_closing_table_names_the_data_and_every_arm(request: pytest.FixtureRequest) -> None:
    plan = make_plan(load_space("se_placement"), budget="quick", protocol="challenge", data_name="synthetic")
    out = io.StringIO()
    tuned = {f"config.{name}": 0.1 for name in plan.space.nuisance}
    trials = TRIALS.assign(**tuned, **{"config.data.protocol": "challenge"})
    winners = {"none": "aa", "block": None, "conv": None}
    predictions = pd.DataFrame(columns=["trial", "image", "label", "predicted"])
    print_summary(Console(file=out, width=140), plan, trials, predictions, winners, "synthetic")
    text = out.getvalue()
    assert "se_placement on synthetic" in text
    assert "62.00 %" in text
    assert "61.00 %" in text
    for arm in ("none", "block", "conv"):
        assert arm in text
