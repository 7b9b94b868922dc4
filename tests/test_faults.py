"""Faults done to real processes: nothing is lost, nothing is done twice, and the result is as if nothing had
happened.

Every study here is that of `finished_study`, or of `finished_classifiers` where starts are what is repeated. With
that its tables are compared row by row. Processes are ended by their id, and only those that a test has started.
"""

import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from study.records.folder import read_study
from study.records.parquet import read_table
from tests.conftest import ROOT, SMALL_STUDY, FinishedStudy, run_module
from tests.hosts import Hosts
from tests.test_run import content

TABLES = ("trials", "epochs", "predictions")
# Linear classifiers, whose workers begin to train in a second, as they need no TensorFlow.
CLASSIFIERS = shlex.split(
    "--space docs/examples/gradients.py --data synthetic --trials 4 --epochs 4 --seeds 3 "
    "--set data.train_images=1000 --set data.val_images=300"
)


@pytest.fixture(scope="module")
def finished_classifiers(tmp_path_factory: pytest.TempPathFactory) -> FinishedStudy:
    """Their study, which nothing has disturbed."""
    folder = tmp_path_factory.mktemp("classifiers") / "study"
    study = FinishedStudy(folder, run_module("study.run", *CLASSIFIERS, "--out", folder))
    assert study.command.status == 0, study.command.err
    return study


class Driver:
    """A study as its own process, here or on the first of `on`.

    folder: where the driver writes; out: what it is told, if that is something else. study: its arguments.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: object,
        on: Hosts | None = None,
        out: str | None = None,
        study: Sequence[str] = SMALL_STUDY,
        **environment: str,
    ) -> None:
        self.folder = folder
        resume = ["--resume"] if (folder / "study.json").exists() else []
        command = [
            sys.executable,
            "-m",
            "study.run",
            *study,
            *map(str, arguments),
            *resume,
            "--out",
            out or str(folder),
        ]
        self.process = subprocess.Popen(
            command if on is None else on.command(1, *command),
            cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.family: dict[int, psutil.Process] = {}
        self._rested: dict[int, int] = {}

    def until(self, condition: Callable[[], object], seconds: float = 240) -> None:
        """Wait for `condition`, looking often. Fails if the driver ends first or it takes too long."""
        end = time.monotonic() + seconds
        while not condition():
            self.remember()
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < end, "the condition did not come"
            time.sleep(0.05)

    def remember(self) -> None:
        """Which processes it has started so far."""
        try:
            children = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return
        self.family |= {child.pid: child for child in children}

    def worker(self) -> psutil.Process:
        """One that trains, as soon as there is one: between two trials a worker rests."""
        training: list[psutil.Process] = []
        self.until(lambda: training.extend(self._training()) or training)
        return training[0]

    def _training(self) -> list[psutil.Process]:
        self.remember()
        return [p for p in self.family.values() if _command(p).startswith("ray::ResourceTrainable")]

    def resting(self, looks: int) -> list[psutil.Process]:
        """The processes that have trained and have had nothing to do for so many looks in a row, by Ray's title."""
        self.remember()
        idle = {p.pid: p for p in self.family.values() if _command(p).strip() == "ray::TrialRun"}
        self._rested = {pid: self._rested.get(pid, 0) + 1 for pid in idle}
        return [idle[pid] for pid, count in self._rested.items() if count >= looks]

    def epochs(self) -> int:
        return len(read_table(self.folder, "epochs")) if (self.folder / "study.json").exists() else 0

    def kill(self) -> None:
        self.remember()
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def fail(self) -> str:
        """What it says on stderr, once it has ended as failed."""
        _, err = self.process.communicate(timeout=400)
        assert self.process.returncode == 1, err
        assert "Traceback" not in err
        return err

    def end(self) -> str:
        """Its output, once it has ended well."""
        out, err = self.process.communicate(timeout=400)
        assert self.process.returncode == 0, err
        return out


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@contextmanager
def driver(folder: Path, *arguments: object, **given: Any) -> Iterator[Driver]:
    """A `Driver` that is killed, if it still runs, in the end."""
    started = Driver(folder, *arguments, **given)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.kill()


