"""The interval over seeds and test images against independent computations."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.anova import anova_lm

from study.analysis.estimate import Estimate, Observed, estimate


def test_without_answers_by_image_it_is_the_t_interval_over_seeds() -> None:
    gains = np.array([0.01, 0.02, 0.03, 0.01])
    got = estimate(Observed(gains))
    test = stats.ttest_1samp(gains, 0.0)
    expected = test.confidence_interval(0.95)
    assert (got.low, got.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert got.p_value == pytest.approx(test.pvalue)
    assert not got.over_images


def test_the_variance_components_are_those_of_a_two_way_analysis_of_variance(random: np.random.Generator) -> None:
    seeds, images = 4, 30
    table = random.normal(size=(seeds, 1)) + 2 * random.normal(size=(1, images)) + random.normal(size=(seeds, images))
    got = estimate(Observed(table.mean(axis=1), table))
    rows = pd.DataFrame(
        {"y": table.ravel(), "seed": np.repeat(np.arange(seeds), images), "image": np.tile(np.arange(images), seeds)}
    )
    squares = anova_lm(smf.ols("y ~ C(seed) + C(image)", rows).fit())
    mean_square = squares["sum_sq"] / squares["df"]
    assert got.repeat_variance == pytest.approx(mean_square["C(seed)"] / (seeds * images))
    of_images = (mean_square["C(image)"] - mean_square["Residual"]) / (seeds * images)
    assert got.image_variance == pytest.approx(of_images)
    assert got.standard_error == pytest.approx(np.sqrt(got.repeat_variance + of_images))


@given(st.integers(2, 8), st.floats(1e-9, 1e-3), st.floats(0, 1e-3))
def test_an_interval_is_no_narrower_than_over_seeds_alone_and_no_wider_than_students(
    k: int, a: float, b: float
) -> None:
    alone, both = Estimate(0.0, k, a, 0.0), Estimate(0.0, k, a, b)
    normal, student = stats.norm.ppf(0.975), stats.t.ppf(0.975, k - 1)
    assert normal * both.standard_error <= both.margin() * (1 + 1e-9)
    assert alone.margin() <= both.margin() * (1 + 1e-9)
    assert both.margin() <= student * both.standard_error * (1 + 1e-9)


def test_p_and_interval_agree_on_zero(random: np.random.Generator) -> None:
    for _ in range(50):
        table = random.normal(0.25, 1, size=(4, 20)) + random.normal(size=(4, 1)) / 5
        got = estimate(Observed(table.mean(axis=1), table))
        assert (got.p_value < 0.05) == (not got.low <= 0 <= got.high)


@pytest.mark.parametrize("seeds", [0, 1])
def test_fewer_than_two_seeds_decide_nothing(seeds: int) -> None:
    got = estimate(Observed(np.full(seeds, 0.9), np.ones((seeds, 5))))
    assert got.seeds == seeds
    assert (got.margin(), got.p_value, got.detectable()) == (np.inf, 1.0, np.inf)


@given(st.integers(1, 4), st.integers(2, 8), st.floats(-0.03, 0.03), st.floats(1e-7, 1e-4), st.floats(0, 1e-4))
def test_a_further_look_asks_for_a_square_times_smaller_error(
    looks: int, k: int, value: float, a: float, b: float
) -> None:
    once, now = Estimate(value, k, a, b), Estimate(value, k, a, b, looks=looks)
    assert now.p_value == min(1.0, looks**2 * once.p_value)
    assert now.margin() == once.margin(1 - 0.05 / looks**2)
    assert (now.p_value < 0.05) == (not now.low <= 0 <= now.high)


def test_a_seed_without_a_value_does_not_count() -> None:
    got = estimate(Observed(np.array([0.5, np.nan, 0.7])))
    assert (got.seeds, got.value) == (2, pytest.approx(0.6))


def test_equal_seeds_with_equal_answers_have_no_spread() -> None:
    got = estimate(Observed(np.array([0.5, 0.5]), np.full((2, 4), 0.5)))
    assert (got.low, got.high, got.p_value) == (0.5, 0.5, 0.0)


def test_where_searches_are_repeated_it_is_the_interval_over_their_means(random: np.random.Generator) -> None:
    searches, each, images = 5, 3, 40
    of_search = np.repeat(random.normal(0.3, 0.1, (searches, 1)), each, axis=0)
    table = of_search + random.normal(0, 0.1, (searches * each, 1)) + random.normal(size=(searches * each, images))
    which = np.repeat(np.arange(searches), each)
    got = estimate(Observed(table.mean(axis=1), table, which))
    means = table.reshape(searches, each, images).mean(axis=1)
    alone = estimate(Observed(means.mean(axis=1), means))
    assert (got.low, got.high, got.p_value) == pytest.approx((alone.low, alone.high, alone.p_value))
    assert (got.seeds, got.searches, got.repeats, got.unit) == (15, 5, 5, "search")
    assert (alone.seeds, alone.searches, alone.repeats, alone.unit) == (5, None, 5, "seed")


@pytest.mark.parametrize("sizes", [(3, 3, 3, 3), (4, 2, 3, 1)], ids=["balanced", "unbalanced"])
def test_the_luck_of_seeds_and_searches_is_that_of_an_analysis_of_variance(
    sizes: tuple[int, ...], random: np.random.Generator
) -> None:
    """The F test compares the same two mean squares."""
    parts = [random.normal(random.normal(0, 0.02), 0.01, size) for size in sizes]
    values, which = np.concatenate(parts), np.repeat(np.arange(len(sizes)), sizes)
    got = estimate(Observed(values, searches=which))
    within = sum(((part - part.mean()) ** 2).sum() for part in parts) / (len(values) - len(parts))
    assert got.seed_sd == pytest.approx(np.sqrt(within))
    ratio = stats.f_oneway(*parts).statistic
    a_search = (len(values) - sum(size**2 for size in sizes) / len(values)) / (len(sizes) - 1)
    assert got.search_sd == pytest.approx(np.sqrt(max(0, ratio - 1) * within / a_search))
    shuffled = random.permutation(len(values))
    assert estimate(Observed(values[shuffled], searches=which[shuffled])).search_sd == pytest.approx(got.search_sd)


def test_the_luck_that_cannot_be_told_is_not_said() -> None:
    one_seed_each = estimate(Observed(np.array([0.5, 0.6, 0.7]), searches=np.arange(3)))
    assert np.isnan(one_seed_each.seed_sd)
    assert np.isnan(one_seed_each.search_sd)
    assert one_seed_each.repeats == 3
    one_search = estimate(Observed(np.array([0.5, 0.6, 0.7])))
    assert one_search.seed_sd == pytest.approx(0.1)
    assert np.isnan(one_search.search_sd)


def test_a_search_without_a_value_does_not_count() -> None:
    values = np.array([0.5, np.nan, np.nan, 0.7, 0.8, 0.9])
    got = estimate(Observed(values, searches=np.array([0, 0, 1, 1, 2, 2])))
    assert (got.seeds, got.searches, got.value) == (4, 3, pytest.approx((0.5 + 0.7 + 0.85) / 3))


def test_a_study_finds_its_detectable_difference_in_four_of_five_cases(random: np.random.Generator) -> None:
    seeds, spread = 5, 0.01
    planned = Estimate(0.0, seeds, spread**2 / seeds, 0.0)
    effect = planned.detectable()
    found = [
        estimate(Observed(random.normal(effect, spread, seeds))).p_value < 0.05
        for _ in range(2000)  # whose share has a standard error of 0.009
    ]
    assert np.mean(found) == pytest.approx(0.8, abs=0.05)


def test_the_seeds_named_are_the_fewest_that_bring_the_margin_of_the_next_look() -> None:
    got = Estimate(0.004, 3, 3e-5, 1e-6)
    enough = got.repeats_until(0.004)
    assert enough is not None

    def margin(seeds: int) -> float:
        return Estimate(0.004, seeds, 3e-5 * 3 / seeds, 1e-6, looks=2).margin()

    assert margin(enough) <= 0.004 < margin(enough - 1)


def test_no_number_of_seeds_outweighs_too_few_images() -> None:
    assert Estimate(0.001, 3, 1e-5, 1e-5).repeats_until(0.001) is None
