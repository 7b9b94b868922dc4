"""What is wrong with a data set: counts, identical images, contradicting labels, constant images.

FER2013 is known to hold all of these. What they do to a comparison: a test image with a twin in training is
remembered rather than recognised, and one whose twins carry other labels cannot be right.
"""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fer_core.data.dataset import EMOTIONS, USAGES, Dataset
from fer_core.data.photographs import Repeated
from fer_core.features import Features
from fer_core.form import Form

# Counted on the original CSV: images by usage and class, in the order of EMOTIONS.
KNOWN_FER2013: dict[str, tuple[int, ...]] = {
    "Training": (3995, 436, 4097, 7215, 4830, 3171, 4965),
    "PublicTest": (467, 56, 496, 895, 653, 415, 607),
    "PrivateTest": (491, 55, 528, 879, 594, 416, 626),
}


@dataclass(frozen=True)
class Audit:
    """The findings. Rows are positions in the data set; a group is a set of rows whose images are identical.

    form: in which images were compared. classes: what labels stand for. counts: images by usage, then by class; under
    `all` where there are targets instead. targets: of each, by its name, the least, the mean and the largest.
    is_fer2013: whether they are those of the original.
    distinct: how many images differ. groups: every group of two or more. contradicting: those of them with more
    than one label. across: for every pair of usages, the rows of the second that have a twin in the first.
    constant: rows whose pixels are all equal. features: what the examples are where they are no images; not_finite:
    rows of them with a number that is none. unreadable: what is wrong with each file that could not be read.
    subjects: how many there are in every usage. shared: for every pair of usages, the subjects that are in both.
    Both are empty where subjects are not known. agreement: which share of an image's votes is for its label, on the
    mean; unanimous: how many images have no other votes. Both None where there are labels alone. photographs: as
    `photographs.py` finds them; None where that was not asked for.
    """

    name: str
    fingerprint: str
    images: int
    form: str
    features: Features | None
    classes: tuple[str, ...]
    counts: dict[str, dict[str, int]]
    targets: dict[str, tuple[float, float, float]]
    is_fer2013: bool
    distinct: int
    groups: list[list[int]]
    contradicting: list[list[int]]
    across: dict[str, list[int]]
    constant: list[int]
    not_finite: list[int]
    unreadable: list[str]
    subjects: dict[str, int]
    shared: dict[str, list[str]]
    agreement: float | None
    unanimous: int | None
    photographs: dict[str, list[Repeated]] | None

    def as_dict(self) -> dict[str, Any]:
        """Everything, in types that JSON knows."""
        return asdict(self)


def audit(
    dataset: Dataset, unreadable: Sequence[str] = (), photographs: dict[str, list[Repeated]] | None = None
) -> Audit:
    """Look through `dataset`: a second or two for FER2013. `unreadable`: what its reader had to leave out.
    photographs: as `photographs.py` finds them.
    """
    groups, votes = _identical(dataset.images), _votes_for_the_label(dataset)
    subjects = _subjects(dataset)
    return Audit(
        name=dataset.name,
        fingerprint=dataset.fingerprint(),
        images=len(dataset.labels),
        form=str(dataset.features or Form(dataset.images.shape[1], dataset.images.ndim == 4)),
        features=dataset.features,
        classes=dataset.classes,
        counts=_counts(dataset),
        targets=_targets(dataset),
        is_fer2013=_counts(dataset) == _named(EMOTIONS, KNOWN_FER2013),
        distinct=len(dataset.labels) - sum(len(group) - 1 for group in groups),
        groups=groups,
        contradicting=[group for group in groups if _differ(dataset, group)],
        across=_across(dataset, groups),
        constant=[] if dataset.features else _constant(dataset.images),
        not_finite=np.flatnonzero(~dataset.finite).tolist(),
        unreadable=list(unreadable),
        subjects={usage: len(people) for usage, people in subjects.items()},
        shared={
            f"{a} -> {b}": sorted(subjects[a] & subjects[b])
            for a, b in itertools.combinations(subjects, 2)
            if subjects[a] & subjects[b]
        },
        agreement=None if votes is None else float(votes.mean()),
        unanimous=None if votes is None else int((votes == 1).sum()),
        photographs=photographs,
    )


def _votes_for_the_label(dataset: Dataset) -> np.ndarray | None:
    """(n,): their share; None where there are no votes."""
    if dataset.distributions is None:
        return None
    return dataset.distributions[np.arange(len(dataset.labels)), dataset.labels]


def _differ(dataset: Dataset, group: list[int]) -> bool:
    """Whether these images have several labels, or targets."""
    known = dataset.labels if dataset.targets is None else dataset.targets
    return len(np.unique(known[group], axis=0)) > 1


def _targets(dataset: Dataset) -> dict[str, tuple[float, float, float]]:
    if dataset.targets is None:
        return {}
    columns = zip(dataset.classes, dataset.targets.T.astype(float), strict=True)
    return {name: (float(column.min()), float(column.mean()), float(column.max())) for name, column in columns}


def _constant(images: np.ndarray) -> list[int]:
    return np.flatnonzero((np.ptp(images, axis=(1, 2)) == 0).reshape(len(images), -1).all(1)).tolist()


def _subjects(dataset: Dataset) -> dict[str, set[str]]:
    """Who is in every usage that has images."""
    if dataset.subjects is None:
        return {}
    return {
        usage: set(dataset.subjects[dataset.usages == code].tolist())
        for code, usage in enumerate(USAGES)
        if (dataset.usages == code).any()
    }


def _counts(dataset: Dataset) -> dict[str, dict[str, int]]:
    classes = dataset.classes if dataset.targets is None else ("all",)
    by_usage = {
        usage: np.bincount(dataset.labels[dataset.usages == code], minlength=len(classes)).tolist()
        for code, usage in enumerate(USAGES)
    }
    return _named(classes, {usage: tuple(counts) for usage, counts in by_usage.items() if any(counts)})


def _named(classes: tuple[str, ...], counts: dict[str, tuple[int, ...]]) -> dict[str, dict[str, int]]:
    return {usage: dict(zip(classes, numbers, strict=True)) for usage, numbers in counts.items()}


def _identical(images: np.ndarray) -> list[list[int]]:
    rows: dict[bytes, list[int]] = {}
    for row, image in enumerate(images):
        rows.setdefault(image.tobytes(), []).append(row)
    return [group for group in rows.values() if len(group) > 1]


def _across(dataset: Dataset, groups: list[list[int]]) -> dict[str, list[int]]:
    """Rows of a later usage with a twin in an earlier one, under `Training -> PublicTest` and the like."""
    found: dict[tuple[int, int], list[int]] = {}
    for group in groups:
        usages = Counter(dataset.usages[group].tolist())
        for row in group:
            later = int(dataset.usages[row])
            for earlier in usages:
                if earlier < later:
                    found.setdefault((earlier, later), []).append(row)
    return {f"{USAGES[a]} -> {USAGES[b]}": sorted(rows) for (a, b), rows in sorted(found.items())}
