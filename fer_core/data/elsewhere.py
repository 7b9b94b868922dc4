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
    of the data's own, and in any fold, so that it is the same ones whatever is compared. Raises InputError as
    `rows_elsewhere` does.
    """
    first, (learning, _) = next(iter(parts.items()))
    tested = {
        (name, form): _testing(other, learning.classes)
        for name, forms in others.items()
        for form, other in forms.items()
    }
    distinct: dict[tuple[str, str], np.ndarray] = {}
    for view, (learning, _) in parts.items():
        for name in others if view.form == first.form else ():
            seen = without_twin(tested[name, view.form].images, learning.train_images)
            distinct[name, view.protocol] = seen & distinct.get((name, view.protocol), True)
    found: dict[View, tuple[Learning, Testing]] = {}
    for view, (learning, testing) in parts.items():
        here = {name: replace(tested[name, view.form], distinct=distinct[name, view.protocol]) for name in others}
        found[view] = learning, replace(testing, elsewhere=here)
    return found


def _testing(other: Dataset, classes: Sequence[str]) -> Testing:
    """What is tested of `other`, as if nothing of it was known."""
    rows, places = rows_elsewhere(other, classes), shared_classes(classes, other.classes)
    return Testing(
        other.images[rows],
        np.array([places[label] for label in other.labels[rows].tolist()], np.uint8),
        rows,
        np.ones(len(rows), bool),
        None if other.subjects is None else other.subjects[rows],
    )
