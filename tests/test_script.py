"""A trainer that another Python runs: the same numbers as in this one, and nothing left behind when it fails."""

import json
import os
import platform
import signal
import subprocess
import sys
import venv
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

from fer_core.apart import Apart, ScriptError
from fer_core.data.protocols import Learning, Testing
from fer_core.errors import InputError
from fer_core.own_code import load_code
from fer_core.own_training import OwnTraining
from fer_core.script import Script
from fer_core.trainer import Trainer
from search_spaces.catalogue import load_space
from search_spaces.space import Float, Space
from study import check
from study.planning.other_python import check_script, script_record
from study.spaces import full_text
from tests.conftest import ROOT, FinishedStudy, run_module

EXAMPLE = ROOT / "docs" / "examples" / "another_python.py"
PERCEPTRON = EXAMPLE.with_name("perceptron.py")

# Says as the number of its parameters which process it lives in.
COUNTING = """
import os
import numpy as np

class Counting:
    def __init__(self, settings, seed, images, labels, classes):
        self.parameters, self.count, self.slope = os.getpid(), float(len(images)), settings["slope"]
        print("made")

    def train_epoch(self, number):
        self.count += self.slope * np.random.random()

    def predict(self, images):
        return np.tile(np.arange(1, 8) ** self.count / np.sum(np.arange(1, 8) ** self.count), (len(images), 1))

    def save(self, path):
        path.write_text(repr(float(self.count)))

    def load(self, path):
        self.count = float(path.read_text())
"""


@pytest.fixture(scope="module")
def other_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python that has NumPy and nothing else of what this one has, this project least of all."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    (packages,) = folder.glob("lib/python*/site-packages")
    ours = Path(np.__file__).parent
    for part in (ours, ours.with_name("numpy.libs"), *ours.parent.glob("numpy-*.dist-info")):
        if part.exists():
            (packages / part.name).symlink_to(part)
    python = str(folder / "bin" / "python")
    for name in ("numpy", "keras", "fer_core"):
        found = subprocess.run([python, "-E", "-c", f"import {name}"], cwd=folder, capture_output=True, check=False)
        assert (found.returncode == 0) == (name == "numpy"), found.stderr
    return python


def script_of(folder: Path, text: str = COUNTING, python: str | None = None) -> Script:
    path = folder / "counting.py"
    path.write_text(text)
    return Script(path, "Counting", python)


def training_of(script: Script, learning: Learning, checkpoint: Path | None = None, **values: Any) -> OwnTraining:
    space = Space("script", "Script?", trainer=script, nuisance={"slope": Float(0.0, 1.0)})
    config = space.start.override({"slope": 0.5, "train.epochs": 3, **values})
    return OwnTraining(script, config, 5, learning, checkpoint)


def numbers(training: OwnTraining) -> list[tuple[Any, ...]]:
    """All of the epochs but how long they took."""
    while not training.finished:
        training.run_epoch()
    return [astuple(epoch)[:-1] for epoch in training.history]


def test_another_python_trains_as_this_one_does(
    other_python: str, parts: tuple[Learning, Testing], tmp_path: Path
) -> None:
    """Epochs, a stop and what comes after it, and the test."""
    here: Any = type("Perceptron", (load_code(PERCEPTRON).Perceptron, Trainer), {})
    space = load_space(str(EXAMPLE))
    settings = {"layers": 1, "rate": 1e-3, "decay": 1e-3, "units": 16, "train.epochs": 4}
    config = space.start.override(settings)
    there, checkpoint = Script(PERCEPTRON, "Perceptron", other_python), tmp_path / "trial.npz"
    inside = OwnTraining(here, config, 5, parts[0])
    begun = OwnTraining(there, config, 5, parts[0])
    for _ in range(2):
        begun.run_epoch()
    begun.save(checkpoint)
    apart = OwnTraining(there, config, 5, parts[0], checkpoint)
    assert numbers(apart) == numbers(inside)
    assert apart.parameters == inside.parameters == 48 * 48 * 16 + 16 + 16 * 7 + 7
    np.testing.assert_array_equal(apart.test(parts[1]).probabilities, inside.test(parts[1]).probabilities)


