"""A CSV as it is, gzipped, or alone in a zip or tar.gz archive: found by content, read without unpacking to disk."""

import gzip
import io
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from fer_core.errors import InputError

GZIP, ZIP = b"\x1f\x8b", b"PK"
CSV = ".csv"
BROKEN = (OSError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError)


def is_packed(path: Path) -> bool:
    """Whether it is gzipped, or an archive."""
    with path.open("rb") as file:
        return file.read(2) in (GZIP, ZIP)


def first_line(path: Path, most: int) -> bytes:
    """That of the CSV in `path`, at most so many bytes, without unpacking the rest. Raises InputError as `open_csv`
    does, but for what only the rest would show.
    """
    if not is_packed(path):
        with path.open("rb") as file:
            return file.readline(most)
    try:
        line = _packed_line(path, most)
    except BROKEN as problem:
        raise InputError(_broken(path, problem)) from None
    if line is None:
        open_csv(path)  # says what there is in its place
    return line or b""


def _packed_line(path: Path, most: int) -> bytes | None:
    """None where there is no CSV."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed, packed.open(_only_csv(path, packed.namelist())) as file:
            return file.readline(most)
    if not tarfile.is_tarfile(path):
        with gzip.open(path) as file:
            return file.readline(most)
    with tarfile.open(path) as archive:
        for member in archive:
            if member.name.lower().endswith(CSV) and (found := archive.extractfile(member)) is not None:
                return found.readline(most)
    return None


def open_csv(path: Path) -> tuple[BinaryIO, str]:
    """The CSV in `path` as a binary file that can seek, and a name for it.

    Raises InputError if the archive is broken, or holds no CSV, several, or one whose path leads out of it.
    """
    with path.open("rb") as file:
        magic = file.read(2)
    try:
        if magic == ZIP:
            return _from_zip(path)
        if magic == GZIP:
            with gzip.open(path) as packed:  # whole, so that its checksum is compared
                unpacked = io.BytesIO(packed.read())
            return _from_tar(path, unpacked) if tarfile.is_tarfile(unpacked) else (unpacked, _stem(path.name))
    except BROKEN as problem:
        raise InputError(_broken(path, problem)) from None
    return path.open("rb"), path.stem


def _broken(path: Path, problem: Exception) -> str:
    return f"{path}: a broken archive ({str(problem).splitlines()[0][:120]})."


def _from_zip(path: Path) -> tuple[BinaryIO, str]:
    with zipfile.ZipFile(path) as archive:
        name = _only_csv(path, archive.namelist())
        return io.BytesIO(archive.read(name)), _stem(name)


def _from_tar(path: Path, unpacked: BinaryIO) -> tuple[BinaryIO, str]:
    unpacked.seek(0)
    with tarfile.open(fileobj=unpacked) as archive:
        name = _only_csv(path, [member.name for member in archive.getmembers() if member.isfile()])
        member = archive.extractfile(name)
        assert member is not None  # it is a file
        return io.BytesIO(member.read()), _stem(name)


def _stem(name: str) -> str:
    return PurePosixPath(name).name.partition(".")[0]


def _only_csv(path: Path, names: list[str]) -> str:
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise InputError(f"{path}: the path '{name}' leads out of the archive. Expected a CSV of FER2013.")
    found = [name for name in names if name.lower().endswith(CSV)]
    if len(found) != 1:
        what = f"{len(found)} CSVs ({', '.join(found[:4])})" if found else "no CSV"
        raise InputError(f"{path}: holds {what}, expected one. Unpack it and name the CSV.")
    return found[0]
