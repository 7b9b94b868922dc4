"""Which images train, which choose (validation), and which are tested.

challenge  Training / PublicTest / PrivateTest, as in 2013: no tested image chooses anything.
paper      Training / all test images / the same test images, as the paper does it.
holdout    a stratified tenth of Training chooses; all test images are tested, or where there are none another
           tenth of Training. For data without the marks. Where subjects are known, these tenths are of subjects:
           nobody is in two of them.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fer_core.config import View
from fer_core.data.dataset import EMOTIONS, PRIVATE_TEST, PUBLIC_TEST, TRAINING, Dataset, Listing
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
    """The test images, their rows in the data set, which have no identical twin in Training, and whom they show if
    that is known.
    """

    images: np.ndarray
    labels: np.ndarray
    rows: np.ndarray
    distinct: np.ndarray
    subjects: np.ndarray | None = None


def default_protocol(data: Dataset | Listing) -> str:
    """`challenge` where the data carries the challenge's marks, else `holdout`."""
    usages = set(np.unique(data.usages).tolist())
    return "challenge" if {TRAINING, PUBLIC_TEST, PRIVATE_TEST} <= usages else "holdout"


def split(dataset: Dataset, protocol: str) -> tuple[Learning, Testing]:
    """Divide `dataset` by `protocol`. Raises InputError where a part would be empty."""
    train, val, test = _rows(dataset.listing, protocol)
    images, labels, subjects = dataset.images, dataset.labels, dataset.subjects
    known = np.setdiff1d(np.flatnonzero(dataset.usages == TRAINING), test)
    return (
        Learning(_take(images, train), labels[train], _take(images, val), labels[val], dataset.classes),
        Testing(
            _take(images, test),
            labels[test],
            test,
            _without_twin(images, test, known),
            None if subjects is None else subjects[test],
        ),
    )


def images_by_part(data: Listing, protocol: str) -> dict[str, int]:
    """How many images `train`, `validate` and are `tested`. Raises InputError as `split` does."""
    return dict(zip(("train", "validate", "tested"), map(len, _rows(data, protocol)), strict=True))


def subjects_by_part(data: Listing, protocol: str) -> dict[str, int]:
    """How many subjects `train`, `validate` and are `tested`, and how many of these are `known`, as they train or
    validate, too; nothing where subjects are not known. Where the test images validate, as in `paper`, who only does
    that does not count.
    """
    if data.subjects is None:
        return {}
    train, val, test = (np.unique(data.subjects[rows]) for rows in _rows(data, protocol))
    learning = train if protocol == "paper" else np.union1d(train, val)
    return {
        "train": len(train),
        "validate": len(val),
        "tested": len(test),
        "known": len(np.intersect1d(learning, test)),
    }


def _rows(data: Listing, protocol: str) -> tuple[Indices, Indices, Indices]:
    """The rows that train, validate and are tested."""
    rows = {usage: np.flatnonzero(data.usages == usage) for usage in range(4)}
    train, every_test = rows[TRAINING], np.flatnonzero(data.usages != TRAINING)
    if protocol == "challenge":
        val, test = rows[PUBLIC_TEST], rows[PRIVATE_TEST]
    elif protocol == "paper":
        val, test = every_test, every_test
    elif protocol == "holdout":
        val, *tested = _tenths(data, train, 1 if len(every_test) else 2)
        test = tested[0] if tested else every_test
        train = np.setdiff1d(train, np.concatenate([val, test]))
    else:
        raise InputError(f"protocol {protocol}: expected challenge, paper or holdout.")
    for part, indices in {"training": train, "validation": val, "test": test}.items():
        if not len(indices):
            raise InputError(
                f"{data.name}: the protocol {protocol} finds no {part} images "
                f"(there are {data.counts()}). Try --protocol {default_protocol(data)}."
            )
    return train, val, test


def _tenths(data: Listing, rows: Indices, count: int) -> list[Indices]:
    """So many stratified tenths of `rows`, without common images, and without common subjects where those are known.

    Raises InputError where there are too few subjects.
    """
    if data.subjects is not None:
        return _tenths_of_subjects(data.labels[rows], data.subjects[rows], rows, count)
    size, found = round(len(rows) * HOLDOUT_SHARE), []
    for _ in range(count):
        found.append(rows[stratified(data.labels[rows], size)])
        rows = np.setdiff1d(rows, found[-1])
    return found


def _tenths_of_subjects(labels: np.ndarray, subjects: np.ndarray, rows: Indices, count: int) -> list[Indices]:
    """A tenth is a subject where there are fewer than ten."""
    from sklearn.model_selection import StratifiedGroupKFold

    people = len(np.unique(subjects))
    if people <= count:
        raise InputError(f"{people} subjects among the training images, the protocol holdout needs {count + 1}.")
    parts = max(count + 1, min(round(1 / HOLDOUT_SHARE), people, int(np.bincount(labels).max())))
    folds = StratifiedGroupKFold(parts, shuffle=True, random_state=SPLIT_SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with fewer images than there are parts
        return [rows[fold] for _, (_, fold) in zip(range(count), folds.split(labels, labels, subjects), strict=False)]


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