def test_texts_and_numbers_arrive_as_they_are(other_python: str, tmp_path: Path) -> None:
    texts, count = np.array(["happy", "sad", "an ängstlich face"]), np.arange(3)
    text = COUNTING.replace("float(len(images))", "float(sum(len(text) for text in images)) + labels.sum()")
    made = Apart(script_of(tmp_path, text, other_python), {"slope": 0.0}, 1, texts, count, ["a", "b", "c"])
    made.save(tmp_path / "state")
    assert float((tmp_path / "state").read_text()) == len("".join(texts)) + 3
    assert made.predict(texts[:0]).shape == (0, 7)


def test_a_process_serves_one_trial_after_the_other(parts: tuple[Learning, Testing], tmp_path: Path) -> None:
    script = script_of(tmp_path)
    first = training_of(script, parts[0])
    second = training_of(script, parts[0])
    pid = first.parameters
    assert pid not in (os.getpid(), second.parameters)  # two at a time
    alone = numbers(first)
    first.release()
    third = training_of(script, parts[0])
    assert third.parameters == pid
    assert numbers(third) == numbers(second) == alone
    third.release()
    changed = training_of(script_of(tmp_path, COUNTING + "# Another script."), parts[0])
    assert changed.parameters != pid
    assert pid is not None
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("self.count += ", "self.counts += ", r'counting\.py", line 11, in train_epoch\n.*\n(.*\n)*AttributeError'),
        ("self.count += ", "os._exit(3)  # ", r"^counting\.py, run by this Python, ended with status 3\. made$"),
        ("self.count += ", "os.kill(os.getpid(), 9)  # ", r"was killed by SIGKILL\. made$"),
        (
            "self.count += ",
            "raise SystemExit('enough')  # ",
            r"line 11, in train_epoch\n.*\n(.*\n)*SystemExit: enough$",
        ),
        ("import os", "import nothing", r"line 2, in <module>\n.*\nModuleNotFoundError: .*nothing"),
        ("class Counting:", "class Counting", r'counting\.py", line 5\n.*\n.*\nSyntaxError: '),
        ("class Counting:", "class Other:", r"^LookupError: counting\.py defines no Counting$"),
        ("def save", "def keep", r"^LookupError: Counting lacks save$"),
        ("return np.tile", 'return np.array("happy")  # ', r"^TypeError: predict gave <U\d+, expected numbers$"),
    ],
    ids=["error", "exit", "kill", "sys.exit", "import", "syntax", "class", "method", "answer"],
)
def test_what_goes_wrong_there_is_told_as_its_python_tells_it(
    old: str, new: str, message: str, parts: tuple[Learning, Testing], tmp_path: Path
) -> None:
    script = script_of(tmp_path, COUNTING.replace(old, new))
    with pytest.raises(ScriptError, match=message) as raised:
        training_of(script, parts[0]).run_epoch()
    assert "script_host" not in str(raised.value)
    assert "<string>" not in str(raised.value)


def test_a_script_does_not_hide_a_module_of_pythons(parts: tuple[Learning, Testing], tmp_path: Path) -> None:
    (tmp_path / "random.py").write_text(COUNTING)
    with pytest.raises(ScriptError, match=r"^LookupError: random\.py has the name of a module of Python's"):
        training_of(Script(tmp_path / "random.py", "Counting"), parts[0])


def test_what_is_no_probability_is_refused_by_the_trainers_name(
    parts: tuple[Learning, Testing], tmp_path: Path
) -> None:
    script = script_of(tmp_path, COUNTING.replace("np.arange(1, 8) **", "2 * np.arange(1, 8) **", 1))
    with pytest.raises(ValueError, match=r"^Counting\.predict gave a row .*, expected probabilities, of sum 1"):
        training_of(script, parts[0]).run_epoch()
    with pytest.raises(ValueError, match=r"^Counting\.save left no file state"):
        training_of(script_of(tmp_path, COUNTING.replace("path.write_text(", "len(")), parts[0]).run_epoch()


