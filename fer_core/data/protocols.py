"""Which images train, which choose (validation), and which are tested.

challenge  Training / PublicTest / PrivateTest, as in 2013: no tested image chooses anything.
paper      Training / all test images / the same test images, as the paper does it.
holdout    a stratified tenth of Training chooses; all test images are tested, or where there are none another
           tenth of Training. For data without the marks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fer_core.config import View
from fer_core.data.dataset import EMOTIONS, PRIVATE_TEST, PUBLIC_TEST, TRAINING, Dataset
from fer_core.errors import InputError
from fer_core.form import Form

HOLDOUT_SHARE = 0.1
# Which images a part of the training set holds is a matter of the data, not of a trial's seed.
SPLIT_SEED = 2013

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Learning:
    """What a trial may see while it learns: images and labels as in `Dataset`, and what the labels mean."""

    train_images: np.ndarray
    train_labels: np.ndarray
    val_images: np.ndarray
    val_labels: np.ndarray
    classes: tuple[str, ...] = EMOTIONS


@dataclass(frozen=True)
class Testing:
    """The test images, their rows in the data set, and which have no identical twin in Training."""

    images: np.ndarray
    labels: np.ndarray
    rows: np.ndarray
    distinct: np.ndarray


def default_protocol(dataset: Dataset) -> str:
    """`challenge` where the data carries the challenge's marks, else `holdout`."""
    usages = set(np.unique(dataset.usages).tolist())
    return "challenge" if {TRAINING, PUBLIC_TEST, PRIVATE_TEST} <= usages else "holdout"


def split(dataset: Dataset, protocol: str) -> tuple[Learning, Testing]:
    """Divide `dataset` by `protocol`. Raises InputError where a part would be empty."""
    rows = {usage: np.flatnonzero(dataset.usages == usage) for usage in range(4)}
    train, every_test = rows[TRAINING], np.flatnonzero(dataset.usages != TRAINING)
    if protocol == "challenge":
        val, test = rows[PUBLIC_TEST], rows[PRIVATE_TEST]
    elif protocol == "paper":
        val, test = every_test, every_test
    elif protocol == "holdout":
        val = train[stratified(dataset.labels[train], round(len(train) * HOLDOUT_SHARE))]
        train, test = np.setdiff1d(train, val), every_test
        if not len(test):
            test = train[stratified(dataset.labels[train], len(val))]
            train = np.setdiff1d(train, test)
    else:
        raise InputError(f"protocol {protocol}: expected challenge, paper or holdout.")
    for part, indices in {"training": train, "validation": val, "test": test}.items():
        if not len(indices):
            raise InputError(
                f"{dataset.name}: the protocol {protocol} finds no {part} images "
                f"(there are {dataset.counts()}). Try --protocol {default_protocol(dataset)}."
            )
    images, labels = dataset.images, dataset.labels
    known = np.setdiff1d(rows[TRAINING], test)
    return (
        Learning(_take(images, train), labels[train], _take(images, val), labels[val], dataset.classes),
        Testing(_take(images, test), labels[test], test, _without_twin(images, test, known)),
    )


def split_all(datasets: Mapping[Form, Dataset], protocols: Sequence[str]) -> dict[View, tuple[Learning, Testing]]:
    """One data set, read in several forms, divided by every protocol. Raises InputError as `split` does.

    Which test images have a twin is seen in the first form, so that it is the same ones whatever is compared.
    """
    parts: dict[View, tuple[Learning, Testing]] = {}
    for protocol in protocols:
        first = None
        for form, dataset in datasets.items():
            learning, testing = split(dataset, protocol)
            first = first or testing
            parts[protocol, form] = learning, replace(testing, distinct=first.distinct)
    return parts


def stratified(labels: np.ndarray, count: int | None) -> Indices:
    """Indices of `count` of `labels` (None: of all), every class keeping its share, always the same, in order."""
    if count is None or count >= len(labels):
        return np.arange(len(labels))
    order = np.random.default_rng(SPLIT_SEED).permutation(len(labels))
    exact = np.bincount(labels) * count / len(labels)
    quota = np.floor(exact).astype(int)
    quota[np.argsort(quota - exact, kind="stable")[: count - quota.sum()]] += 1  # largest remainders
    return np.sort(np.concatenate([order[labels[order] == label][:n] for label, n in enumerate(quota)]))


def _take(images: np.ndarray, rows: Indices) -> np.ndarray:
    """The images in these rows, which rise; without a copy where they follow each other, as in the CSV."""
    first, end = rows[0], rows[-1] + 1
    return images[first:end] if end - first == len(rows) else images[rows]


def _without_twin(images: np.ndarray, test: Indices, train: Indices) -> np.ndarray:
    """Of each of the rows `test`, whether no row of `train` has the same image."""
    known = {images[row].tobytes() for row in train}
    return np.array([images[row].tobytes() not in known for row in test], dtype=bool)
