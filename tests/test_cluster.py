"""A study over hosts with networks of their own, one of which joins late, is cut off and comes back."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import FinishedStudy
from tests.hosts import PORT, Hosts, missing
from tests.test_faults import driver, same_as

ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "a token of this test alone " + "x" * 32,
    # The head calls a silent node dead after some 15 s, not after Ray's minute.
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "5",
}


@pytest.fixture
def place() -> Iterator[Path]:
    """A short path: Ray's sockets lie below it."""
    with tempfile.TemporaryDirectory(prefix="fer", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def trains(hosts: Hosts, number: int) -> bool:
    return any(name.startswith("ray::ResourceTrainable") for name in hosts.running(number))


@pytest.mark.cluster
def test_a_study_over_three_hosts_outlives_one_that_is_cut_off(
    finished_study: FinishedStudy, place: Path, tmp_path: Path
) -> None:
    if (reason := missing()) is not None:
        pytest.skip(reason)
    with Hosts(3, ENVIRONMENT) as hosts:
        for number in (1, 2):
            hosts.start_ray(number, place / "ray")
        address = f"{hosts.address(1)}:{PORT}"
        with driver(tmp_path / "study", "--address", address, on=hosts, **ENVIRONMENT) as study:
            study.until(lambda: study.epochs() >= 1)
            hosts.start_ray(3, place / "ray")  # joins, and is used
            study.until(lambda: all(trains(hosts, number) for number in (1, 2, 3)))
            hosts.cut_off(3)
            since, seen = time.monotonic(), study.epochs()
            study.until(lambda: study.epochs() >= seen + 6)
            hosts.reconnect(3)
            hosts.end_all(3)  # a node that the head has given up does not join again by itself
            hosts.start_ray(3, place / "ray")
            study.until(lambda: trains(hosts, 3))
            study.end()
        shipped = {path.name for path in place.glob("ray/session_*/runtime_resources/py_modules_files/*/*")}
        print(f"ended {time.monotonic() - since:.0f} s after the cut")
    assert {"study", "search_spaces", "fer_core"} <= shipped  # the code came to the nodes through Ray
    same_as(study.folder, finished_study.folder)
