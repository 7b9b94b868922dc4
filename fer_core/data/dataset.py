"""Images or features, labels and usages in memory, the same whatever they were read from."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from fer_core.features import Features, features_of

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")  # of FER2013

# Usages, as in the 2013 challenge. `TEST` is a test image that its source does not give to either half.
TRAINING, PUBLIC_TEST, PRIVATE_TEST, TEST = range(4)
USAGES = ("Training", "PublicTest", "PrivateTest", "Test")
# What parts of a data set are usually called.
SPLITS = {"train": TRAINING, "validation": PUBLIC_TEST, "valid": PUBLIC_TEST, "val": PUBLIC_TEST, "test": TEST}


def in_halves(usages: np.ndarray) -> np.ndarray:
    """`usages` with the test images as PrivateTest where others validate, as PublicTest did in the challenge."""
    return np.where(usages == TEST, PRIVATE_TEST, usages) if (usages == PUBLIC_TEST).any() else usages


@dataclass(frozen=True)
class Listing:
    """What is known of labelled images before any of them is decoded; the parts are those of `Dataset`.

    features: what the examples are where they are no images.
    """

    name: str
    labels: np.ndarray
    usages: np.ndarray
    classes: tuple[str, ...] = EMOTIONS
    subjects: np.ndarray | None = None
    distributions: np.ndarray | None = None
    features: Features | None = None
    targets: np.ndarray | None = None

    @property
    def target_names(self) -> tuple[str, ...]:
        """What the targets are of; nothing where there are labels."""
        return () if self.targets is None else self.classes

    def counts(self) -> dict[str, int]:
        """Images by usage, leaving out the usages that have none."""
        return {
            usage: count for code, usage in enumerate(USAGES) if (count := int(np.count_nonzero(self.usages == code)))
        }

    def with_images(self, images: np.ndarray, good: np.ndarray | None = None) -> "Dataset":
        """The data set of these `images`, without those that are not `good`, (n,) bool."""
        if good is not None and not good.all():
            return self.only(good).with_images(images[good])
        known = (self.classes, self.subjects, self.distributions, self.targets)
        return Dataset(self.name, images, self.labels, self.usages, *known)

    def only(self, good: np.ndarray) -> "Listing":
        """Those of the images that are `good`, (n,) bool."""
        known = (self.subjects, self.distributions, self.targets)
        subjects, distributions, targets = (None if of is None else of[good] for of in known)
        labels, usages = self.labels[good], self.usages[good]
        return Listing(self.name, labels, usages, self.classes, subjects, distributions, self.features, targets)


@dataclass(frozen=True)
class Dataset:
    """Labelled images, all in one `Form`, or other examples, which go through everything that is not about seeing
    as images do, and under their name.

    name: short, for folders and tables ("synthetic" for the drawn faces, and for nothing else).
    images: (n, side, side) uint8 in grey, (n, side, side, 3) in colour; of FER2013 as the paper has it, (n, 48, 48).
    Of what are no images (n, *shape) numbers, or texts (n,).
    labels: (n,) uint8, an index into `classes`. usages: (n,) uint8, into USAGES.
    subjects: (n,) str, who each image shows; None where that is not known.
    distributions: (n, classes) float32, which share of its annotators' votes each class has, of sum 1; None where
    only labels are known.
    targets: (n, k) float32, numbers to be learned in the place of labels, such as valence and arousal: then all
    labels are 0, and `classes` says what each of the k is of. None where there are labels.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    usages: np.ndarray
    classes: tuple[str, ...] = EMOTIONS
    subjects: np.ndarray | None = None
    distributions: np.ndarray | None = None
    targets: np.ndarray | None = None

    @property
    def listing(self) -> Listing:
        known = (self.classes, self.subjects, self.distributions, self.features, self.targets)
        return Listing(self.name, self.labels, self.usages, *known)

    @property
    def features(self) -> Features | None:
        """What the examples are; None where they are images."""
        return features_of(self.images.shape, self.images.dtype)

    @property
    def finite(self) -> np.ndarray:
        """(n,) bool: of which examples all numbers are finite, as those of all images are."""
        if self.images.dtype.kind != "f":
            return np.ones(len(self.images), bool)
        return np.isfinite(self.images).reshape(len(self.images), -1).all(axis=1)

    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits of the images with their labels or targets, usages and subjects, whatever their
        order.
        """
        subjects = np.full(len(self.labels), "") if self.subjects is None else self.subjects
        targets = np.empty((len(self.labels), 0)) if self.targets is None else self.targets
        rows = zip(self.images, self.labels, self.usages, subjects, targets, strict=True)
        return _digest(
            image.tobytes() + bytes((label, usage)) + subject.encode() + numbers.tobytes()
            for image, label, usage, subject, numbers in rows
        )

    def votes_fingerprint(self) -> str | None:
        """The same of the images with their distributions; None where these are not known."""
        if self.distributions is None:
            return None
        rows = zip(self.images, self.distributions, strict=True)
        return _digest(image.tobytes() + shares.tobytes() for image, shares in rows)

    def counts(self) -> dict[str, int]:
        """Images by usage, leaving out the usages that have none."""
        return self.listing.counts()


def _digest(rows: Iterable[bytes]) -> str:
    digests = sorted(hashlib.blake2b(row, digest_size=16).digest() for row in rows)
    return hashlib.sha256(b"".join(digests)).hexdigest()[:16]
