"""How long the commands take that start nothing: `--help`, `--dry-run`, a bad input. Whole processes."""

import subprocess
import sys
import time
from functools import partial

from benchmarks.measuring import ROOT, Outcome, in_turn, medians

SPACE = ("--space", "se_placement")
COMMANDS = {
    "study.run --help": (("--help",), 1.0),
    "study.run --dry-run": ((*SPACE, "--data", "synthetic", "--dry-run"), 2.0),
    "study.run with a bad input": ((*SPACE, "--data", "/nowhere"), 1.5),
}


def measure(rounds: int, data: str | None) -> list[Outcome]:
    found = in_turn(rounds, {name: partial(_seconds, arguments) for name, (arguments, _) in COMMANDS.items()})
    return [
        Outcome(name, {"ours": median}, "s", f"at most {COMMANDS[name][1]:g} s", median, median <= COMMANDS[name][1])
        for name, median in medians(found).items()
    ]


def _seconds(arguments: tuple[str, ...]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "study.run", *arguments], cwd=ROOT, capture_output=True, check=False)
    return time.perf_counter() - start
