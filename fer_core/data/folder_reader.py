"""FER2013 as Kaggle hands it out: `train/CLASS/*` and `test/CLASS/*`, sometimes `validation/CLASS/*` too.

Images of any size and colour become what the paper's `flow_from_directory` makes of them: grey by Pillow's
`L`, 48 x 48 by nearest neighbour. In the Kaggle folder the files' names still say which test images were
PublicTest and which PrivateTest.
"""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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
READERS = 8


def is_image_folder(path: Path) -> bool:
    return path.is_dir() and any(p.is_dir() and p.name.lower() in SPLITS for p in path.iterdir())


def read_folder(path: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> Dataset:
    """Read the folder `path`; `progress(done, total)` is told of the images. Raises InputError naming the file."""
    files = _files(path)
    images = np.empty((len(files), SIDE, SIDE), np.uint8)
    with ThreadPoolExecutor(READERS) as pool:
        for index, image in enumerate(pool.map(_read_image, [file for file, _, _ in files])):
            images[index] = image
            progress(index + 1, len(files))
    labels = np.array([label for _, label, _ in files], np.uint8)
    usages = np.array([usage for _, _, usage in files], np.uint8)
    return Dataset(path.resolve().name, images, labels, usages)


def _files(path: Path) -> list[tuple[Path, int, int]]:
    """Every image with its label and usage, in an order that does not depend on the file system."""
    splits = {p.name.lower(): p for p in sorted(path.iterdir()) if p.is_dir() and p.name.lower() in SPLITS}
    if "train" not in splits:
        raise InputError(f"{path}: no folder 'train' (found {', '.join(splits)}).")
    files = []
    for name, folder in splits.items():
        found: dict[int, Path] = {}
        for class_folder in sorted(p for p in folder.iterdir() if p.is_dir()):
            label = _label(class_folder)
            if label in found:
                raise InputError(f"{class_folder}: {EMOTIONS[label]} a second time, after {found[label].name}.")
            found[label] = class_folder
        for label in range(len(EMOTIONS)):
            images = (
                [p for p in sorted(found[label].iterdir()) if p.suffix.lower() in IMAGE_SUFFIXES]
                if label in found
                else []
            )
            if not images:
                raise InputError(f"{folder}: no images of the class '{EMOTIONS[label]}'.")
            files += [(image, label, SPLITS[name]) for image in images]
    return _with_test_halves(files, has_validation="validation" in splits or "val" in splits)


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


def _read_image(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            grey = image.convert("L")
            if grey.size != (SIDE, SIDE):
                grey = grey.resize((SIDE, SIDE), Image.Resampling.NEAREST)
            return np.asarray(grey)
    except (UnidentifiedImageError, OSError, SyntaxError) as problem:
        raise InputError(f"{path}: not a readable image ({str(problem).splitlines()[0][:120]}).") from None
