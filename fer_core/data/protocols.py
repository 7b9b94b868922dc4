"""Which images train, which choose (validation), and which are tested.

challenge  Training / PublicTest / PrivateTest, as in 2013: no tested image chooses anything.
paper      Training / all test images / the same test images, as the paper does it.
holdout    a stratified tenth of Training chooses; all test images are tested, or where there are none another
           tenth of Training. For data without the marks. Where subjects are known, these tenths are of subjects:
           nobody is in two of them.
folds      all images, whatever part of the data they came in, are divided into stratified parts, of subjects where
           those are known; one part is tested, the next tenth of them, one at least, chooses, the others train. A
           study goes through all of them, so that every image is tested once.
"""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fer_core.config import FOLDS, Fold, View
from fer_core.data.dataset import EMOTIONS, PRIVATE_TEST, PUBLIC_TEST, TRAINING, Dataset, Listing
from fer_core.errors import InputError
from fer_core.features import Features, features_of
from fer_core.form import Form

if TYPE_CHECKING:
    from sklearn.model_selection import BaseCrossValidator

HOLDOUT_SHARE = 0.1
# Which images a part of the training set holds is a matter of the data, not of a trial's seed.
SPLIT_SEED = 2013

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Learning:
    """What a trial may see while it learns: images, labels, distributions and targets as in `Dataset`, and what these
    mean.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    val_images: np.ndarray
    val_labels: np.ndarray
    classes: tuple[str, ...] = EMOTIONS
    train_distributions: np.ndarray | None = None
    train_targets: np.ndarray | None = None
    val_targets: np.ndarray | None = None

    @property
    def features(self) -> Features | None:
        """What the examples are; None where they are images."""
        return features_of(self.train_images.shape, self.train_images.dtype)

    @property
    def towards(self) -> np.ndarray:
        """What a trainer of one's own learns of the images that train: targets where there are any, else labels."""
        return self.train_labels if self.train_targets is None else self.train_targets

    @property
    def val_towards(self) -> np.ndarray:
        """The same of those that validate."""
        return self.val_labels if self.val_targets is None else self.val_targets


@dataclass(frozen=True)
class Testing:
    """The test images, their rows in the data set, which have no identical twin in Training, and whom they show if
    that is known. elsewhere: the same of other data that is tested, too, by its name. targets: as in `Dataset`.
    """

    images: np.ndarray
    labels: np.ndarray
    rows: np.ndarray
    distinct: np.ndarray
    subjects: np.ndarray | None = None
    elsewhere: Mapping[str, "Testing"] = field(default_factory=dict)
    targets: np.ndarray | None = None

    @property
    def towards(self) -> np.ndarray:
        """What is true of each image: its targets where there are any, else its label."""
        return self.labels if self.targets is None else self.targets


def default_protocol(data: Dataset | Listing) -> str:
    """`challenge` where the data carries the challenge's marks, else `holdout`."""
    usages = set(np.unique(data.usages).tolist())
    return "challenge" if {TRAINING, PUBLIC_TEST, PRIVATE_TEST} <= usages else "holdout"


def split(dataset: Dataset, protocol: str, fold: Fold | None = None) -> tuple[Learning, Testing]:
    """Divide `dataset` by `protocol`; fold: which part is tested, in the protocol FOLDS.

    Raises InputError where a part would be empty.
    """
    train, val, test = _rows(dataset.listing, protocol, fold)
    images, labels = dataset.images, dataset.labels
    known = _known(dataset.listing, test, fold)
    return (
        Learning(
            _take(images, train),
            labels[train],
            _take(images, val),
            labels[val],
            dataset.classes,
            _of(dataset.distributions, train),
            _of(dataset.targets, train),
            _of(dataset.targets, val),
        ),
        Testing(
            _take(images, test),
            labels[test],
            test,
            without_twin(images[test], (images[row] for row in known)),
            _of(dataset.subjects, test),
            targets=_of(dataset.targets, test),
        ),
    )


def known_and_tested(data: Listing, protocol: str, fold: Fold | None = None) -> tuple[Indices, Indices]:
    """The rows that are given to learn from, all of Training that is not tested or of the other folds, and those that
    are tested. Raises InputError as `split` does.
    """
    *_, test = _rows(data, protocol, fold)
    return _known(data, test, fold), test


def _known(data: Listing, test: Indices, fold: Fold | None) -> Indices:
    given = np.arange(len(data.labels)) if fold else np.flatnonzero(data.usages == TRAINING)
    return np.setdiff1d(given, test)


def images_by_part(data: Listing, protocol: str, fold: Fold | None = None) -> dict[str, int]:
    """How many images `train`, `validate` and are `tested`. Raises InputError as `split` does."""
    return dict(zip(("train", "validate", "tested"), map(len, _rows(data, protocol, fold)), strict=True))


