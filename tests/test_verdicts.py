"""The rules by which a difference becomes a verdict."""

from dataclasses import replace

import pytest

from study.analysis.estimate import Estimate
from study.analysis.verdicts import claim_verdict, verdict


def with_interval(value: float, margin: float, seeds: int = 5) -> Estimate:
    """An estimate with that margin, over seeds alone."""
    unit = Estimate(value, seeds, 1.0, 0.0).margin()
    return Estimate(value, seeds, (margin / unit) ** 2, 0.0)


@pytest.mark.parametrize(
    ("value", "margin", "p", "expected"),
    [
        (0.02, 0.01, 0.01, "better"),
        (-0.02, 0.01, 0.01, "worse"),
        (0.001, 0.004, 0.6, "no difference larger than 0.50 points"),
        (-0.0033, 0.0050, 0.2, "no difference larger than 0.83 points"),
        (0.0, 0.0103, 1.0, "no difference larger than 1.03 points"),
        (0.002, 0.001, 0.01, "better"),  # small, but there
        (0.0, 0.05, 1.0, "undecided: about 94 more seeds would decide"),
        (0.02, 0.021, 0.06, "undecided: about 3 more seeds would decide"),
    ],
)
def test_a_difference_is_judged_by_fixed_rules(value: float, margin: float, p: float, expected: str) -> None:
    assert verdict(with_interval(value, margin), p, comparisons=1) == expected


def test_the_seeds_that_would_decide_do_if_the_estimate_stays() -> None:
    before = with_interval(0.02, 0.03)
    assert verdict(before, before.p_value, 1) == "undecided: about 8 more seeds would decide"
    after = Estimate(before.value, 13, before.repeat_variance * 5 / 13, 0.0, looks=2)
    assert verdict(after, after.p_value, 1) == "better"


def test_one_seed_asks_for_another() -> None:
    one = Estimate(0.02, 1, float("nan"), float("nan"))
    assert verdict(one, 1.0, 1) == "undecided: 1 more seed at least would show any spread"


def test_where_searches_were_repeated_more_of_them_would_decide() -> None:
    seeds = with_interval(0.02, 0.03)
    before = replace(seeds, seeds=2 * seeds.seeds, searches=seeds.seeds)
    assert verdict(before, before.p_value, 1) == "undecided: about 8 more searches would decide"
    after = replace(before, searches=13, repeat_variance=before.repeat_variance * 5 / 13, looks=2)
    assert verdict(after, after.p_value, 1) == "better"
    one = replace(before, searches=1)
    assert verdict(one, 1.0, 1) == "undecided: 1 more search at least would show any spread"


def test_images_that_decide_nothing_are_said_to() -> None:
    loud = Estimate(0.002, 5, 1e-5, 1e-4)
    assert verdict(loud, 0.8, 1) == "undecided: no number of seeds would decide on this test set"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.002, 0.015, "replicated"),
        (-0.001, 0.02, "undecided"),
        (-0.01, 0.008, "contradicted"),
        (0.001, 0.008, "contradicted"),  # a gain, but a smaller one than the paper's
        (0.02, 0.04, "exceeded"),
    ],
)
def test_the_claim_is_judged_by_fixed_rules(low: float, high: float, expected: str) -> None:
    assert claim_verdict(with_interval((low + high) / 2, (high - low) / 2)) == expected
