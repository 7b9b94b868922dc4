"""What a plan will be able to see: how far luck moves a difference between two arms, and what is left to find."""

from dataclasses import dataclass
from math import comb

from study.analysis.estimate import Estimate, over_folds
from study.plan import Plan
from study.planning.cost import FER2013


@dataclass(frozen=True)
class KnownLuck:
    """Standard deviations of a difference in test accuracy between two arms, as fractions, at a scale in words.

    seed: between seeds of the same two winners. search: between searches, beyond that. image: over all test images.
    """

    scale: str
    seed: float
    search: float
    image: float


# On FER2013, space `se_placement`, root mean squares over its three pairs of arms (`tests/test_power.py` computes
# them anew): at full size from results/reference/se_placement-fer2013-full, where searches were not repeated, so that
# theirs are those of se_placement-fer2013-quarter-searches; at a small scale from se_placement-fer2013-searches, the
# images' from se_placement-fer2013-tuned.
FULL_SIZE = KnownLuck("at full size", seed=0.0096, search=0.0065, image=0.0019)
REDUCED = KnownLuck("at a small scale", seed=0.0148, search=0.0240, image=0.0007)


def luck_of(plan: Plan) -> KnownLuck:
    """What is known of it at the plan's scale."""
    reduced = plan.base.model.width < 1 or plan.base.data.train_images is not None
    return REDUCED if reduced else FULL_SIZE


def detectable(plan: Plan, luck: KnownLuck, tested: int = FER2013.tested, looks: int = 1) -> float | None:
    """The smallest true difference between two arms, a fraction, that the study finds in four of five cases. tested:
    on how many images, in a fold where there are folds. looks: how often the study will have been answered.

    With one search of every arm between their winners, with several between the arms as tuned; corrected for all
    pairs that are compared. None where fewer than two seeds or searches show no spread, or nothing is compared.
    """
    searches = plan.searches if plan.searches > 1 else None
    pairs = sum(comb(len(group), 2) for group in plan.space.comparable())
    seeds = plan.seeds * plan.searches
    if not pairs or not seeds or (searches or seeds) < 2:
        return None
    variance = luck.seed**2 / seeds + (luck.search**2 / searches if searches else 0.0)
    of_images = luck.image**2 * FER2013.tested / tested
    if plan.folds is not None:
        variance = over_folds(plan.folds * variance + of_images, plan.folds)
        return Estimate(0.0, plan.seeds, variance, 0.0, folds=plan.folds, looks=looks).detectable(pairs)
    return Estimate(0.0, seeds, variance, of_images, searches=searches, looks=looks).detectable(pairs)
