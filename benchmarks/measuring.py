"""Rivals side by side: in turn, in the same run, medians and ratios, and on which machine."""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Outcome:
    """One goal: the medians of all ways by name, ours first, in `unit`; `reached` is what `goal` speaks of."""

    what: str
    figures: Mapping[str, float]
    unit: str
    goal: str
    reached: float
    met: bool


def in_turn(rounds: int, ways: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Every way once a round, in the order given and back, so that a drift of the machine hits all alike."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in list(ways) if number % 2 == 0 else reversed(ways):
            found[name].append(ways[name]())
            print(f"  round {number + 1}: {name} {found[name][-1]:,.2f}", file=sys.stderr, flush=True)
    return found


def medians(found: Mapping[str, list[float]]) -> dict[str, float]:
    return {name: statistics.median(values) for name, values in found.items()}


def ratio(found: Mapping[str, list[float]], ours: str, theirs: str) -> float:
    """The median of the ratios round by round."""
    return statistics.median(a / b for a, b in zip(found[ours], found[theirs], strict=True))


def module(name: str, *arguments: object) -> str:
    """Run `python -m name` to its end, as a user would. Returns the last line that it printed."""
    command = [sys.executable, "-m", name, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **QUIET}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    return done.stdout.splitlines()[-1] if done.stdout else ""


def seconds(name: str, *arguments: object) -> float:
    """Wall time of `python -m name` as a whole process."""
    start = time.perf_counter()
    module(name, *arguments)
    return time.perf_counter() - start


QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}


def machine() -> dict[str, str | int]:
    """What the figures were measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    packages = ("keras", "tensorflow", "ray", "optuna", "pyarrow", "numpy")
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "memory": f"{memory / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def keep(name: str, outcomes: list[Outcome], rounds: int) -> Path:
    """Write what one benchmark found to `benchmarks/results/`."""
    path = RESULTS / f"{name}.json"
    record = {
        "date": time.strftime("%Y-%m-%d"),
        "rounds": rounds,
        "machine": machine(),
        "outcomes": [asdict(outcome) for outcome in outcomes],
    }
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(record, indent=2, default=lambda number: number.item()) + "\n")  # NumPy's
    return path
