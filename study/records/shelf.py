"""Where workers keep what must outlive them: a folder on a disk that all nodes share, or on an object store."""

import shutil
import tempfile
import weakref
from pathlib import Path

from study.records.find_place import is_uri
from study.records.object_store import ObjectStore


class Shelf:
    """The files of one folder. `place`: its path, or its URI: then files are written and read here and sent there."""

    def __init__(self, place: str) -> None:
        self._store = ObjectStore(place) if is_uri(place) else None
        if self._store is None:
            self._folder = Path(place)
        else:
            self._folder = Path(tempfile.mkdtemp(prefix="fer-study-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def path(self, name: str) -> Path:
        """Where the file is written and read on this node."""
        return self._folder / name

    def bring(self, name: str) -> Path:
        """Its path, where it now is if any node has sent it."""
        if self._store is not None:
            self._store.fetch(name, self.path(name))
        return self.path(name)

    def send(self, name: str) -> None:
        """The file was written: let every node see it."""
        if self._store is not None:
            self._store.put(self.path(name).read_bytes(), name)
            self.path(name).unlink()

    def remove(self, name: str) -> None:
        """Remove the file, and what killed workers left half-written of it."""
        for path in (*self._folder.glob(f"{name}*"), *self._folder.glob(f"partial-*-{name}")):
            path.unlink(missing_ok=True)
        if self._store is not None:
            self._store.delete(name)

    def sweep(self) -> None:
        """Remove what killed workers left half-written."""
        for path in (*self._folder.glob("*.partial"), *self._folder.glob("partial-*")):
            path.unlink(missing_ok=True)
