"""FER2013 as Kaggle hands it out: `train/CLASS/*` and `test/CLASS/*`, sometimes `validation/CLASS/*` too.

Images of any size and colour become what the paper's `flow_from_directory` makes of them: grey by Pillow's
`L`, 48 x 48 by nearest neighbour. In the Kaggle folder the files' names still say which test images were
PublicTest and which PrivateTest.
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from fer_core.data.dataset import EMOTIONS, PRIVATE_TEST, PUBLIC_TEST, SIDE, TEST, TRAINING, Dataset
from fer_core.errors import InputError

SYNONYMS = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}
SPLITS = {"train": TRAINING, "validation": PUBLIC_TEST, "val": PUBLIC_TEST, "test": TEST}
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png"}
LITTER = {"thumbs.db", "ehthumbs.db", "desktop.ini"}  # and all whose name begins with a dot
SIXTEEN_BITS = ";16"  # in the name of the raw mode that Pillow decodes; it would keep the high byte of colours
UNREADABLE = (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError)
PROGRESS_EVERY = 200


def is_image_folder(path: Path) -> bool:
    return path.is_dir() and any(p.is_dir() and p.name.lower() in SPLITS for p in path.iterdir())


def read_folder(
    path: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
    unreadable: list[str] | None = None,
) -> Dataset:
    """Read the folder `path`; `progress(done, total)` is told of the images.

    Raises InputError naming the file that cannot be read; with `unreadable`, leaves such files out and appends
    to it what is wrong with each.
    """
    files = _files(path)
    images = np.empty((len(files), SIDE, SIDE), np.uint8)
    good = np.ones(len(files), bool)
    # In a row: threads would only wait for Python's lock, and take twice as long.
    for index, (file, _, _) in enumerate(files):
        try:
            images[index] = read_image(file)
        except InputError as problem:
            if unreadable is None:
                raise
            unreadable.append(str(problem))
            good[index] = False
        if not index % PROGRESS_EVERY:
            progress(index, len(files))
    labels = np.array([label for _, label, _ in files], np.uint8)
    usages = np.array([usage for _, _, usage in files], np.uint8)
    return Dataset(path.resolve().name, images[good], labels[good], usages[good])


def read_image(path: Path) -> np.ndarray:
    """The image in `path` as (48, 48) uint8, as the paper's loader makes it. Raises InputError naming the file."""
    try:
        with Image.open(path) as image:
            frames = getattr(image, "n_frames", 1)
            if frames != 1:
                raise InputError(f"{path}: an animation of {frames} frames, expected a single image.")
            if any(SIXTEEN_BITS in str(tile.args) for tile in image.tile):
                raise InputError(f"{path}: 16 bits a channel, expected 8.")
            grey = image.convert("L")
    except InputError:
        raise
    except UNREADABLE as problem:
        reason = getattr(problem, "strerror", None) or str(problem).splitlines()[0][:120]
        raise InputError(f"{path}: not a readable image ({reason}).") from None
    if grey.size != (SIDE, SIDE):
        grey = grey.resize((SIDE, SIDE), Image.Resampling.NEAREST)
    return np.asarray(grey)


def _files(path: Path) -> list[tuple[Path, int, int]]:
    """Every image with its label and usage, in an order that does not depend on the file system."""
    splits = {p.name.lower(): p for p in sorted(path.iterdir()) if p.is_dir() and p.name.lower() in SPLITS}
    if "train" not in splits:
        raise InputError(f"{path}: no folder 'train' (found {', '.join(splits)}).")
    files = []
    for name, folder in splits.items():
        found: dict[int, Path] = {}
        for class_folder in sorted(p for p in folder.iterdir() if p.is_dir() and not _is_litter(p)):
            label = _label(class_folder)
            if label in found:
                raise InputError(f"{class_folder}: {EMOTIONS[label]} a second time, after {found[label].name}.")
            found[label] = class_folder
        for label in range(len(EMOTIONS)):
            images = _images(found[label]) if label in found else []
            if not images:
                raise InputError(f"{folder}: no images of the class '{EMOTIONS[label]}'.")
            files += [(image, label, SPLITS[name]) for image in images]
    return _with_test_halves(files, has_validation="validation" in splits or "val" in splits)


def _images(folder: Path) -> list[Path]:
    files = [path for path in sorted(folder.iterdir()) if not _is_litter(path)]
    for path in files:
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            raise InputError(f"{path}: among the images, but not named as PNG or JPEG. Remove it.")
    return files


def _is_litter(path: Path) -> bool:
    """Whether an operating system or an editor left it there."""
    return path.name.startswith(".") or path.name.lower() in LITTER


def _with_test_halves(files: list[tuple[Path, int, int]], has_validation: bool) -> list[tuple[Path, int, int]]:
    """Give the test images to PublicTest and PrivateTest, where the names or a validation folder tell."""
    prefixes = {"PublicTest": PUBLIC_TEST, "PrivateTest": PRIVATE_TEST}
    tested = [file.name.partition("_")[0] for file, _, usage in files if usage == TEST]
    if has_validation:
        return [(file, label, PRIVATE_TEST if usage == TEST else usage) for file, label, usage in files]
    if set(tested) == set(prefixes):
        return [
            (file, label, prefixes[file.name.partition("_")[0]] if usage == TEST else usage)
            for file, label, usage in files
        ]
    return files


def _label(folder: Path) -> int:
    """The class of a folder such as `happy`, `HAPPY`, `Surprised`, `3 happy` or `3`."""
    name = folder.name.lower()
    word = re.sub(r"^[\W\d_]+", "", name)
    if not word and re.fullmatch(r"[0-6]", name):
        return int(name)
    word = SYNONYMS.get(word, word)
    if word not in EMOTIONS:
        raise InputError(f"{folder}: unknown class. Expected one of {', '.join(EMOTIONS)}.")
    return EMOTIONS.index(word)
