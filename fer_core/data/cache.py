"""Decoded data sets on disk, so that the second start need not parse or decode anything.

An entry bears a digest of what it was made from: of a file its bytes, of a folder the name, size and time of
last change of every file in it, and so of the files that a table names. Entries are written under a name of their
own and renamed, so one sees whole entries only, and processes that make the same one at once do no harm. What cannot
be read or written is as good as no cache.
"""

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from fer_core.data.dataset import Dataset
from fer_core.form import Form

VARIABLE = "FER_STUDY_CACHE"
# Part of every digest: increase it when a reader makes something else of the same bytes.
VERSION = 2
ARRAYS = ("images", "labels", "usages")
WHERE_KNOWN = ("subjects", "distributions", "targets")
MOST_ENTRIES = 8  # of some 80 MB for FER2013; the one that was not used for the longest time goes first


def cached(
    path: Path,
    form: Form,
    decode: Callable[[], Dataset],
    subjects: str | None = None,
    beside: Sequence[Path] = (),
) -> Dataset:
    """The data set that `decode` makes of `path` in `form`, from the cache if it was made before. subjects: how it
    tells whom an image shows. beside: the files that it names, and that are read, too.
    """
    folder = cache_folder()
    if folder is None:
        return decode()
    entry = folder / f"{_digest(path, form, subjects, beside)}.npz"
    known = _read(entry)
    if known is not None:
        return known
    dataset = decode()
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        _write(entry, dataset)
        _drop_oldest(folder)
    return dataset


def cache_folder() -> Path | None:
    """Where entries are kept: the variable FER_STUDY_CACHE, or the user's cache. None if the variable is empty."""
    chosen = os.environ.get(VARIABLE)
    if chosen is not None:
        return Path(chosen) if chosen else None
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fer-study"


def _digest(path: Path, form: Form, subjects: str | None, beside: Sequence[Path]) -> str:
    digest = hashlib.sha256(f"{VERSION} {form!r} {path.name}\n".encode())
    if subjects is not None:
        digest.update(f"subjects {subjects}\n".encode())
    if path.is_dir():
        for name, size, changed in sorted(_files(path)):
            digest.update(f"{name}\0{size} {changed}\n".encode(errors="surrogateescape"))
    else:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    for named in beside:
        with suppress(OSError):  # one that is not there; the reader will say so
            status = named.stat()
            digest.update(f"{named}\0{status.st_size} {status.st_ctime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]


def _files(folder: Path, prefix: str = "") -> list[tuple[str, int, int]]:
    """Every file below `folder`. The time is of the change of content or name, which no program can set."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                found += _files(Path(entry.path), f"{prefix}{entry.name}/")
            else:
                status = _status(entry)
                found.append((prefix + entry.name, status.st_size, status.st_ctime_ns))
    return found


def _status(entry: os.DirEntry) -> os.stat_result:
    try:
        return entry.stat()
    except OSError:  # a link that leads nowhere; the reader will say so
        return entry.stat(follow_symlinks=False)


def _read(entry: Path) -> Dataset | None:
    try:
        with np.load(entry, allow_pickle=False) as stored:
            known = [name for name in WHERE_KNOWN if name in stored]
            arrays = {name: stored[name] for name in (*ARRAYS, *known)}
            dataset = Dataset(str(stored["name"]), **arrays, classes=tuple(stored["classes"].tolist()))
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        return None
    with suppress(OSError):
        os.utime(entry)  # used just now
    return dataset


def _write(entry: Path, dataset: Dataset) -> None:
    with tempfile.NamedTemporaryFile(dir=entry.parent, suffix=".partial", delete=False) as file:
        try:
            known = [name for name in WHERE_KNOWN if getattr(dataset, name) is not None]
            np.savez(
                file,
                name=np.array(dataset.name),
                classes=np.array(dataset.classes),
                **{name: getattr(dataset, name) for name in (*ARRAYS, *known)},
            )
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(entry)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _drop_oldest(folder: Path) -> None:
    entries = sorted(folder.glob("*.npz"), key=lambda entry: entry.stat().st_mtime, reverse=True)
    for entry in entries[MOST_ENTRIES:]:
        entry.unlink(missing_ok=True)
