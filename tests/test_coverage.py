"""Simulated studies with a known truth: intervals cover it as often as they say, and equal arms are rarely told
apart.

A thousand studies each here; `make test-statistics` runs ten thousand.
"""

import gc
import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from study.analysis.comparisons import Comparison, judged
from study.analysis.estimate import Estimate, Observed, estimate
from tests import simulated_folds
from tests.simulated import SEARCH_SPREAD, answers, population

STUDIES = int(os.environ.get("FER_STUDY_SIMULATIONS", "1000"))
SEEDS = (3, 5, 10)
MOST_LOOKS, MOST_SEEDS = 5, 30
GAIN = 0.06  # of the logit: 0.7 points of accuracy


def difference(arm: np.ndarray, baseline: np.ndarray) -> Estimate:
    return estimate(observed(arm).minus(observed(baseline)))


def observed(table: np.ndarray) -> Observed:
    """table: (seeds, images)."""
    return Observed(table.mean(axis=1), table)


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    """statsmodels collects garbage at every correction: 50 ms, unless what stands here already is left out. Threads
    that share matrices this small wait for each other, and beside other tests for long.
    """
    gc.freeze()
    with threadpool_limits(1):
        yield
    gc.unfreeze()


@pytest.mark.parametrize("seeds", SEEDS)
def test_intervals_cover_the_truth_in_93_to_97_per_cent(seeds: int) -> None:
    random = np.random.default_rng(seeds)
    faces = population(random, (0.0, GAIN))
    truth, gain = faces.accuracies[0], faces.accuracies[1] - faces.accuracies[0]
    of_arm, of_difference = [], []
    for _ in range(STUDIES):
        baseline, arm = answers(random, faces, seeds)
        alone, both = estimate(observed(baseline)), difference(arm, baseline)
        of_arm.append(alone.low <= truth <= alone.high)
        of_difference.append(both.low <= gain <= both.high)
    print(f"{seeds} seeds, {STUDIES} studies: arms {np.mean(of_arm):.3f}, differences {np.mean(of_difference):.3f}")
    assert 0.93 <= np.mean(of_arm) <= 0.97
    assert 0.93 <= np.mean(of_difference) <= 0.97


@pytest.mark.parametrize("searches", [3, 5, 10])
def test_intervals_over_searches_cover_what_tuning_is_worth(searches: int) -> None:
    """Each with two seeds. As many seeds of one search, whose intervals are over seeds, cover it much less often."""
    random = np.random.default_rng(200 + searches)
    faces = population(random, (0.0, GAIN), SEARCH_SPREAD)
    gain, seeds = faces.accuracies[1] - faces.accuracies[0], 2 * searches
    which = np.repeat(np.arange(searches), 2)
    of_searches, of_one = [], []
    for _ in range(STUDIES):
        baseline, arm = answers(random, faces, seeds, searches, SEARCH_SPREAD)
        several = estimate(replace(observed(arm).minus(observed(baseline)), searches=which))
        of_searches.append(several.low <= gain <= several.high)
        baseline, arm = answers(random, faces, seeds, 1, SEARCH_SPREAD)
        one = difference(arm, baseline)
        of_one.append(one.low <= gain <= one.high)
    print(f"{searches} searches, {STUDIES} studies: {np.mean(of_searches):.3f}; one search: {np.mean(of_one):.3f}")
    assert 0.93 <= np.mean(of_searches) <= 0.97
    assert np.mean(of_one) < 0.85


