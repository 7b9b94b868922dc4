"""Drawn faces whose brows, eyes and mouth follow the emotion: data for a first run, not FER2013.

Every face is a set of soft shapes on a 48 x 48 grid, drawn for a batch of faces at once. An emotion moves
the features from their neutral place by an intensity that is often small, so that the classes overlap as
real ones do; pose, light, occlusion and noise vary from face to face.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fer_core.data.dataset import PRIVATE_TEST, PUBLIC_TEST, TRAINING, Dataset, Listing
from fer_core.data.image import bring_all
from fer_core.form import PAPERS, Form

NAME = "synthetic"
SIZES = {TRAINING: 2400, PUBLIC_TEST: 600, PRIVATE_TEST: 600}
SIDE = PAPERS.side
SEED = 48
FACES_AT_ONCE = 600
ANNOTATORS = 10

Data = TypeVar("Data", Dataset, Listing)
Array = NDArray[Any]  # float32, except where NumPy widens in between
Number = Array | float | np.floating
Uniform = Callable[[float, float], Array]

# The classes' shares of FER2013's training images, in its order of classes.
SHARES = np.array([0.139, 0.015, 0.143, 0.251, 0.168, 0.111, 0.173])


@dataclass(frozen=True)
class Features:
    """Where the parts of the faces stand: each (n, 1, 1); lengths in half sides of the image, angles in radians."""

    brow_height: Array  # above the resting place
    brow_slant: Array  # inner ends down is positive
    eye_open: Array
    mouth_curve: Array  # corners up is positive
    mouth_open: Array
    mouth_width: Array
    nose_wrinkle: Array


#            brow height, slant, eye open, mouth curve, open, width, nose wrinkle
NEUTRAL = np.array([0.00, 0.00, 0.085, 0.00, 0.010, 0.26, 0.0])
EXPRESSIONS = np.array(
    [
        [-0.07, 0.60, 0.075, -0.07, 0.020, 0.25, 0.3],  # angry
        [-0.06, 0.25, 0.045, -0.09, 0.045, 0.20, 1.2],  # disgust
        [0.08, -0.45, 0.135, -0.04, 0.075, 0.24, 0.0],  # fear
        [0.02, 0.00, 0.060, 0.19, 0.050, 0.38, 0.1],  # happy
        [0.00, -0.45, 0.055, -0.16, 0.008, 0.23, 0.0],  # sad
        [0.13, -0.05, 0.150, 0.00, 0.170, 0.18, 0.0],  # surprise
        NEUTRAL,
    ]
)
# How far one person's features stand from the average one's.
SPREAD = np.array([0.025, 0.13, 0.015, 0.032, 0.012, 0.025, 0.15])


def synthetic_faces(sizes: dict[int, int] | None = None, seed: int = SEED, form: Form = PAPERS) -> Dataset:
    """Draw the faces from `seed`: `sizes` gives how many for each usage (default: 2,400, 600 and 600).

    They are drawn in the paper's form and then brought to `form`.
    """
    sizes = SIZES if sizes is None else sizes
    usages = np.repeat(np.array(list(sizes), np.uint8), list(sizes.values()))
    random = np.random.default_rng(seed)
    labels = np.concatenate([_labels(count, random) for count in sizes.values()])
    batches = [labels[i : i + FACES_AT_ONCE] for i in range(0, len(labels), FACES_AT_ONCE)]
    images = np.concatenate([_draw(batch, random) for batch in batches])
    return Dataset(NAME, bring_all(images, form), labels, usages)


def list_faces() -> Listing:
    """What `synthetic_faces` draws if it is not told what."""
    random, usages = np.random.default_rng(SEED), np.repeat(np.array(list(SIZES), np.uint8), list(SIZES.values()))
    return Listing(NAME, np.concatenate([_labels(count, random) for count in SIZES.values()]), usages)


def with_votes(faces: Data) -> Data:
    """`faces` with ten votes each that are drawn, too: up to four for one other class, whatever the face."""
    labels, random = faces.labels, np.random.default_rng((SEED, ANNOTATORS))
    others = (labels + random.integers(1, len(SHARES), len(labels))) % len(SHARES)
    dissent = random.integers(0, (ANNOTATORS + 1) // 2, (len(labels), 1))
    classes = np.eye(len(SHARES), dtype=np.float32)
    votes = (ANNOTATORS - dissent) * classes[labels] + dissent * classes[others]
    return replace(faces, distributions=(votes / ANNOTATORS).astype(np.float32))


def _labels(count: int, random: np.random.Generator) -> np.ndarray:
    """Labels in FER2013's shares, every class at least once where `count` allows it."""
    labels = random.choice(len(SHARES), size=count, p=SHARES / SHARES.sum())
    labels[: min(count, len(SHARES))] = np.arange(min(count, len(SHARES)))
    return random.permutation(labels).astype(np.uint8)


def _features(labels: np.ndarray, random: np.random.Generator) -> Features:
    intensity = random.beta(3.0, 1.2, size=(len(labels), 1))
    place = NEUTRAL + intensity * (EXPRESSIONS[labels] - NEUTRAL) + SPREAD * random.normal(size=(len(labels), 7))
    lowest = np.array([-1, -1, 0.015, -1, 0.004, 0.12, 0.0])
    return Features(*(column[:, None, None].astype(np.float32) for column in np.maximum(place, lowest).T))


