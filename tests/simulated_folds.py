"""Studies in folds whose truth is known: drawn people, and networks of one random layer that are tuned and trained.

As in a study, every fold is tested by networks that were tuned on the next one and trained on the others, over
several seeds. Two arms, with layers of two sizes. A second is worth some fifteen studies.

Other data shows other people from another source: everything about them is shifted. All networks are tested on it.
"""

from collections.abc import Sequence

import numpy as np

CLASSES, FEATURES = 6, 12
CENTRES = np.random.default_rng(0).normal(0, 0.55, (CLASSES, FEATURES))
SOURCE = np.random.default_rng(9).normal(0, 0.35, FEATURES)  # by which the other data is shifted
OTHER_IMAGES = 6  # of each of its people
UNITS = (30, 60)  # of the arms' layers
PENALTIES = (0.3, 3.0, 30.0, 300.0)  # what is tuned
People = tuple[np.ndarray, np.ndarray, np.ndarray]


def people(random: np.random.Generator, count: int, each: int) -> People:
    """Images (n, features), labels and people (n,). A person differs from others, and differently in every class."""
    labels, who = random.integers(0, CLASSES, count * each), np.repeat(np.arange(count), each)
    person = random.normal(0, 0.6, (count, FEATURES))
    style = random.normal(0, 0.5, (count, CLASSES, FEATURES))
    images = CENTRES[labels] + person[who] + style[who, labels] + random.normal(0, 0.8, (len(who), FEATURES))
    return images, labels, who


def study(random: np.random.Generator, count: int, each: int, folds: int, seeds: int) -> np.ndarray:
    """Accuracies (arms, seeds, folds); `folds` divides `count`, the number of people."""
    images, labels, who = people(random, count, each)
    fold = (random.permutation(count) % folds)[who]
    found = np.zeros((len(UNITS), seeds, folds))
    for arm, units in enumerate(UNITS):
        for part in range(folds):
            test, val = fold == part, fold == (part + 1) % folds
            train = ~test & ~val
            tuned = _accuracies(random, units, (images[train], labels[train]), (images[val], labels[val]))
            for seed in range(seeds):
                tested = _accuracies(random, units, (images[train], labels[train]), (images[test], labels[test]))
                found[arm, seed, part] = tested[tuned.argmax()]
    return found


def study_elsewhere(
    random: np.random.Generator, count: int, each: int, folds: int, seeds: int, others: int
) -> np.ndarray:
    """Accuracies on other data, person by person (arms, folds * seeds, others), of the networks of such a study."""
    images, labels, who = people(random, count, each)
    there, labels_there, _ = people(random, others, OTHER_IMAGES)
    fold = (random.permutation(count) % folds)[who]
    found = np.zeros((len(UNITS), folds * seeds, others))
    for arm, units in enumerate(UNITS):
        for row in range(folds * seeds):
            part, first = row // seeds, row % seeds == 0
            val = fold == (part + 1) % folds
            train = (fold != part) & ~val
            if first:
                tuned = _accuracies(random, units, (images[train], labels[train]), (images[val], labels[val]))
            chosen = PENALTIES[tuned.argmax()]
            (right,) = _right(random, units, (images[train], labels[train]), (there + SOURCE, labels_there), [chosen])
            found[arm, row] = right.reshape(others, OTHER_IMAGES).mean(axis=1)
    return found


Labelled = tuple[np.ndarray, np.ndarray]


def _accuracies(random: np.random.Generator, units: int, train: Labelled, other: Labelled) -> np.ndarray:
    """On `other`, by penalty."""
    return _right(random, units, train, other).mean(axis=1)


def _right(
    random: np.random.Generator,
    units: int,
    train: Labelled,
    other: Labelled,
    penalties: Sequence[float] = PENALTIES,
) -> np.ndarray:
    """Which images of `other`, by penalty, a random layer with a ridge regression on top gets right."""
    weights, bias = random.normal(size=(FEATURES, units)), random.normal(size=units)
    hidden, there = (np.maximum(images @ weights + bias, 0) for images in (train[0], other[0]))
    square, cross = hidden.T @ hidden, hidden.T @ np.eye(CLASSES)[train[1]]
    solutions = [np.linalg.solve(square + penalty * np.eye(units), cross) for penalty in penalties]
    return np.array([(there @ solution).argmax(axis=1) == other[1] for solution in solutions])