def test_what_is_printed_before_it_starts_is_no_answer(parts: tuple[Learning, Testing], tmp_path: Path) -> None:
    """As containers and module systems do."""
    said = """sh -c 'echo "{}"; exec "$0" "$@"' """ + sys.executable
    assert numbers(training_of(script_of(tmp_path, python=said), parts[0]))


@pytest.mark.parametrize(
    ("python", "message"),
    [
        ("nowhere/python", "nowhere/python cannot be started: No such file or directory"),
        ("sh -c 'echo no such module; exit 7'", r"sh -c .*, ended with status 7\. no such module$"),
    ],
)
def test_a_python_that_is_not_there_is_named(
    python: str, message: str, parts: tuple[Learning, Testing], tmp_path: Path
) -> None:
    with pytest.raises(ScriptError, match=message):
        training_of(script_of(tmp_path, python=python), parts[0])


@pytest.mark.parametrize(
    ("python", "message"),
    [
        ("nowhere/python", r"its Python, nowhere/python, cannot be started \(No such file or directory\)"),
        ("sh -c 'echo no such module; exit 7'", r"cannot be started \(status 7: no such module\)"),
        ("""sh -c "echo '{\\"python\\": \\"3.8.1\\"}'" """, r"is 3\.8\.1, expected 3\.9 or later"),
        ("""sh -c "echo '{\\"python\\": \\"3.13.0\\"}'" """, r"has no NumPy, by which images are handed"),
    ],
    ids=["path", "command", "old", "numpy"],
)
def test_a_python_that_cannot_run_it_is_refused_before_a_study_begins(
    python: str, message: str, tmp_path: Path
) -> None:
    space = Space("script", "Script?", trainer=script_of(tmp_path, python=python))
    with pytest.raises(InputError, match=rf"^counting\.py: .*{message}"):
        check_script(space)
    record = script_record(space)
    assert record == {"file": "counting.py", "python": python, "packages": {}}  # as on another machine of a cluster


def test_its_path_is_from_the_scripts_folder_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    script = script_of(tmp_path, python="envs/torch/bin/python -X dev")
    assert script.start() == [str(tmp_path / "envs/torch/bin/python"), "-X", "dev"]
    assert script_of(tmp_path, python="~/envs/bin/python").start() == ["/home/someone/envs/bin/python"]
    assert script_of(tmp_path, python="apptainer exec torch.sif python").start()[:2] == ["apptainer", "exec"]
    assert script_of(tmp_path).start() == [sys.executable]


def test_a_script_that_is_not_there_is_named_with_the_way_to_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.py: No such file.*Path\(__file__\)\.with_name\('nowhere\.py'\)"):
        Script(Path("nowhere.py"), "Counting")


WORKER = """
import sys
from pathlib import Path
import numpy as np
from fer_core.apart import Apart
from fer_core.script import Script

made = Apart(Script(Path(sys.argv[1]), "Counting"), {"slope": 0.0}, 1, np.zeros((3, 2)), np.zeros(3), ["a"])
print(made.parameters, flush=True)
made.train_epoch(1)
"""


