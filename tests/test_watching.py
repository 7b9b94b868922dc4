"""What people watch while a study runs, and take away when it has ended, on one study of a conditional space."""

import json
import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from fer_core.config import TrialConfig
from fer_core.errors import InputError
from study.export import read_configuration
from study.records.parquet import read_table
from study.watching.logs import check_logs
from tests.conftest import ROOT, Finished, run_module

SPACE = """
from fer_core.size import parameters
from search_spaces.space import Choice, Float, Space

SPACE = Space(
    name="own",
    question="Which small network?",
    nuisance={
        "model.se_placement": Choice(("none", "block")),
        "model.se_reduction": Choice((2, 4, 8), when={"model.se_placement": ("block",)}),
        "model.dense_units": Choice((64, 256, 1024)),
        "train.learning_rate": Float(1e-3, 1e-2, log=True),
    },
    constraints={"at most 40,000 parameters": lambda config: parameters(config) <= 40_000},
)
"""


@dataclass(frozen=True)
class Watched:
    folder: Path
    command: Finished
    seen: list[dict[str, Any]]  # what optuna-dashboard knew of the trials while the study ran


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    place = tmp_path_factory.mktemp("watched")
    (place / "own.py").write_text(SPACE)
    folder = place / "study"
    folder.mkdir()
    (folder / "optuna.log").touch()
    small = ("--trials", "4", "--epochs", "2", "--seeds", "2", "--budget", "quick", "--set", "model.width=0.0625")
    images = ("--set", "data.train_images=320", "--set", "data.val_images=100")
    command = ["study.run", "--space", place / "own.py", "--data", "synthetic", *small, *images]
    with dashboard(folder / "optuna.log") as address:
        study = subprocess.Popen(
            [sys.executable, "-m", *map(str, command), "--log", "tensorboard", "--out", str(folder)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert study.stdout is not None
        out = ""
        for line in study.stdout:
            out += line
            if re.match(r"\d+/\d+  search", line):
                break
        seen = known_trials(address)
    rest, err = study.communicate(timeout=300)
    return Watched(folder, Finished(study.returncode, out + rest, err), seen)


@contextmanager
def dashboard(journal: Path) -> Iterator[str]:
    """The address of a real optuna-dashboard over `journal`, which answers already."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    port = address.rpartition(":")[2]
    command = [Path(sys.executable).parent / "optuna-dashboard", str(journal), "--port", port, "--quiet"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                urllib.request.urlopen(f"{address}/api/studies", timeout=30).close()
                break
            except urllib.error.URLError:  # not listening yet
                with suppress(subprocess.TimeoutExpired):
                    pytest.fail(f"optuna-dashboard ended with {server.wait(0.1)}")
        yield address
    finally:
        server.terminate()
        server.wait(30)


def known_trials(address: str) -> list[dict[str, Any]]:
    """The trials of the first study that the dashboard knows. It reads the journal at the first question only."""
    with urllib.request.urlopen(f"{address}/api/studies/0?after=0", timeout=30) as answer:
        return json.load(answer)["trials"]


def test_the_study_ends_well(watched: Watched) -> None:
    assert watched.command.status == 0, watched.command.err
    assert watched.command.err == ""
    assert len(read_table(watched.folder, "trials").query("phase == 'confirm' and status == 'completed'")) == 2


def test_optuna_dashboard_shows_a_study_that_runs(watched: Watched) -> None:
    assert {trial["state"] for trial in watched.seen} > {"Running"}
    ended = [trial for trial in watched.seen if trial["state"] in ("Complete", "Pruned")]
    rows = read_table(watched.folder, "trials").query("phase == 'search'").set_index("number")
    for trial in ended:
        assert trial["intermediate_values"][-1]["step"] == rows.at[trial["number"], "epochs"]


def test_tensorboard_has_the_curve_and_the_settings_of_every_trial(watched: Watched) -> None:
    trials, epochs = read_table(watched.folder, "trials"), read_table(watched.folder, "epochs")
    for row in trials.itertuples():
        recorded = epochs[epochs["trial"] == row.trial].sort_values("epoch")
        run = watched.folder / "tensorboard" / row.arm / f"{row.phase}-{row.trial}"
        events = [event for file in sorted(run.iterdir()) for event in tf.compat.v1.train.summary_iterator(str(file))]
        values = [(e.step, v) for e in events for v in e.summary.value]
        curve = [v.simple_value for step, v in values if v.tag == "val_accuracy" and step]
        assert curve == pytest.approx(recorded["val_accuracy"].tolist())
        assert "_hparams_/session_start_info" in {v.tag for _, v in values}
        assert len(list(run.iterdir())) == 1
        best = [v.simple_value for _, v in values if v.tag == "best/val_accuracy"]
        assert best == pytest.approx([row.val_accuracy])
        assert ("test_accuracy" in {v.tag for _, v in values}) == (row.phase != "search")


def test_an_exported_arm_is_a_configuration_and_a_network(watched: Watched, tmp_path: Path) -> None:
    done = run_module("study.export", watched.folder, "--arm", "all", "--out", tmp_path / "best")
    assert done.status == 0, done.err
    record = json.loads((tmp_path / "best.json").read_text())
    trials = read_table(watched.folder, "trials").set_index("trial")
    kept = trials.loc[record["network_of"]]
    assert kept["phase"] == "confirm"
    assert kept["val_accuracy"] == trials.query("phase == 'confirm'")["val_accuracy"].max()
    assert TrialConfig.from_flat(record["settings"]).digest() == record["network_of"].partition("-")[0]
    assert [path.stem for path in (watched.folder / "models").iterdir()] == [record["network_of"]]
    assert (tmp_path / "best.keras").stat().st_size > 10_000

    # The file is taken back, and lies in the arm of its own values.
    plan = run_module("study.run", "--space", "se_placement", "--dry-run", "--fixed", tmp_path / "best.json")
    assert plan.status == 0, plan.err
    table = [line for line in plan.out.splitlines() if line.startswith("│")]
    fixed = {line.split("│")[1].strip(): line.split("│")[3].strip() for line in table if line.split("│")[1].strip()}
    assert fixed.pop(record["settings"]["model.se_placement"]) == "2"
    assert sorted(fixed.values()) == ["0", "1"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("/nowhere", "--arm", "all"), "there is no study in it"),
        (("STUDY", "--arm", "none"), "--arm none: the study has all"),
        (("STUDY",), "required: --arm"),
    ],
)
def test_a_wrong_export_is_refused(
    arguments: tuple[str, ...], complaint: str, watched: Watched, tmp_path: Path
) -> None:
    named = [str(watched.folder) if a == "STUDY" else a for a in arguments]
    done = run_module("study.export", *named, "--out", tmp_path / "x")
    assert done.status == 2
    assert complaint in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is no JSON"),
        ("[1]", "expected an object of settings"),
        ('{"settings": {"model.depth": 3}}', "model.depth: no such setting"),
        ('{"model.width": "wide"}', "model.width=wide"),
    ],
)
def test_a_wrong_configuration_file_is_named(content: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(content)
    with pytest.raises(InputError, match=complaint) as raised:
        read_configuration(path)
    assert str(path) in str(raised.value)


def test_a_log_whose_package_is_missing_is_refused() -> None:
    check_logs(["tensorboard"])
    with pytest.raises(InputError, match="--log wandb: needs wandb, which is not installed"):
        check_logs(["wandb"])


def test_the_other_arguments_are_remembered_when_a_study_grows(watched: Watched) -> None:
    before = read_table(watched.folder, "trials")
    done = run_module("study.run", "--resume", "--trials", 6, "--searches", 2, "--out", watched.folder)
    assert done.status == 0, done.err
    after = read_table(watched.folder, "trials")
    assert set(before["trial"]) < set(after["trial"])
    searched = after.query("phase == 'search'")
    assert searched.groupby("search")["number"].apply(sorted).to_dict() == {0: list(range(6)), 1: list(range(6))}
    record = json.loads((watched.folder / "study.json").read_text())
    assert (record["window"], record["searches"]) == (2, 2)
    assert "intervals over searches and test images" in done.out
    again = run_module("study.run", "--resume", "--out", watched.folder, "--dry-run", "--json")
    assert json.loads(again.out)["searches"] == 2


def test_of_several_searches_the_best_by_validation_is_exported(watched: Watched, tmp_path: Path) -> None:
    trials = read_table(watched.folder, "trials")
    best = trials.query("phase == 'search' and status == 'completed'").nlargest(1, "val_accuracy").iloc[0]
    confirmed = trials.query("phase == 'confirm'").sort_values("seed")  # of equal ones the lowest seed is kept
    done = run_module("study.export", watched.folder, "--arm", "all", "--out", tmp_path / "best")
    assert done.status == 0, done.err
    record = json.loads((tmp_path / "best.json").read_text())
    assert record["validation_accuracy"] == best["val_accuracy"]
    network = confirmed.set_index("trial").loc[record["network_of"]]
    assert network["search"] == best["search"]
    kept = {path.stem for path in (watched.folder / "models").iterdir()}
    assert kept == set(confirmed.loc[confirmed.groupby("search")["val_accuracy"].idxmax(), "trial"])
