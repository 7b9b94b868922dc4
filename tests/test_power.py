"""What a plan says that it will be able to see, against the studies that say how far luck goes, and against drawn
studies.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from search_spaces.catalogue import load_space
from study.analysis.estimate import Observed, estimate
from study.analysis.findings import find
from study.plan import Plan, make_plan
from study.planning.power import FULL_SIZE, REDUCED, detectable, luck_of
from tests.conftest import ROOT

REFERENCE = ROOT / "results" / "reference"


def plan(space: str = "se_placement", **changes: Any) -> Plan:
    arguments = {"budget": "standard", "protocol": "challenge", "data_name": "fer2013"}
    return make_plan(load_space(space), **{**arguments, **changes})


def root_mean_square(values: list[float]) -> float:
    return math.sqrt(np.mean(np.square(values)))


def test_the_luck_is_that_of_the_studies_that_are_kept() -> None:
    (full,), (small,), (quarter,) = (
        find([REFERENCE / f"se_placement-fer2013-{name}"]) for name in ("full", "searches", "quarter-searches")
    )
    assert pytest.approx(full.luck.seed, abs=5e-5) == FULL_SIZE.seed
    assert pytest.approx(quarter.luck.search, abs=5e-5) == FULL_SIZE.search
    assert (pytest.approx(small.luck.seed, abs=5e-5), pytest.approx(small.luck.search, abs=5e-5)) == (
        REDUCED.seed,
        REDUCED.search,
    )
    (tuned,) = find([REFERENCE / "se_placement-fer2013-tuned"])
    for luck, found in ((FULL_SIZE, full), (REDUCED, tuned)):
        images = [math.sqrt(one.difference.image_variance) for one in found.comparisons]
        assert pytest.approx(root_mean_square(images), abs=5e-5) == luck.image


@pytest.mark.parametrize("searches", [1, 5])
def test_a_difference_of_that_size_is_found_in_four_of_five_studies(
    searches: int, random: np.random.Generator
) -> None:
    """Of three pairs of arms, after Bonferroni; the chance of the images is left out."""
    p = plan(searches=searches, seeds=4)
    luck = replace(luck_of(p), image=0.0)
    size = detectable(p, luck)
    assert size is not None
    which = np.repeat(np.arange(searches), 4) if searches > 1 else None
    found = []
    for _ in range(2000):  # whose share has a standard error of 0.009
        of_search = random.normal(0, luck.search if searches > 1 else 0, (searches, 1))
        gaps = size + of_search + random.normal(0, luck.seed, (searches, 4))
        found.append(estimate(Observed(gaps.ravel(), searches=which)).p_value < 0.05 / 3)
    assert np.mean(found) == pytest.approx(0.8, abs=0.06)


def test_more_seeds_and_more_searches_see_more() -> None:
    def size(**changes: Any) -> float:
        p = plan(**changes)
        found = detectable(p, luck_of(p))
        assert found is not None
        return found

    assert size(seeds=10) < size(seeds=5) < size(seeds=3)
    assert size(searches=10, seeds=2) < size(searches=5, seeds=2) < size(searches=3, seeds=2)
    assert size(searches=5, seeds=4) < size(searches=5, seeds=2)
    assert size(space="paper", seeds=5) < size(seeds=5), "two pairs, not three"
    assert luck_of(plan(budget="quick")) == REDUCED
    assert luck_of(plan()) == FULL_SIZE


@pytest.mark.parametrize("changes", [{"seeds": 0}, {"seeds": 1}, {"searches": 3, "seeds": 0}, {"space": "best"}])
def test_what_shows_no_spread_sees_nothing(changes: dict[str, Any]) -> None:
    assert detectable(plan(**changes), FULL_SIZE) is None


def test_one_seed_of_every_search_is_enough() -> None:
    assert detectable(plan(searches=3, seeds=1), FULL_SIZE) is not None