def subjects_by_part(data: Listing, protocol: str, fold: Fold | None = None) -> dict[str, int]:
    """How many subjects `train`, `validate` and are `tested`, and how many of these are `known`, as they train or
    validate, too; nothing where subjects are not known. Where the test images validate, as in `paper`, who only does
    that does not count. In the protocol FOLDS all are tested, in so many `folds`.
    """
    if data.subjects is None:
        return {}
    if fold is not None:
        return {"tested": len(np.unique(data.subjects)), "known": 0, "folds": fold.of}
    train, val, test = (np.unique(data.subjects[rows]) for rows in _rows(data, protocol, fold))
    learning = train if protocol == "paper" else np.union1d(train, val)
    return {
        "train": len(train),
        "validate": len(val),
        "tested": len(test),
        "known": len(np.intersect1d(learning, test)),
    }


def _rows(data: Listing, protocol: str, fold: Fold | None = None) -> tuple[Indices, Indices, Indices]:
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
    elif protocol == FOLDS:
        assert fold is not None
        every = folds(data, fold.of)
        following = (fold.number + 1 + np.arange(choosing_folds(fold.of))) % fold.of
        test, val = every[fold.number], np.sort(np.concatenate([every[part] for part in following]))
        train = np.setdiff1d(np.arange(len(data.labels)), np.concatenate([val, test]))
    else:
        raise InputError(f"protocol {protocol}: expected challenge, paper, holdout or {FOLDS}.")
    for part, indices in {"training": train, "validation": val, "test": test}.items():
        if not len(indices):
            found = ", ".join(f"{count:,} {usage}" for usage, count in data.counts().items())
            other = default_protocol(data)
            hint = "" if other == protocol else f" Try --protocol {other}."
            raise InputError(
                f"{data.name}: the protocol {protocol} finds no {part} images (there are {found}).{hint}"
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
    splitter = StratifiedGroupKFold(parts, shuffle=True, random_state=SPLIT_SEED)
    return [rows[part] for part in _parts(splitter, labels, subjects)[:count]]


def choosing_folds(count: int) -> int:
    """How many of so many folds choose: a tenth, one at least."""
    return max(1, round(count * HOLDOUT_SHARE))


def folds(data: Listing, count: int) -> list[Indices]:
    """All rows in so many stratified parts, without common subjects where those are known; of as many parts as
    subjects each is one subject. Raises InputError where there are too few of either, or of images of any class.
    """
    from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold, StratifiedKFold

    if data.subjects is not None and (people := len(np.unique(data.subjects))) <= count:
        if people < count:
            raise InputError(f"{data.name}: {count} folds of {people} subjects; at most {people} can be had.")
        return _parts(LeaveOneGroupOut(), data.labels, data.subjects)
    if count > (most := int(np.bincount(data.labels).max(initial=0))):
        raise InputError(f"{data.name}: {count} folds of classes with at most {most} images.")
    kind = StratifiedKFold if data.subjects is None else StratifiedGroupKFold
    found = _parts(kind(count, shuffle=True, random_state=SPLIT_SEED), data.labels, data.subjects)
    if not all(map(len, found)):
        raise InputError(f"{data.name}: its subjects cannot be divided into {count} folds alike; try fewer.")
    return found


def _parts(splitter: "BaseCrossValidator", labels: np.ndarray, subjects: np.ndarray | None) -> list[Indices]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with fewer images than there are parts
        return [part for _, part in splitter.split(labels, labels, subjects)]


def split_all(datasets: Mapping[Form, Dataset], views: Iterable[View]) -> dict[View, tuple[Learning, Testing]]:
    """One data set, read in several forms, in every one of the `views`. Raises InputError as `split` does.

    Which test images have a twin is seen in the first form, so that it is the same ones whatever is compared.
    """
    parts: dict[View, tuple[Learning, Testing]] = {}
    distinct: dict[tuple[str, Fold | None], np.ndarray] = {}
    for view in views:
        learning, testing = split(datasets[view.form], view.protocol, view.fold)
        seen = distinct.setdefault((view.protocol, view.fold), testing.distinct)
        parts[view] = learning, replace(testing, distinct=seen)
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


def _of(known: np.ndarray | None, rows: Indices) -> np.ndarray | None:
    return None if known is None else known[rows]


def _take(images: np.ndarray, rows: Indices) -> np.ndarray:
    """The images in these rows, which rise; without a copy where they follow each other, as in the CSV."""
    first, end = rows[0], rows[-1] + 1
    return images[first:end] if end - first == len(rows) else images[rows]


def without_twin(images: Iterable[np.ndarray], learned: Iterable[np.ndarray]) -> np.ndarray:
    """Of each of the `images`, whether none of those that were `learned` from is the same, (n,) bool."""
    known = {image.tobytes() for image in learned}
    return np.array([image.tobytes() not in known for image in images], dtype=bool)