def test_it_ends_with_a_worker_that_is_killed_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    """And what it has started, too: else they would hold memory and GPU against the trial that goes on elsewhere."""
    waits = """import multiprocessing, time
        multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,)).start()
        print("started")
        time.sleep(600) # """
    script = script_of(tmp_path, COUNTING.replace("self.count += ", waits))
    command = [sys.executable, "-u", "-c", WORKER, str(script.path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as worker:
        assert worker.stdout is not None
        lines = {worker.stdout.readline().strip() for _ in range(3)}
        there = psutil.Process(int((lines - {"made", "started"}).pop()))
        family = [there, *there.children(recursive=True)]
        worker.send_signal(signal.SIGKILL)
    assert len(family) == 2
    _, alive = psutil.wait_procs(family, timeout=30)
    assert not alive


def test_a_script_may_load_its_data_by_processes_of_its_own(parts: tuple[Learning, Testing], tmp_path: Path) -> None:
    """As PyTorch's loaders do. They close the standard input that they inherit, which nobody may be reading from."""
    pooled = """import multiprocessing
        with multiprocessing.get_context("fork").Pool(2) as pool:
            self.count += sum(pool.map(abs, [1.0, -2.0]))
        self.count += """
    assert numbers(training_of(script_of(tmp_path, COUNTING.replace("self.count += ", pooled)), parts[0]))


def test_the_check_hears_what_a_script_asks_for(parts: tuple[Learning, Testing], tmp_path: Path) -> None:
    space = Space("script", "Script?", trainer=script_of(tmp_path), fixed={"slope": 0.5, "depth": 3})
    found = {one.what: one for one in check.check_arm(space, space.arms[0], parts[0])}
    assert [what for what, one in found.items() if not one.holds] == ["heeds its settings"]
    assert found["heeds its settings"].otherwise == "it never asks for depth"


def test_a_study_can_rely_on_the_example(
    other_python: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINER_PYTHON", other_python)
    assert check.main([str(EXAMPLE), "--images", "200"]) == 0
    assert capsys.readouterr().out.endswith("A study can rely on it.\n")
    assert f"Trained by Perceptron, in perceptron.py, run by {other_python}" in full_text(str(EXAMPLE))


SPACE = """
from pathlib import Path
from fer_core.script import Script
from search_spaces.space import Float, Space

SPACE = Space("script", "Script?", trainer=Script(Path(__file__).with_name("counting.py"), "Counting", {python!r}),
              nuisance={{"slope": Float(0.1, 0.9)}}, published={{"slope": 0.5}})
"""


@pytest.fixture(scope="module")
def study_apart(other_python: str, tmp_path_factory: pytest.TempPathFactory) -> FinishedStudy:
    """With a mistake in the script, which shows as published."""
    folder = tmp_path_factory.mktemp("apart")
    script_of(folder, COUNTING.replace('print("made")', '1 / (settings["slope"] != 0.5)'))
    (folder / "space.py").write_text(SPACE.format(python=other_python))
    size = ("--budget", "quick", "--trials", "3", "--seeds", "2", "--epochs", "2", "--set", "data.train_images=64")
    arguments = ("--space", folder / "space.py", "--data", "synthetic", *size, "--out", folder / "study")
    return FinishedStudy(folder / "study", run_module("study.run", *arguments))


def test_a_study_runs_by_another_python(study_apart: FinishedStudy) -> None:
    assert study_apart.command.status == 0, study_apart.command.err
    trials = pd.read_parquet(study_apart.folder / "trials.parquet")
    good = trials[trials["status"] != "failed"]
    assert good.groupby("phase").size().to_dict() == {"search": 2, "confirm": 2}
    assert set(good["config.trainer"]) == {"Counting"}
    assert good.loc[good["phase"] == "confirm", "test_accuracy"].between(0, 1).all()
    hosts = [process for process in psutil.process_iter() if process.pid in set(good["parameters"])]
    _, alive = psutil.wait_procs(hosts, timeout=30)
    assert not alive  # they end with the workers


def test_a_study_and_its_report_say_what_its_script_ran_with(study_apart: FinishedStudy, other_python: str) -> None:
    script = json.loads((study_apart.folder / "study.json").read_text())["script"]
    assert (script["file"], script["python"]) == ("counting.py", other_python)
    assert script["packages"]["python"] == platform.python_version()
    assert script["packages"]["numpy"] == np.__version__
    assert "keras" not in script["packages"]
    assert run_module("study.report", study_apart.folder).status == 0
    page = (study_apart.folder / "report" / "index.html").read_text()
    assert f"run by {other_python}: python {platform.python_version()}" in page


def test_a_mistake_in_a_script_is_reported_with_its_place(study_apart: FinishedStudy) -> None:
    failed = pd.read_parquet(study_apart.folder / "trials.parquet").query("status == 'failed'")
    assert set(failed["config.slope"]) == {0.5}
    assert set(failed["error"]) == {"ZeroDivisionError: division by zero (counting.py, line 8)"}
