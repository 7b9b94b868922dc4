"""A folder of images: `train/CLASS/*` and `test/CLASS/*`, sometimes `validation/CLASS/*` too, or `CLASS/*` alone.

So Kaggle hands out FER2013, whose files' names still say which test images were PublicTest and which PrivateTest.
Without `train`, every image is a training image. Class folders are those of FER2013's emotions, all seven of them, or
none of them is; what else they are is said in a file `classes.txt`, a folder a line, or a pattern of files' names.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from fer_core.data.classes import MOST_CLASSES, emotion, in_order
from fer_core.data.dataset import EMOTIONS, PRIVATE_TEST, PUBLIC_TEST, SPLITS, TEST, Dataset, Listing, in_halves
from fer_core.data.decoding import decode_all
from fer_core.data.image import bring, open_image
from fer_core.data.named_files import are_patterns, files_by_name
from fer_core.data.subjects import from_names
from fer_core.errors import InputError
from fer_core.form import Form

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp"}
LITTER = {"thumbs.db", "ehthumbs.db", "desktop.ini"}  # and all whose name begins with a dot
DECLARED = "classes.txt"


def is_image_folder(path: Path) -> bool:
    """Whether `path` has a folder of training or test images, or two of images, or says what names of files mean."""
    folders = _folders(path)
    return (
        are_patterns(list(_declared(path)))
        or any(p.name.lower() in SPLITS for p in folders)
        or sum(map(_holds_images, folders)) > 1
    )


def read_folder(
    path: Path,
    subjects: str | None,
    form: Form,
    progress: Callable[[int, int], None] = lambda done, total: None,
    unreadable: list[str] | None = None,
) -> Dataset:
    """Read the folder `path`; `progress(done, total)` is told of the images. subjects: a regular expression that
    finds in a file's name whom it shows.

    Raises InputError naming the file that cannot be read; with `unreadable`, leaves such files out and appends
    to it what is wrong with each.
    """
    listing, files = _listed(path, subjects)
    images, good = decode_all(
        files, len(files), lambda file: bring(open_image(file, file), form), form, progress, unreadable
    )
    return listing.with_images(images, good)


def list_folder(path: Path, subjects: str | None) -> Listing:
    """What `read_folder` will read, by the names of the files alone."""
    return _listed(path, subjects)[0]


def _listed(path: Path, subjects: str | None) -> tuple[Listing, list[Path]]:
    classes, files = _files(path)
    listing = Listing(
        path.resolve().name,
        np.array([label for _, label, _ in files], np.uint8),
        in_halves(np.array([usage for _, _, usage in files], np.uint8)),
        classes,
        None if subjects is None else from_names([file.name for file, _, _ in files], subjects),
    )
    return listing, [file for file, _, _ in files]


def _files(path: Path) -> tuple[tuple[str, ...], list[tuple[Path, int, int]]]:
    """The classes, and every image with its label and usage, in an order that does not depend on the file system."""
    class_of = _declared(path)
    if are_patterns(list(class_of)):
        return _files_by_name(path, class_of)
    splits = {p.name.lower(): p for p in _folders(path) if p.name.lower() in SPLITS} or {"train": path}
    folders = {name: _folders(folder) for name, folder in splits.items()}
    class_of = class_of or _found({p.name: p for found in folders.values() for p in found}, path)
    classes, files = _classes(path, class_of), []
    for name, folder in splits.items():
        by_class = _by_class(folders[name], class_of, path)
        for label, title in enumerate(classes):
            images = _images(by_class[title]) if title in by_class else []
            if not images:
                raise InputError(f"{folder}: no images of the class '{title}'.{_hint(path)}")
            files += [(image, label, SPLITS[name]) for image in images]
    return classes, _with_test_halves(files)


def _classes(path: Path, class_of: Mapping[str, str]) -> tuple[str, ...]:
    classes = tuple(dict.fromkeys(class_of.values()))
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise InputError(f"{path}: {len(classes)} classes, expected 2 to {MOST_CLASSES}.")
    return classes


def _files_by_name(path: Path, class_of: Mapping[str, str]) -> tuple[tuple[str, ...], list[tuple[Path, int, int]]]:
    """The same where `classes.txt` has patterns. Files that fit none are no part of the data."""
    classes = _classes(path, class_of)
    below = [file for file in sorted(path.rglob("*")) if file.suffix.lower() in IMAGE_SUFFIXES]
    images = [file for file in below if not any(map(_is_litter, (file, *file.relative_to(path).parents)))]
    found = files_by_name(path, images, class_of)
    return classes, [(file, classes.index(title), usage) for file, title, usage in found]


def _declared(path: Path) -> dict[str, str]:
    """The class of every folder or pattern that `classes.txt` names, none without it. Lines are FOLDER or
    FOLDER: NAME.
    """
    file = path / DECLARED
    if not file.is_file():
        return {}
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(f"{file}: cannot be read ({problem}).") from None
    found = {}
    for folder, colon, name in (line.partition(":") for line in lines if line):
        found[folder.strip()] = name.strip() if colon else folder
    return found


def _found(folders: Mapping[str, Path], path: Path) -> dict[str, str]:
    """The class of every folder by its name: FER2013's emotions in their order, or the names as they are."""
    emotions = {name: emotion(name) for name in folders}
    numbers = all(name.isdigit() for name in folders)
    if not any(emotions.values()) or (numbers and not all(emotions.values())):
        return {name: name for name in in_order(folders)}
    class_of = {title: title for title in EMOTIONS}  # all of them: one without a folder will be missed
    for name, title in emotions.items():
        if title is None:
            raise InputError(f"{folders[name]}: unknown class. Expected one of {', '.join(EMOTIONS)}.{_hint(path)}")
        class_of[name] = title
    return class_of


def _by_class(folders: list[Path], class_of: Mapping[str, str], path: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in folders:
        title = class_of.get(folder.name)
        if title is None:
            raise InputError(f"{folder}: unknown class. {path / DECLARED} lists {', '.join(class_of)}.")
        if title in found:
            raise InputError(f"{folder}: {title} a second time, after {found[title].name}.")
        found[title] = folder
    return found


def _hint(path: Path) -> str:
    return f" If its classes are others, list their folders in {path / DECLARED}, one a line."


def _folders(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_dir() and not _is_litter(p))


def _holds_images(folder: Path) -> bool:
    return any(p.suffix.lower() in IMAGE_SUFFIXES for p in folder.iterdir())


def _images(folder: Path) -> list[Path]:
    files = [path for path in sorted(folder.iterdir()) if not _is_litter(path)]
    for path in files:
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            raise InputError(f"{path}: among the images, but not named as PNG, JPEG, TIFF or BMP. Remove it.")
    return files


def _is_litter(path: Path) -> bool:
    """Whether an operating system or an editor left it there."""
    return path.name.startswith(".") or path.name.lower() in LITTER


def _with_test_halves(files: list[tuple[Path, int, int]]) -> list[tuple[Path, int, int]]:
    """Give the test images to PublicTest and PrivateTest, where their names tell and nothing else validates."""
    prefixes = {"PublicTest": PUBLIC_TEST, "PrivateTest": PRIVATE_TEST}
    tested = [file.name.partition("_")[0] for file, _, usage in files if usage == TEST]
    if set(tested) == set(prefixes) and not any(usage == PUBLIC_TEST for _, _, usage in files):
        return [
            (file, label, prefixes[file.name.partition("_")[0]] if usage == TEST else usage)
            for file, label, usage in files
        ]
    return files
