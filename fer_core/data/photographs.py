"""Photographs that are in two parts of a data set, pixel for pixel or in another crop, size or brightness."""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fer_core.data.dataset import TRAINING, USAGES, Dataset
from fer_core.data.likeness import SAME_PHOTOGRAPH, likeness
from fer_core.errors import InputError


class Repeated(NamedTuple):
    """An image of a later part, by its row, the one most like it in an earlier part, and whether they agree."""

    row: int
    earlier: int
    likeness: float
    same_label: bool


def photographs(
    dataset: Dataset, advance: Callable[[int], object] = lambda compared: None
) -> dict[str, list[Repeated]]:
    """For every pair of usages, under `Training -> PublicTest` and the like, the images of the second that show a
    photograph of the first, too.

    `advance` hears of every further number of pairs of images that was compared, of `comparisons` in all.
    """
    found = {}
    for earlier, later in itertools.combinations(_parts(dataset).items(), 2):
        (first, there), (second, here) = earlier, later
        alike = likeness(dataset.images[here], dataset.images[there], advance)
        same = alike.values >= SAME_PHOTOGRAPH
        rows, most_like = here[same], there[alike.others[same]]
        agree = dataset.labels[rows] == dataset.labels[most_like]
        columns = (column.tolist() for column in (rows, most_like, alike.values[same], agree))
        found[f"{first} -> {second}"] = [Repeated(*cells) for cells in zip(*columns, strict=True)]
    return found


def without_photographs(dataset: Dataset, advance: Callable[[int], object] = lambda compared: None) -> Dataset:
    """The data set without those images of Training that show a photograph of another part.

    Training images are held against the others, then the others against what is left of them, over and over, until
    `photographs` finds none in Training. `advance` hears as in `photographs`; a minute for FER2013. Raises InputError
    where none of Training is left.
    """
    training = dataset.usages == TRAINING
    others, kept = dataset.images[~training], np.ones(len(training), bool)
    kept[training] = likeness(dataset.images[training], others, advance).values < SAME_PHOTOGRAPH
    while True:
        left = np.flatnonzero(training & kept)
        if not len(left):
            raise InputError(f"{dataset.name}: every image of Training shows a photograph of another part.")
        alike = likeness(others, dataset.images[left], advance)
        again = left[alike.others[alike.values >= SAME_PHOTOGRAPH]]
        if not len(again):
            return dataset.listing.with_images(dataset.images, kept)
        kept[again] = False


def comparisons(dataset: Dataset) -> int:
    """How many pairs of images `photographs` compares."""
    return sum(len(a) * len(b) for a, b in itertools.combinations(_parts(dataset).values(), 2))


def _parts(dataset: Dataset) -> dict[str, np.ndarray]:
    """The rows of every usage that has images."""
    rows = {usage: np.flatnonzero(dataset.usages == code) for code, usage in enumerate(USAGES)}
    return {usage: at for usage, at in rows.items() if len(at)}
