"""One driver of a study on an object store, whoever asks and whenever: on the S3 of a real server on this machine."""

import platform
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from fer_core.errors import InputError
from study.records.lease import ASKS, HOLDS, Claim, Lease
from study.records.object_store import ObjectStore, below
from study.records.store_place import StorePlace


class Asking(threading.Thread):
    """A driver that asks, and that holds what it gets until it may go."""

    def __init__(self, lease: Lease, may_go: threading.Event) -> None:
        super().__init__(daemon=True)
        self.lease, self.may_go = lease, may_go
        self.decided = threading.Event()
        self.got = False

    def run(self) -> None:
        try:
            with suppress(InputError), self.lease.held():
                self.got = True
                self.decided.set()
                self.may_go.wait()
        finally:
            self.decided.set()


@pytest.mark.parametrize("attempt", range(5))
def test_of_drivers_that_ask_at_once_one_gets_the_study(attempt: int, bucket: str) -> None:
    store, may_go = ObjectStore(below(bucket, f"at-once-{attempt}")), threading.Event()
    drivers = [Asking(Lease(store), may_go) for _ in range(4)]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        assert driver.decided.wait(60)
    may_go.set()
    for driver in drivers:
        driver.join()
    assert [driver.got for driver in drivers].count(True) == 1
    assert store.written("") == {}


class Overtaken(ObjectStore):
    """Before its driver does one thing, another one asks."""

    def __init__(self, uri: str, moment: str, other: Callable[[], None]) -> None:
        super().__init__(uri)
        self.moment, self.other = moment, other

    def written(self, prefix: str) -> dict[str, float]:
        self._ask("looks")
        return super().written(prefix)

    def has(self, name: str) -> bool:
        self._ask("takes")
        return super().has(name)

    def _ask(self, moment: str) -> None:
        if moment == self.moment:
            self.moment = ""
            self.other()


@pytest.mark.parametrize("other_comes_first", [True, False])
@pytest.mark.parametrize("moment", ["looks", "takes"])
def test_who_asks_while_another_one_does_never_gets_the_study_besides(
    moment: str, other_comes_first: bool, bucket: str
) -> None:
    """The other one is seen by who has yet to look, and otherwise waits until it sees that it came too late."""
    uri, may_go = below(bucket, f"overtaken-{moment}-{other_comes_first}"), threading.Event()
    store = ObjectStore(uri)
    other = Asking(Lease(store), may_go)
    other.lease.asks = replace(other.lease.asks, identity="a" if other_comes_first else "c")

    def ask() -> None:
        other.start()
        while not (other.decided.is_set() or other.lease.asks.name in store.written("")):
            pass

    driver = Asking(Lease(Overtaken(uri, moment, ask)), may_go)
    driver.lease.asks = replace(driver.lease.asks, identity="b")
    driver.start()
    assert driver.decided.wait(60)
    assert other.decided.wait(60)
    may_go.set()
    driver.join()
    other.join()
    assert (driver.got, other.got) == ((False, True) if moment == "looks" and other_comes_first else (True, False))


@pytest.mark.parametrize("state", [ASKS, HOLDS])
def test_a_driver_elsewhere_is_named_to_who_asks(state: str, bucket: str) -> None:
    store, claim = ObjectStore(below(bucket, f"elsewhere-{state}")), Claim(state, "0", 7, "node12.cluster")
    store.put(b"its claim", claim.name)
    refused = r"another driver runs this study \(process 7 on node12.cluster, heard of \d s ago\)"
    with pytest.raises(InputError, match=refused), Lease(store).held():
        pass
    assert list(store.written("")) == [claim.name]


def test_a_driver_of_this_host_that_is_dead_is_not_waited_for(bucket: str) -> None:
    store = ObjectStore(below(bucket, "dead"))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    store.put(b"its claim", Claim(HOLDS, "0", gone.pid, platform.node()).name)
    lease = Lease(store)
    with lease.held():
        assert list(store.written("")) == [lease.holds.name]


def test_a_driver_that_comes_back_after_another_took_over_sends_nothing_more(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one whose machine had slept."""
    uri = below(bucket, "slept")
    monkeypatch.setenv("FER_STUDY_CACHE", str(tmp_path / "first"))
    first = StorePlace(uri).for_driver()
    monkeypatch.setenv("FER_STUDY_CACHE", str(tmp_path / "second"))
    second = StorePlace(uri).for_driver()
    with first.leased():
        (first.folder / "study.json").write_text('{"of": "first"}')
        first.send()
        monkeypatch.setattr("study.records.lease.EXPIRED", -1)  # nothing was heard of the first one for long
        with second.leased():
            (second.folder / "study.json").write_text('{"of": "second"}')
            second.send()
            (first.folder / "study.json").write_text('{"of": "first again"}')
            monkeypatch.setattr("study.records.lease.RENEWED", -1)  # nor has it renewed its claim itself
            with pytest.raises(OSError, match="another driver has taken this study over"):
                first.send()
    assert ObjectStore(uri).read("study.json") == b'{"of": "second"}'