def same_as(folder: Path, undisturbed: Path) -> None:
    assert read_table(folder, "trials")["error"].dropna().tolist() == []
    for name in TABLES:
        assert content(folder, name) == content(undisturbed, name), name


def test_a_trial_whose_worker_is_killed_goes_on_from_its_last_epoch(
    finished_study: FinishedStudy, tmp_path: Path
) -> None:
    with driver(tmp_path / "study") as study:
        study.until(lambda: study.epochs() >= 4)
        study.worker().kill()
        study.end()
    same_as(study.folder, finished_study.folder)
    trials = read_table(study.folder, "trials")
    assert sorted(trials["attempts"].unique()) == [1, 2]


def test_a_driver_that_is_asked_to_end_does_so_as_at_ctrl_c(tmp_path: Path) -> None:
    """As by a scheduler whose time is up."""
    with driver(tmp_path / "study", study=CLASSIFIERS) as study:
        study.until(lambda: study.epochs() >= 3)
        study.process.terminate()
        out, err = study.process.communicate(timeout=120)
    assert (study.process.returncode, err) == (130, "")
    record = read_study(study.folder)
    assert record is not None
    assert record["status"] == "interrupted"
    assert out.splitlines()[-1] == f"python -m study.run --resume --out {study.folder}"


@pytest.mark.faults
def test_a_trial_that_hangs_is_ended_and_tried_again(finished_study: FinishedStudy, tmp_path: Path) -> None:
    with driver(tmp_path / "study", "--stalled-after", "40s") as study:
        study.until(lambda: study.epochs() >= 4)
        study.worker().suspend()  # it neither works nor dies
        study.end()
    same_as(study.folder, finished_study.folder)
    assert read_table(study.folder, "trials")["attempts"].max() == 2


HANGS_SOMEWHERE = """
import time
from pathlib import Path

import numpy as np
from fer_core.trainer import Trainer
from search_spaces.space import Float, Space

HERE = Path(__file__).parent


class Guess(Trainer):
    def __init__(self, settings, seed, images, labels, classes):
        self.seed, self.classes = seed, len(classes)
        if HANGS == "where it is made" and not (HERE / "made").exists():
            (HERE / "made").touch()
            wait_for_ever()

    def train_epoch(self, number):
        while HANGS == "at rest" and self.seed == 100_000 and not (HERE / "go").exists():
            time.sleep(0.05)

    def predict(self, images):
        return np.full((len(images), self.classes), 1 / self.classes)

    def save(self, path):
        path.touch()

    def load(self, path):
        pass


def wait_for_ever():
    while True:
        time.sleep(1)


SPACE = Space(
    name="hangs",
    question="Is it noticed?",
    trainer=Guess,
    nuisance={"rate": Float(0.1, 1.0)},
)
"""


def hanging(folder: Path, where: str, stalled_after: str) -> list[str]:
    """A search of six trials of two epochs, of which the first waits for the file `go`, or hangs where it is made."""
    (folder / "space.py").write_text(f"HANGS = {where!r}\n{HANGS_SOMEWHERE}")
    space = ["--space", str(folder / "space.py"), "--data", "synthetic", "--trials", "6", "--epochs", "2"]
    at_a_time = "2" if where == "at rest" else "1"
    return [*space, "--seeds", "2", "--max-concurrent", at_a_time, "--stalled-after", stalled_after]


@pytest.mark.faults
def test_a_worker_that_hangs_while_it_rests_is_noticed_when_a_trial_comes(tmp_path: Path) -> None:
    with driver(tmp_path / "study", study=hanging(tmp_path, "at rest", "40s")) as study:
        study.until(lambda: study.resting(looks=20))
        study.resting(looks=1)[0].suspend()
        (tmp_path / "go").touch()
        study.end()
    trials = read_table(study.folder, "trials")
    assert set(trials["status"]) == {"completed"}
    assert sorted(trials["attempts"].unique()) == [1, 2]


@pytest.mark.faults
def test_a_trainer_that_hangs_where_it_is_made_is_tried_again(tmp_path: Path) -> None:
    with driver(tmp_path / "study", study=hanging(tmp_path, "where it is made", "40s")) as study:
        study.end()
    trials = read_table(study.folder, "trials")
    assert set(trials["status"]) == {"completed"}
    assert sorted(trials["attempts"].unique()) == [1, 2]


