"""Images or features as NumPy arrays in one .npz file, under the names of Keras' data sets or of MedMNIST's.

`x_train`, `y_train`, `x_test`, `y_test`, also `x_val`, `y_val`; or `train_images`, `train_labels` and so on. Images
are (n, height, width), (n, height, width, 1) or (n, height, width, 3), uint8. Any other numbers (n, ...), and texts
(n,), are features, alike in all parts, and taken as they are. Labels are (n,) or (n, 1), whole numbers from 0, or
(n, classes), votes for each class or their shares. An array `classes` names them. Or they are numbers that are to be
learned, such as valence and arousal: (n,) with a fraction, or any (n, k) that an array `targets` names. Whom the
images show may stand beside them, (n,), under a name such as `person_train` or `train_person`.
"""

import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from fer_core.data.classes import MOST_CLASSES, named
from fer_core.data.dataset import SPLITS, Dataset, Listing, in_halves
from fer_core.data.image import bring_all
from fer_core.data.subjects import OPTION, checked
from fer_core.errors import InputError
from fer_core.features import Features, features_of
from fer_core.form import Form

Header = tuple[tuple[int, ...], np.dtype]  # an array's shape and the type of its numbers

NAMES = (("x_{}", "y_{}"), ("{}_images", "{}_labels"))
PARTS = ("train", "val", "test")
CLASSES, TARGETS = "classes", "targets"  # the arrays with their names


def read_arrays(path: Path, subjects: str | None, form: Form) -> Dataset:
    """Read `path`. subjects: what the arrays are called that say whom an image shows, without their part.

    Raises InputError naming the file and the array that is wrong.
    """
    with _opened(path) as arrays:
        parts = _parts(path, arrays)
        given = {images: arrays[images] for images, _ in parts.values()}
        listing = _listed(path, arrays, parts, [(of.shape, of.dtype) for of in given.values()], subjects)
    if listing.features is None:
        return listing.with_images(np.concatenate([bring_all(_grey(part), form) for part in given.values()]))
    return listing.with_images(np.concatenate(list(given.values())))


def list_arrays(path: Path, subjects: str | None) -> Listing:
    """What `read_arrays` will read, by labels, subjects and the examples' shape alone."""
    with _opened(path) as arrays:
        parts = _parts(path, arrays)
        headers = [_header(arrays, images) for images, _ in parts.values()]
        return _listed(path, arrays, parts, headers, subjects)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The arrays by name, each read when it is asked for."""
    try:
        with np.load(path, allow_pickle=False) as file:
            yield file
    except InputError:
        raise
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as problem:
        raise InputError(f"{path}: not arrays as .npz ({str(problem).splitlines()[0][:120]}).") from None


def _parts(path: Path, arrays: Any) -> dict[str, tuple[str, str]]:
    """The names of the arrays of images and labels of every part that is there."""
    found = {
        part: (images.format(part), labels.format(part))
        for images, labels in NAMES
        for part in PARTS
        if images.format(part) in arrays and labels.format(part) in arrays
    }
    if "train" not in found:
        raise InputError(
            f"{path}: no training images (found {', '.join(arrays)}). Expected x_train and y_train, or train_images "
            "and train_labels."
        )
    return found


def _listed(
    path: Path, arrays: Any, parts: Mapping[str, tuple[str, str]], headers: Sequence[Header], subjects: str | None
) -> Listing:
    """headers: of the parts' arrays of examples."""
    features = _features(path, dict(zip((images for images, _ in parts.values()), headers, strict=True)))
    counts = [shape[0] for shape, _ in headers]
    given = {part: arrays[name] for part, (_, name) in parts.items()}
    usages = in_halves(np.repeat(np.array([SPLITS[part] for part in parts], np.uint8), counts))
    people = None if subjects is None else _subjects(path, arrays, dict(zip(parts, counts, strict=True)), subjects)
    if TARGETS in arrays or all(of.dtype.kind == "f" and of.size == len(of) for of in given.values()):
        targets = np.concatenate(
            [_targets(path, part, of, n) for (part, of), n in zip(given.items(), counts, strict=True)]
        )
        labels, names = np.zeros(len(targets), np.uint8), _target_names(path, arrays, targets.shape[1])
        return Listing(path.stem, labels, usages, names, people, features=features, targets=targets)
    if any(labels.ndim == 2 and labels.shape[1] > 1 for labels in given.values()):
        shares = _shares(path, given, counts)
        labels, classes = shares.argmax(axis=1), shares.shape[1]
    else:
        of_parts = zip(given.items(), counts, strict=True)
        labels = np.concatenate([_labels(path, part, labels, count) for (part, labels), count in of_parts])
        shares, classes = None, int(labels.max()) + 1
    names, new = named(_names(path, arrays, classes))
    if shares is not None:
        shares = shares[:, np.argsort(new)]
    return Listing(path.stem, np.array(new, np.uint8)[labels], usages, names, people, shares, features)


