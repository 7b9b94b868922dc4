"""The right to be the one driver of a study on an object store, which knows no locks and no conditional writes.

Whoever asks leaves a claim, an object of its own, and only then looks at those of others: of two who ask at once at
least one sees the other. A claim is renewed while its driver lives. One that was not for long is removed by who asks
next, and its driver, should it come back, finds it gone and sends nothing more. What there is to know of a claim
stands in its name, so that one listing, which is of one moment, tells all.
"""

import os
import platform
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from fer_core.errors import InputError
from study.records.object_store import ObjectStore

ASKS, HOLDS = "asks", "holds"
RENEWED = 20.0  # seconds
EXPIRED = 90.0
LOOK_AGAIN = 0.2


@dataclass(frozen=True)
class Claim:
    """A driver's claim. state: ASKS or HOLDS."""

    state: str
    identity: str
    process: int
    host: str

    PREFIX = "lease~"

    @classmethod
    def from_name(cls, name: str) -> "Claim":
        state, identity, process, host = name.removeprefix(cls.PREFIX).split("~", 3)
        return cls(state, identity, int(process), host)

    @property
    def name(self) -> str:
        return f"{self.PREFIX}{self.state}~{self.identity}~{self.process}~{self.host}"

    def is_dead(self) -> bool:
        """Whether its driver is a process of this host that is no more."""
        if self.host != platform.node():
            return False
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


class Lease:
    """This process' claim to the folder of `store`, which can be held once."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.asks = Claim(ASKS, uuid.uuid4().hex, os.getpid(), platform.node())
        self._over = threading.Event()
        self._renewed = 0.0  # by the clock that goes on while a machine sleeps

    @property
    def holds(self) -> Claim:
        return replace(self.asks, state=HOLDS)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Raises InputError naming the process and the host that hold it, OSError where nothing can be written."""
        renewal = threading.Thread(target=self._keep_renewing, daemon=True)
        try:
            self._ask()
            renewal.start()
            yield
        finally:
            self._over.set()
            if renewal.ident is not None:
                renewal.join()
            for claim in (self.asks, self.holds):
                with suppress(OSError):  # if the store has gone: it expires
                    self.store.delete(claim.name)

    def check(self) -> None:
        """Raises OSError where another driver may have it by now, as after this machine has slept."""
        if time.time() - self._renewed > 2 * RENEWED:
            self._renew(self.holds)

    def _ask(self) -> None:
        self._write(self.asks)
        while rivals := self._rivals():
            for rival, age in rivals.items():
                # Of those that ask the first by name goes on, once the others have seen it.
                if rival.state == HOLDS or rival.identity < self.asks.identity:
                    raise InputError(
                        f"{self.store.uri}: another driver runs this study (process {rival.process} on {rival.host}, "
                        f"heard of {age:.0f} s ago). If it has died, wait until {EXPIRED:.0f} s have passed."
                    )
            time.sleep(LOOK_AGAIN)
            self._renew(self.asks)
        self._renew(self.asks)
        self._write(self.holds)
        self.store.delete(self.asks.name)

    def _rivals(self) -> dict[Claim, float]:
        """The claims of others that live, with the seconds since each was renewed. Those that do not are removed."""
        written = self.store.written(Claim.PREFIX)
        now = written.pop(self.asks.name, None)  # by the store's own clock
        if now is None:
            raise self._lost()
        rivals = {}
        for name, when in written.items():
            rival, age = Claim.from_name(name), max(0.0, now - when)  # renewed just now, perhaps, by its owner
            if age < EXPIRED and not rival.is_dead():
                rivals[rival] = age
            else:
                self.store.delete(name)
        return rivals

    def _keep_renewing(self) -> None:
        while not self._over.wait(RENEWED):
            with suppress(OSError):  # the next one may go through; what matters is sent, which checks
                self._renew(self.holds)

    def _renew(self, claim: Claim) -> None:
        if not self.store.has(claim.name):
            raise self._lost()
        self._write(claim)

    def _lost(self) -> OSError:
        return OSError(
            f"{self.store.uri}: another driver has taken this study over: nothing was heard of this one for a while"
        )

    def _write(self, claim: Claim) -> None:
        self.store.put(b"The driver of the study that lies here.\n", claim.name)
        self._renewed = time.time()
