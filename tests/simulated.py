"""Studies whose truth is known: right and wrong answers drawn with the variance between seeds and images of FER2013.

Measured on the confirmation trials of `results/reference/se_placement-fer2013-quick`, 9 trainings on 3,589 test
images: accuracy 0.46; variance of an image's chance of being answered right 0.12, of its answers around that chance
0.13; the seeds' accuracies spread by 0.2 to 1.4 points, their paired differences by 0.9 to 1.7; a difference
between arms varies from image to image so that its standard error over images is up to 0.13 points. What searches
with other seeds choose differs by a point an arm (docs/performance.md, "The luck of a search").
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

IMAGES = 3_589
POPULATION = 100_000  # faces from which a study's test images are drawn
ACCURACY, IMAGE_VARIANCE = 0.46, 0.12
SEED_SPREAD = 0.06  # standard deviation of a seed's logit: about 0.9 points of accuracy
SEARCH_SPREAD = 0.07  # of what a search has chosen: a point
ARM_SPREAD = 0.35  # of an arm's logit from image to image
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(15)


@dataclass(frozen=True)
class Population:
    """Faces, with each arm's logit of answering each right, (arms, faces), and the arms' true accuracies."""

    logits: np.ndarray
    accuracies: np.ndarray


def population(random: np.random.Generator, gains: tuple[float, ...], search_spread: float = 0.0) -> Population:
    """One arm an entry of `gains`, which is added to its logits; the arms without gain differ by image only.

    search_spread: that of the searches whose winners an arm's true accuracy is the mean of.
    """
    total = ACCURACY * (1 - ACCURACY) / IMAGE_VARIANCE - 1
    chances = random.beta(ACCURACY * total, (1 - ACCURACY) * total, POPULATION)
    common = logit(np.clip(chances, 1e-6, 1 - 1e-6))
    own = random.normal(0, ARM_SPREAD, (len(gains), POPULATION))
    logits = common + own + np.array(gains)[:, None]
    # Over seeds and searches by Gauss-Hermite quadrature, over the faces exactly.
    spread = np.hypot(SEED_SPREAD, search_spread)
    accuracies = sum(
        weight * expit(logits + spread * node).mean(axis=1)
        for node, weight in zip(NODES, WEIGHTS / WEIGHTS.sum(), strict=True)
    )
    return Population(logits, accuracies)


def answers(
    random: np.random.Generator, faces: Population, seeds: int, searches: int = 1, search_spread: float = 0.0
) -> np.ndarray:
    """A study's confirmation: (arms, seeds, images), 1 where a training answers a test image right.

    The seeds of one search after those of another, as many of each.
    """
    arms = len(faces.logits)
    drawn = faces.logits[:, random.integers(0, POPULATION, IMAGES)]
    luck = random.normal(0, SEED_SPREAD, (arms, seeds, 1))
    luck += np.repeat(random.normal(0, search_spread, (arms, searches, 1)), seeds // searches, axis=1)
    chances = expit((drawn[:, None, :] + luck).astype(np.float32))
    return (random.random(chances.shape, dtype=np.float32) < chances).astype(np.float32)
