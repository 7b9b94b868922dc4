"""Whether the head of a Ray cluster still answers.

A driver that has lost it can do nothing more, and Ray ends its process after a minute with a message of its own. This
notices before, so that the study ends with the way to go on.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY = 3.0  # seconds between looks
PATIENCE = 45.0  # Ray's own is 60; a head that is restarted with its state comes back within
# Set when this process is asked to end. A head of its own may have been, too, as where `timeout` asks the whole
# process group; then nobody restarts it, and whoever has asked waits some ten seconds.
asked_to_end = threading.Event()
PATIENCE_THEN = 3.0


@contextmanager
def watched(address: str, lost: Callable[[str], object], patience: float = PATIENCE) -> Iterator[None]:
    """Call `lost` with the reason, from another thread, if `address` (HOST:PORT) refuses for so many seconds."""
    stop = threading.Event()
    thread = threading.Thread(target=_watch, args=(address, lost, patience, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()


def _watch(address: str, lost: Callable[[str], object], patience: float, stop: threading.Event) -> None:
    heard = time.monotonic()
    while not stop.wait(EVERY):
        if _answers(address):
            heard = time.monotonic()
        elif (silent := time.monotonic() - heard) > (PATIENCE_THEN if asked_to_end.is_set() else patience):
            lost(f"the Ray head at {address} has not answered for {silent:.0f} s")
            return


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=EVERY).close()
    except OSError:
        return False
    return True