def kill_over_and_over(folder: Path, times: int, arguments: Sequence[str]) -> list[psutil.Process]:
    """Kill the driver `times` times, at a random moment of its start or just after it has come one epoch further.

    Returns every process it ever started.
    """
    draw = random.Random(times)
    family: list[psutil.Process] = []
    for _ in range(times):
        with driver(folder, study=arguments) as study:
            before, in_start = study.epochs(), draw.random() < 0.3
            if not in_start:
                study.until(lambda study=study, before=before: study.epochs() > before)
            moment = time.monotonic() + draw.uniform(0, 8 if in_start else 0.4)
            while time.monotonic() < moment and study.process.poll() is None:
                study.remember()
            study.kill()
            family += study.family.values()
    return family


@pytest.mark.parametrize(
    ("times", "arguments", "undisturbed"),
    [
        (3, CLASSIFIERS, "finished_classifiers"),
        pytest.param(20, SMALL_STUDY, "finished_study", marks=pytest.mark.faults),
    ],
)
def test_a_driver_killed_over_and_over_loses_nothing_and_leaves_nobody_behind(
    times: int, arguments: Sequence[str], undisturbed: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    finished: FinishedStudy = request.getfixturevalue(undisturbed)
    folder = tmp_path / "study"
    family = kill_over_and_over(folder, times, arguments)
    with driver(folder, study=arguments) as study:
        study.end()
    same_as(folder, finished.folder)
    gone, alive = psutil.wait_procs(family, timeout=60)
    assert not alive, [_command(process) for process in alive]
    assert len(gone) >= 2 * times


class TwoNodes:
    """The cluster of `tests.two_nodes` in a process of its own."""

    def __init__(self) -> None:
        # Token authentication is Ray's default for clusters that others join; all sides need the same token.
        self.environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a token of this test alone " + "x" * 32}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.two_nodes"],
            cwd=ROOT, env={**os.environ, **self.environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()

    def tell(self, command: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(command, file=self.process.stdin, flush=True)
        assert self.process.stdout.readline() == "done\n"


@pytest.fixture
def two_nodes() -> Iterator[TwoNodes]:
    cluster = TwoNodes()
    yield cluster
    cluster.process.communicate(timeout=60)


@pytest.mark.faults
def test_trials_of_a_lost_node_go_on_elsewhere_and_a_new_node_is_used(
    finished_study: FinishedStudy, two_nodes: TwoNodes, tmp_path: Path
) -> None:
    with driver(tmp_path / "study", "--address", two_nodes.address, **two_nodes.environment) as study:
        study.until(lambda: study.epochs() >= 6)
        two_nodes.tell("remove")
        seen = study.epochs()
        study.until(lambda: study.epochs() >= seen + 3)
        two_nodes.tell("add")
        study.end()
    same_as(study.folder, finished_study.folder)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 40 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount a small disk (root)")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_stops_the_study_with_its_cause_and_nothing_is_lost(
    finished_classifiers: FinishedStudy, small_disk: Path
) -> None:
    ballast = small_disk / "ballast"
    with driver(small_disk / "study", study=CLASSIFIERS) as study:
        study.until(lambda: study.epochs() >= 4)
        fill(ballast)
        err = study.fail()
    assert "No space left on device" in err
    assert "study.run --resume --out" in err
    kept = read_table(study.folder, "epochs")
    assert len(kept) >= 4
    ballast.unlink()
    with driver(study.folder, study=CLASSIFIERS) as study:
        study.end()
    same_as(study.folder, finished_classifiers.folder)


def fill(path: Path) -> None:
    """Write until there is no room."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue


@pytest.mark.faults
def test_a_driver_ends_when_its_ray_head_is_gone_and_the_study_can_go_on(
    finished_study: FinishedStudy, two_nodes: TwoNodes, tmp_path: Path
) -> None:
    with driver(tmp_path / "study", RAY_ADDRESS=two_nodes.address, **two_nodes.environment) as study:
        study.until(lambda: study.epochs() >= 4)
        two_nodes.tell("head")
        err = study.fail()
    assert "Ray" in err
    assert "study.run --resume --out" in err
    with driver(study.folder) as study:
        study.end()
    same_as(study.folder, finished_study.folder)
