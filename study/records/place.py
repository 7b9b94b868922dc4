"""Where a study lies: in a folder on a disk, or in one on an object store."""

import shutil
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any


class Place:
    """A folder on a disk, which nodes share if the study has several.

    folder: where the driver reads and writes. name: what people call it: a path or a URI. root, file_system: the same
    for Arrow; the latter is None on a disk.
    """

    file_system: Any = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = self.root = str(folder)

    def for_driver(self) -> "Place":
        """The same place for the one process that writes there."""
        return self

    def fetch(self) -> None:
        """Make the folder's records what was last sent. Raises InputError if they cannot be read."""

    def bring(self, name: str) -> Path:
        """Another file of the study, by its path below the folder: where it now is, if there is one."""
        return self.folder / name

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return (self.folder / name).exists()

    def shared(self, name: str) -> str:
        """The folder `name` in it as every node finds it, by a path or a URI, made if missing."""
        (self.folder / name).mkdir(exist_ok=True)
        return str(self.folder / name)

    def remove(self, name: str) -> None:
        """The folder `name` in it, if it is there."""
        shutil.rmtree(self.folder / name, ignore_errors=True)

    def send(self) -> None:
        """Let others see the folder's records as they are."""

    def leased(self) -> AbstractContextManager[None]:
        """Keep the place to this process, its records fetched. On a disk the folder's own lock does so."""
        return nullcontext()
