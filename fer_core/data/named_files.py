"""A folder of images whose names tell the class: JAFFE's `KA.AN1.39.tiff`, KDEF's `AF01/AF01ANS.JPG`.

Which names are which class is said in its `classes.txt`, a pattern a line, such as `*.AN*: angry`.
"""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from fer_core.data.dataset import SPLITS, TRAINING
from fer_core.errors import InputError

WILDCARDS = set("*?")  # a folder may have brackets in its name


def are_patterns(names: Sequence[str]) -> bool:
    """Whether they are patterns of files' names, not names of folders."""
    return any(WILDCARDS & set(name) for name in names)


def files_by_name(path: Path, images: Sequence[Path], class_of: Mapping[str, str]) -> Iterator[tuple[Path, str, int]]:
    """Those of the `images` below `path` that fit a pattern, with its class, and the usage by the part of the data
    that they lie in; of those in none, Training. class_of: a class for every pattern.

    Raises InputError where an image fits patterns of two classes, and where none fits a pattern.
    """
    unseen = dict.fromkeys(class_of)
    for image in images:
        fitting = [pattern for pattern in class_of if fnmatchcase(image.name, pattern)]
        titles = dict.fromkeys(class_of[pattern] for pattern in fitting)
        if len(titles) > 1:
            raise InputError(f"{image}: fits {' and '.join(fitting)}, which are {' and '.join(titles)}.")
        for pattern in fitting:
            unseen.pop(pattern, None)
        for title in titles:
            yield image, title, SPLITS.get(image.relative_to(path).parts[0].lower(), TRAINING)
    if unseen:
        raise InputError(f"{path}: no image whose name fits {next(iter(unseen))}, of {len(images):,} images.")
