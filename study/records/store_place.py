"""A study on an object store: the driver works on a copy of its records, and sends it.

It does so whenever a trial has ended, before the trial's checkpoint is removed: whatever is killed, the store has the
trial or what it takes to go on with it. The store is the truth; a copy of an earlier driver is not looked at.
"""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fer_core.data.cache import cache_folder
from fer_core.errors import InputError
from study.records.folder import JOURNAL, STUDY
from study.records.lease import Lease
from study.records.object_store import ObjectStore, below
from study.records.place import Place
from study.records.schemas import FILES

# In the order in which they are sent, the reverse of that in which they are fetched: the journal may know no more
# than the tables.
RECORDS = (*FILES, JOURNAL, STUDY)
SEEN, DRIVEN = "seen", "driven"


class StorePlace(Place):
    """A folder at `uri` on an object store, with a copy of its records below the user's cache.

    copy: SEEN by whoever looks at the study, or DRIVEN by its driver, which nobody else touches.
    """

    def __init__(self, uri: str, copy: str = SEEN) -> None:
        digest = hashlib.sha256(uri.encode()).hexdigest()[:16]
        super().__init__((cache_folder() or Path(tempfile.gettempdir()) / "fer-study") / "studies" / digest / copy)
        self.store, self.name = ObjectStore(uri), uri
        self.root, self.file_system = self.store.root, self.store.file_system
        self._sent: dict[str, tuple[int, int]] = {}
        self._lease: Lease | None = None

    def for_driver(self) -> Place:
        return StorePlace(self.name, DRIVEN)

    def fetch(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in reversed(RECORDS):
            try:
                there = self.store.fetch(name, self.folder / name)
            except OSError as problem:
                raise InputError(f"{self.name}: cannot be read ({str(problem).splitlines()[0]}).") from None
            if there:
                self._sent[name] = self._state(name)

    def bring(self, name: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self.store.fetch(name, path)
        return path

    def has(self, name: str) -> bool:
        return self.store.has(name)

    def shared(self, name: str) -> str:
        return below(self.name, name)

    def remove(self, name: str) -> None:
        self.store.delete_folder(name)
        super().remove(name)

    def send(self) -> None:
        if self._lease is not None:
            self._lease.check()
        for name in RECORDS:
            if (self.folder / name).exists() and (state := self._state(name)) != self._sent.get(name):
                self.store.put((self.folder / name).read_bytes(), name)
                self._sent[name] = state

    def _state(self, name: str) -> tuple[int, int]:
        status = (self.folder / name).stat()
        return status.st_size, status.st_mtime_ns

    @contextmanager
    def leased(self) -> Iterator[None]:
        """By a lease (`lease.py`). Only then nothing changes what is fetched.

        Raises InputError naming the process and the host that hold it.
        """
        lease = Lease(self.store)
        with ExitStack() as holding:
            try:
                holding.enter_context(lease.held())
            except OSError as problem:
                raise InputError(f"--out {self.name}: cannot be written ({str(problem).splitlines()[0]}).") from None
            self._lease = lease
            self.fetch()
            yield
