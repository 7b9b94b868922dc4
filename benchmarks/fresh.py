"""From a fresh clone to the first trial that has ended, against the script that Ray Tune's guide leads to.

Both make an environment and install into it what they need, from packages already downloaded, then train the same
network on the same images for three epochs. The rival's script is taken as written already.
"""

import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from benchmarks.images import learning, write_folders
from benchmarks.measuring import QUIET, ROOT, Outcome, in_turn, medians, ratio
from benchmarks.study import EPOCHS, IMAGES

PACKAGES = ("tensorflow", "ray[tune]", "optuna", "scipy", "pillow")


def measure(rounds: int, data: str | None) -> list[Outcome]:
    with tempfile.TemporaryDirectory() as name:
        write_folders(learning(data, IMAGES), Path(name) / "images")
        ways = {
            "this harness": partial(_ours, data, Path(name)),
            "Ray Tune's guide": partial(_rays, Path(name)),
        }
        found = in_turn(rounds, ways)
    share = ratio(found, "this harness", "Ray Tune's guide")
    return [
        Outcome(
            "fresh clone to first trial", medians(found), "s", "no slower than Ray Tune's guide", share, share <= 1
        )
    ]


def _ours(data: str | None, folder: Path) -> float:
    clone, start = Path(tempfile.mkdtemp(dir=folder)) / "clone", time.perf_counter()
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    subprocess.run(["make", "--silent", ".venv/ready"], cwd=clone, check=True, capture_output=True)
    command = [
        ".venv/bin/python", "-m", "study.run", "--space", "benchmarks/twelve.py", "--out", "results/first",
        *(("--data", Path(data).resolve()) if data else ()), "--budget", "standard", "--trials", "11",
        "--epochs", str(EPOCHS), "--seeds", "0", "--scheduler", "none",
        "--set", "model.width=0.25", "--set", f"data.train_images={IMAGES}",
    ]  # fmt: skip
    return _until(command, clone, start, lambda: any(clone.glob("results/first/trials.parquet")) and _trials(clone))


def _trials(clone: Path) -> bool:
    from study.records.parquet import read_table

    return len(read_table(clone / "results" / "first", "trials")) > 0


def _rays(folder: Path) -> float:
    place, start = Path(tempfile.mkdtemp(dir=folder)), time.perf_counter()
    subprocess.run([sys.executable, "-m", "venv", place / "venv"], check=True)
    pip = [place / "venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *PACKAGES], check=True, capture_output=True)
    command = [place / "venv/bin/python", "-m", "benchmarks.rivals.ray_tune", folder / "images"]
    results = folder / "images" / "ray"
    before = set(results.rglob("result.json"))
    return _until(command, ROOT, start, lambda: any(_ended(f) for f in set(results.rglob("result.json")) - before))


def _ended(file: Path) -> bool:
    return len(file.read_text().splitlines()) >= EPOCHS


def _until(command: list, folder: Path, start: float, done) -> float:
    """Seconds from `start` until `done()`, with `command` running, which is then ended."""
    process = subprocess.Popen(
        command, cwd=folder, env={**os.environ, **QUIET}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not done():
            if process.poll():
                raise SystemExit(f"{command}: failed")
            time.sleep(0.2)
        return time.perf_counter() - start
    finally:
        process.terminate()
        process.wait()