def _subjects(path: Path, arrays: Any, counts: Mapping[str, int], name: str) -> np.ndarray:
    found: list[str] = []
    for part, count in counts.items():
        called = next((array for array in (f"{name}_{part}", f"{part}_{name}") if array in arrays), None)
        if called is None:
            raise InputError(f"{OPTION} {name}: {path} has no array {name}_{part} or {part}_{name}.")
        people = arrays[called]
        if people.shape != (count,) or people.dtype.kind not in "iuUS":
            raise InputError(
                f"{path}: {called} is {people.dtype} {people.shape}, expected ({count},) of text or whole numbers."
            )
        found += people.astype(str).tolist()
    return checked(found, name)


def _header(arrays: Any, name: str) -> Header:
    """Those of an array that is not read."""
    with arrays.zip.open(f"{name}.npy") as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    return shape, dtype


def _features(path: Path, given: Mapping[str, Header]) -> Features | None:
    """What the arrays of examples hold, all alike; None where that is images."""
    found = {}
    for name, (shape, dtype) in given.items():
        if not shape or not shape[0] or not (dtype.kind in "biuf" or (dtype.kind == "U" and len(shape) == 1)):
            raise InputError(
                f"{path}: {name} is {dtype} {shape}. Expected images, uint8 (n, height, width) or (n, height, width, "
                "3), or features, numbers (n, ...) or texts (n,)."
            )
        grey = dtype == np.uint8 and shape[3:] == (1,)
        found[name] = features_of(shape[:3] if grey else shape, dtype)
    for (name, one), (other, another) in pairwise(found.items()):
        if not (one is another is None or (one is not None and one.alike(another))):
            raise InputError(f"{path}: {name} holds {one or 'images'}, {other} {another or 'images'}.")
    return next(iter(found.values()))


def _grey(images: np.ndarray) -> np.ndarray:
    """Without an axis for grey's one channel."""
    return images[..., 0] if images.ndim == 4 and images.shape[3] == 1 else images


def _labels(path: Path, part: str, given: np.ndarray, count: int) -> np.ndarray:
    labels = given.reshape(-1) if given.shape == (count, 1) else given
    whole = labels.shape == (count,) and np.issubdtype(labels.dtype, np.integer)
    if not whole or labels.min() < 0 or labels.max() >= MOST_CLASSES:
        raise InputError(
            f"{path}: the labels of {part} are {given.dtype} {given.shape}, expected ({count},) of whole numbers "
            f"from 0, below {MOST_CLASSES}."
        )
    return labels.astype(int)


def _targets(path: Path, part: str, given: np.ndarray, count: int) -> np.ndarray:
    """(n, k) float32."""
    table = given.reshape(count, -1) if given.shape[:1] == (count,) and given.ndim <= 2 else given[:0]
    if given.dtype.kind not in "biuf" or len(table) != count or not np.isfinite(table).all():
        raise InputError(
            f"{path}: the targets of {part} are {given.dtype} {given.shape}, expected ({count},) or ({count}, k) of "
            "finite numbers."
        )
    return table.astype(np.float32)


def _target_names(path: Path, arrays: Any, count: int) -> tuple[str, ...]:
    names = tuple(map(str, arrays[TARGETS].reshape(-1))) if TARGETS in arrays else ("target",)
    if len(names) != count:
        raise InputError(f"{path}: names the targets {', '.join(names)}, but has {count} of them.")
    return names


def _shares(path: Path, given: Mapping[str, np.ndarray], counts: Sequence[int]) -> np.ndarray:
    """The votes of all parts as shares, (n, classes) float32."""
    classes = next(iter(given.values())).shape[-1]
    for (part, votes), count in zip(given.items(), counts, strict=True):
        numbers = (
            np.issubdtype(votes.dtype, np.number) and votes.shape == (count, classes) and classes <= MOST_CLASSES
        )
        if not numbers or not np.isfinite(votes).all() or (votes < 0).any() or (votes.sum(axis=1) == 0).any():
            raise InputError(
                f"{path}: the labels of {part} are {votes.dtype} {votes.shape}, expected ({count}, {classes}) of "
                "votes for each class, not negative and some in every row, in all parts alike."
            )
    votes = np.concatenate(list(given.values())).astype(float)
    return (votes / votes.sum(axis=1, keepdims=True)).astype(np.float32)


def _names(path: Path, arrays: Any, count: int) -> list[str]:
    if CLASSES not in arrays:
        return [str(label) for label in range(max(2, count))]
    names = [str(name) for name in arrays[CLASSES].reshape(-1)]
    if len(names) < count:
        raise InputError(f"{path}: names {len(names)} classes, but has labels up to {count - 1}.")
    return names
