"""Other data that trained networks are tested on, by the classes that both data sets have (cross-dataset tests).

A network knows the data it was trained on: how its faces were found, lit and labelled. What it makes of another data
set says how much of what it learned is of faces. Of that one nothing trains and nothing chooses, so that its test
images are tested, and all of its images where none are marked as such.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fer_core.config import View
from fer_core.data.classes import emotion
from fer_core.data.dataset import PRIVATE_TEST, TEST, Dataset, Listing
from fer_core.data.protocols import Learning, Testing, without_twin
from fer_core.errors import InputError
from fer_core.form import Form

LEAST_CLASSES = 2


def shared_classes(trained: Sequence[str], other: Sequence[str]) -> dict[int, int]:
    """Of every one of the `other` classes that is one of the `trained`, too, its place there: `Happiness` is `happy`,
    a number only itself.
    """
    places = {_meaning(name): place for place, name in enumerate(trained)}
    found = ((label, places.get(_meaning(name))) for label, name in enumerate(other))
    return {label: place for label, place in found if place is not None}


def _meaning(name: str) -> str:
    return name if name.isdecimal() else emotion(name) or name.casefold()


def rows_elsewhere(other: Dataset | Listing, trained: Sequence[str]) -> np.ndarray:
    """The rows of `other` that networks of the `trained` classes are tested on, rising.

    Raises InputError where these are of fewer than two classes.
    """
    marked = np.isin(other.usages, (PRIVATE_TEST, TEST))
    tested = marked if marked.any() else np.ones(len(other.labels), bool)
    rows = np.flatnonzero(tested & np.isin(other.labels, list(shared_classes(trained, other.classes))))
    if len(np.unique(other.labels[rows])) < LEAST_CLASSES:
        raise InputError(
            f"--also-test {other.name}: its images are of {', '.join(other.classes)}, those that train of "
            f"{', '.join(trained)}. Expected at least {LEAST_CLASSES} classes that both have."
        )
    return rows


def with_elsewhere(
    parts: Mapping[View, tuple[Learning, Testing]], others: Mapping[str, Mapping[Form, Dataset]]
) -> dict[View, tuple[Learning, Testing]]:
    """The `parts` of the data that trains, with what is tested of the `others`, by their names, in every view.

    Its labels are those of the classes that train. Which images have a twin in training is seen in the first form, as
    of the data's own. Raises InputError as `rows_elsewhere` does.
    """
    found: dict[View, tuple[Learning, Testing]] = {}
    distinct: dict[tuple[str, str], np.ndarray] = {}
    for view, (learning, testing) in parts.items():
        elsewhere = {name: _testing(forms[view.form], learning) for name, forms in others.items()}
        for name, one in elsewhere.items():
            known = distinct.setdefault((name, view.protocol), one.distinct)
            elsewhere[name] = replace(one, distinct=known)
        found[view] = learning, replace(testing, elsewhere=elsewhere)
    return found


def _testing(other: Dataset, learning: Learning) -> Testing:
    rows, places = rows_elsewhere(other, learning.classes), shared_classes(learning.classes, other.classes)
    images = other.images[rows]
    return Testing(
        images,
        np.array([places[label] for label in other.labels[rows].tolist()], np.uint8),
        rows,
        without_twin(images, learning.train_images),
        None if other.subjects is None else other.subjects[rows],
    )