@pytest.mark.parametrize(
    ("people", "each", "folds", "seeds"), [(30, 15, 5, 3), (10, 21, 10, 3), (30, 15, 30, 1), (100, 8, 10, 3)]
)
def test_intervals_over_folds_cover_an_arm_and_are_wide_for_a_difference(
    people: int, each: int, folds: int, seeds: int
) -> None:
    """A tenth as many studies: every one trains networks. An arm's covers as it says, without the correction less."""
    random = np.random.default_rng(300 + people)
    studies = [simulated_folds.study(random, people, each, folds, seeds) for _ in range(STUDIES // 10)]
    of_arm, plain = _coverage([study[1] for study in studies])
    of_difference, plain_difference = _coverage([study[1] - study[0] for study in studies])
    print(
        f"{people} people in {folds} folds, {len(studies)} studies: arms {of_arm:.3f}, differences "
        f"{of_difference:.3f}; with V / K alone {plain:.3f}, {plain_difference:.3f}"
    )
    assert of_arm >= 0.95 - 2.5 * np.sqrt(0.95 * 0.05 / len(studies))
    assert of_difference >= 0.95
    assert plain < of_arm


@pytest.mark.parametrize(
    ("people", "each", "folds", "others"),
    [(30, 15, 5, 100), (100, 8, 10, 100), (30, 15, 10, 300)],
)
def test_intervals_on_other_data_cover_a_difference_of_networks_of_folds(
    people: int, each: int, folds: int, others: int
) -> None:
    """An arm's cover less the more is owed to who trained, which folds share; without the correction far less."""
    random, seeds = np.random.default_rng(400 + people + others), 3
    count = STUDIES // 10
    studies = [simulated_folds.study_elsewhere(random, people, each, folds, seeds, others) for _ in range(count)]
    arms, plain = _coverage_elsewhere([study[1] for study in studies], folds)
    differences, plain_difference = _coverage_elsewhere([study[1] - study[0] for study in studies], folds)
    print(
        f"{people} people in {folds} folds, {others} others, {count} studies: arms {arms:.3f}, differences "
        f"{differences:.3f}; with V / K alone {plain:.3f}, {plain_difference:.3f}"
    )
    assert differences >= 0.95


def _coverage_elsewhere(tables: list[np.ndarray], folds: int) -> tuple[float, float]:
    """As `_coverage`. tables: by network and person, the networks of a fold one after the other."""
    truth = np.mean(tables)
    groups = np.repeat(np.arange(folds), len(tables[0]) // folds)
    seen = [Observed(table.mean(axis=1), table, searches=groups, few_units=True) for table in tables]
    held = [
        [one.low <= truth <= one.high for one in map(estimate, every)]
        for every in ([replace(one, in_folds=True) for one in seen], seen)
    ]
    return float(np.mean(held[0])), float(np.mean(held[1]))


def _coverage(tables: list[np.ndarray]) -> tuple[float, float]:
    """How often intervals hold the mean of all, and how often without the correction. tables: (seeds, folds) each."""
    truth = np.mean(tables)
    found = [estimate(Observed(table.mean(axis=1), table, folds=True)) for table in tables]
    folds = tables[0].shape[1]
    plain = np.sqrt((1 / folds) / (1 / folds + 1 / (folds - 1)))
    off = np.array([abs(one.value - truth) for one in found])
    margins = np.array([one.margin() for one in found])
    return float(np.mean(off <= margins)), float(np.mean(off <= plain * margins))


@pytest.mark.parametrize(("arms", "seeds"), [(2, 3), (3, 5)])
def test_a_study_that_is_given_the_seeds_its_report_asks_for_tells_equal_arms_apart_in_at_most_8_per_cent(
    arms: int, seeds: int
) -> None:
    """Until two arms are told apart, or nothing is undecided, up to five times. Were every look taken for the first,
    it would be in nearly twice as many. Half as many studies, as each is several.
    """
    random = np.random.default_rng(500 + arms)
    faces, count = population(random, (0.0,) * arms), STUDIES // 2
    tables = (answers(random, faces, MOST_SEEDS) for _ in range(count))
    found = [[_grown(table, seeds, counted) for counted in (True, False)] for table in tables]
    as_looked, as_first = np.mean(found, axis=0)
    print(f"{arms} arms, {seeds} seeds, {count} studies: {as_looked:.3f}; every look a first: {as_first:.3f}")
    most = 0.05 * np.pi**2 / 6
    assert as_looked <= most + 2 * np.sqrt(most * (1 - most) / count)
    assert as_first > most


def _grown(table: np.ndarray, seeds: int, counted: bool) -> bool:
    """Whether a study that begins with so many seeds tells two equal arms apart. table: (arms, seeds, images), of all
    that there may be. counted: whether it counts its looks.
    """
    for look in range(1, MOST_LOOKS + 1):
        pairs = [
            Comparison(str(b), str(a), "accuracy", {"accuracy": estimate(gap, look if counted else 1)}, {})
            for a, b in itertools.combinations(range(len(table)), 2)
            for gap in [observed(table[b, :seeds]).minus(observed(table[a, :seeds]))]
        ]
        verdicts = [one.verdict for one in judged(pairs)]
        if not {"better", "worse"}.isdisjoint(verdicts):
            return True
        more = [int(told[1]) for text in verdicts if (told := re.search(r"about (\d+) more seed", text))]
        if not more or seeds == MOST_SEEDS:
            return False
        seeds = min(seeds + min(more), MOST_SEEDS)
    return False


@pytest.mark.parametrize("seeds", SEEDS)
def test_a_study_of_three_equal_arms_calls_one_better_in_at_most_5_per_cent(seeds: int) -> None:
    """Better or worse together are held to 5 % as well, up to two standard errors of the simulation."""
    random = np.random.default_rng(100 + seeds)
    faces = population(random, (0.0, 0.0, 0.0))
    called = []
    for _ in range(STUDIES):
        arms = answers(random, faces, seeds)
        pairs = [
            Comparison(str(b), str(a), "accuracy", {"accuracy": difference(arms[b], arms[a])}, {})
            for a, b in itertools.combinations(range(3), 2)
        ]
        called.append({one.verdict for one in judged(pairs)})
    better = np.mean(["better" in verdicts for verdicts in called])
    either = np.mean([not verdicts.isdisjoint(("better", "worse")) for verdicts in called])
    print(f"{seeds} seeds, {STUDIES} studies: better in {better:.3f}, better or worse in {either:.3f}")
    assert better <= 0.05
    assert either <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / STUDIES)