def _draw(labels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """(n, 48, 48) uint8 faces for `labels`."""
    n = len(labels)

    def uniform(low: float, high: float) -> Array:
        return random.uniform(low, high, (n, 1, 1)).astype(np.float32)

    features = _features(labels, random)
    x, y = _posed_grid(n, uniform)
    skin, ground, dark = uniform(0.5, 0.85), uniform(0.1, 0.75), uniform(0.08, 0.3)
    aspect = uniform(0.62, 0.76)

    image = np.broadcast_to(ground, (n, SIDE, SIDE)).copy()
    image = _over(image, dark, _ellipse(x, y + 0.12, aspect + 0.1, 0.97))  # hair
    image = _over(image, skin, _ellipse(x, y - 0.02, aspect, 0.88))
    image = _over(image, dark, _ellipse(x, y + 0.95, 1.0, uniform(0.25, 0.45)))  # fringe

    eye_x, eye_y, eye_width = uniform(0.26, 0.34), uniform(-0.20, -0.12), uniform(0.11, 0.15)
    for side in (-1, 1):
        across = x - side * eye_x
        open_eye = _ellipse(across, y - eye_y, eye_width, features.eye_open)
        image = _over(image, np.float32(0.95), open_eye)
        iris = _ellipse(across - uniform(-0.03, 0.03), y - eye_y, 0.055, np.minimum(features.eye_open, 0.075))
        image = _over(image, dark * 0.5, iris)
        brow_y = eye_y - 0.20 - features.brow_height - side * features.brow_slant * across
        brow = _stroke(y - brow_y, 0.035) * _within(across, 0.17)
        image = _over(image, dark, brow)

    nose = _stroke(x - 0.05 * np.sin(4 * y), 0.03) * _within(y - 0.07, 0.14)
    image = _over(image, skin * 0.75, nose * 0.6)
    wrinkles = _stroke(np.abs(y - 0.02) - 0.06, 0.018) * _within(x, 0.13)
    image = _over(image, skin * 0.55, wrinkles * np.clip(features.nose_wrinkle, 0, 1))

    mouth_y = uniform(0.42, 0.52)
    line = mouth_y + features.mouth_curve * (0.5 - (x / features.mouth_width) ** 2)
    lips = _soft(features.mouth_open + 0.035 - np.abs(y - line)) * _within(x, features.mouth_width)
    inside = _soft(features.mouth_open - np.abs(y - line)) * _within(x, features.mouth_width * 0.85)
    image = _over(image, skin * 0.6, lips)
    image = _over(image, uniform(0.05, 0.9), inside)

    image = _lit(_occluded(image, random, uniform), x, y, uniform)
    image += uniform(0.01, 0.05) * random.normal(size=image.shape).astype(np.float32)
    return (np.clip(image, 0, 1) * 255).round().astype(np.uint8)


def _posed_grid(n: int, uniform: Uniform) -> tuple[Array, Array]:
    """The face's own coordinates at every pixel: shifted, turned and scaled at random, (n, 48, 48) each."""
    ticks = np.linspace(-1, 1, SIDE, dtype=np.float32)
    grid_x = np.broadcast_to(ticks[None, None, :], (n, SIDE, SIDE)) - uniform(-0.07, 0.07)
    grid_y = np.broadcast_to(ticks[None, :, None], (n, SIDE, SIDE)) - uniform(-0.07, 0.07)
    turn, scale = uniform(-0.12, 0.12), uniform(0.95, 1.15)
    x = (np.cos(turn) * grid_x + np.sin(turn) * grid_y) / (scale * uniform(0.95, 1.05))
    y = (-np.sin(turn) * grid_x + np.cos(turn) * grid_y) / scale
    return x, y


def _lit(image: Array, x: Array, y: Array, uniform: Uniform) -> Array:
    """Light from a side, then another exposure."""
    angle, strength = uniform(-np.pi, np.pi), uniform(0.0, 0.35)
    light = 1 + strength * (np.cos(angle) * x + np.sin(angle) * y)
    return np.clip(image * light, 0, 1) ** uniform(0.8, 1.3)


def _occluded(image: Array, random: np.random.Generator, uniform: Uniform) -> Array:
    """A bar of one grey, a hand or a caption, over a third of the faces."""
    n = len(image)
    ticks = np.linspace(-1, 1, SIDE, dtype=np.float32)
    turned = (random.uniform(size=(n, 1, 1)) < 0.5).astype(np.float32)
    along = turned * ticks[None, None, :] + (1 - turned) * ticks[None, :, None]
    bar = _within(along - uniform(-1, 1), 0.09) * (random.uniform(size=(n, 1, 1)) < 0.25)
    return _over(image, uniform(0, 1), bar)


def _soft(inside: Array) -> Array:
    """1 where `inside` is well above zero, 0 well below, with an edge of about a pixel."""
    return 1 / (1 + np.exp(np.clip(-inside * 60, -30, 30)))


def _ellipse(x: Array, y: Array, half_width: Number, half_height: Number) -> Array:
    radius = np.sqrt((x / half_width) ** 2 + (y / half_height) ** 2)
    return _soft((1 - radius) * np.minimum(half_width, half_height))


def _stroke(distance: Array, half_width: float) -> Array:
    return _soft(half_width - np.abs(distance))


def _within(position: Array, half_width: Number) -> Array:
    return _soft(half_width - np.abs(position))


def _over(image: Array, grey: Number, cover: Array) -> Array:
    """Paint `grey` on `image` where `cover` says, from 0 to 1."""
    return image * (1 - cover) + grey * cover
