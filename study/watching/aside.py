"""A watcher that works beside the study: a slow server does not hold it up, and one that fails does not end it."""

import queue
import threading
from collections.abc import Callable
from typing import Any

from study.plan import TrialSpec
from study.watching.watcher import Row, Watcher

PATIENCE = 60.0  # seconds that the end of a study waits for what is still to be sent


class Aside(Watcher):
    """Passes what happens on to the watcher that `make` gives, in a thread. A context manager.

    After the watcher's first error it hears no more, and `say` gets a sentence with the error and `name`.
    """

    def __init__(self, name: str, make: Callable[[], Watcher], say: Callable[[str], object]) -> None:
        self._name, self._make, self._say = name, make, say
        self._calls: queue.SimpleQueue[tuple[str, tuple[Any, ...]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True, name=f"log {name}")

    def __enter__(self) -> "Aside":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._calls.put(None)
        self._thread.join(PATIENCE)
        if self._thread.is_alive():
            self._say(
                f"--log {self._name}: not all was sent after {PATIENCE:g} seconds; the study does not wait for it."
            )

    def on_epoch(self, spec: TrialSpec, epoch: Row) -> None:
        self._calls.put(("on_epoch", (spec, epoch)))

    def on_end(self, spec: TrialSpec, row: Row) -> None:
        self._calls.put(("on_end", (spec, row)))

    def _work(self) -> None:
        try:
            watcher = self._make()
            while (call := self._calls.get()) is not None:
                method, arguments = call
                getattr(watcher, method)(*arguments)
        except Exception as problem:
            reason = (str(problem).strip() or repr(problem)).splitlines()[0]
            self._say(f"--log {self._name}: {reason} The study goes on without it.")
