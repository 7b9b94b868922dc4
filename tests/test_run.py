"""`python -m study.run` as a user calls it, with the real Ray, Optuna and Keras."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import optuna
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from fer_core.data.synthetic import synthetic_faces
from tests.conftest import ONE_WORKER, ROOT, SMALL_STUDY, FinishedStudy, run_module

PLANNED = {("none", "fixed"): 1, ("block", "fixed"): 1} | {
    (arm, phase): count for arm in ("none", "block", "conv") for phase, count in (("search", 3), ("confirm", 2))
}


def table(folder: Path, name: str) -> pd.DataFrame:
    return pq.read_table(folder / f"{name}.parquet").to_pandas()


def by_arm_and_phase(folder: Path) -> dict:
    trials = table(folder, "trials")
    return Counter(zip(trials["arm"], trials["phase"], strict=True))


def test_a_study_ends_with_every_trial_of_the_plan(finished_study: FinishedStudy) -> None:
    assert finished_study.command.status == 0, finished_study.command.err
    trials = table(finished_study.folder, "trials")
    assert by_arm_and_phase(finished_study.folder) == PLANNED
    assert trials["trial"].is_unique
    assert set(trials["status"]) <= {"completed", "pruned"}
    assert set(trials["attempts"]) == {1}


def test_its_output_can_be_piped(finished_study: FinishedStudy) -> None:
    out = finished_study.command.out
    lines = out.splitlines()
    assert lines[0] == "data: synthetic (as asked)"
    total = sum(PLANNED.values())
    assert [f"{n}/{total}" for n in range(1, total + 1)] == re.findall(rf"^\d+/{total}", out, re.MULTILINE)
    assert "\x1b" not in out
    assert "drawn faces: they say nothing of FER2013" in out
    assert lines[-1] == f"results: {finished_study.folder}"
    assert finished_study.command.err == ""  # Ray, TensorFlow and Optuna keep quiet


def test_its_tables_agree_with_each_other(finished_study: FinishedStudy) -> None:
    trials, epochs, predictions = (table(finished_study.folder, n) for n in ("trials", "epochs", "predictions"))
    assert not epochs.duplicated(["trial", "epoch"]).any()
    last = epochs.groupby("trial")["epoch"].agg(["count", "max"])
    assert (last["count"] == last["max"]).all()
    assert last["max"].to_dict() == trials.set_index("trial")["epochs"].to_dict()
    best = epochs.set_index(["trial", "epoch"])["val_accuracy"]
    for row in trials.itertuples():
        assert best[row.trial, row.best_epoch] == row.val_accuracy == best[row.trial].max()
        tested = predictions[predictions["trial"] == row.trial]
        assert (len(tested) > 0) == (row.phase != "search")
        if len(tested):
            assert (tested["label"] == tested["predicted"]).mean() == pytest.approx(row.test_accuracy)


def test_its_predictions_name_the_private_test_images(finished_study: FinishedStudy) -> None:
    faces = synthetic_faces()
    predictions = table(finished_study.folder, "predictions")
    one = predictions[predictions["trial"] == predictions["trial"].iloc[0]]
    assert (faces.usages[one["image"]] == 2).all()
    assert len(one) == (faces.usages == 2).sum()
    assert (faces.labels[one["image"]] == one["label"]).all()


def test_its_record_says_what_it_was(finished_study: FinishedStudy) -> None:
    record = json.loads((finished_study.folder / "study.json").read_text())
    assert (record["space"], record["data"], record["status"]) == ("se_placement", "synthetic", "complete")
    assert record["fingerprint"] == synthetic_faces().fingerprint()
    assert {"keras", "ray", "optuna"} <= set(record["versions"])
    assert record["command"][:3] == ["python", "-m", "study.run"]
    assert record["end"] >= record["start"]


def test_its_journal_is_one_study_an_arm(finished_study: FinishedStudy) -> None:
    storage = JournalStorage(JournalFileBackend(str(finished_study.folder / "optuna.log")))
    studies = {s.study_name: s for s in optuna.get_all_study_summaries(storage)}
    assert set(studies) == {"none", "block", "conv"}
    for name in studies:
        states = [t.state for t in optuna.load_study(study_name=name, storage=storage).trials]
        assert len(states) == 3
        assert set(states) <= {TrialState.COMPLETE, TrialState.PRUNED}


def test_it_leaves_no_working_files(finished_study: FinishedStudy) -> None:
    left = {path.name for path in finished_study.folder.iterdir()} - {"study.lock", "pending.jsonl"}
    assert left == {"study.json", "optuna.log", "models", "trials.parquet", "epochs.parquet", "predictions.parquet"}
    kept = {path.stem for path in (finished_study.folder / "models").iterdir()}
    arms = table(finished_study.folder, "trials").set_index("trial").loc[list(kept)]
    assert sorted(arms["arm"]) == ["block", "conv", "none"]  # one network an arm
    assert set(arms["phase"]) == {"confirm"}


def test_resuming_a_complete_study_repeats_nothing(finished_study: FinishedStudy) -> None:
    before = (finished_study.folder / "epochs.parquet").read_bytes()
    again = run_module("study.run", "--resume", "--out", finished_study.folder)
    assert again.status == 0, again.err
    assert (finished_study.folder / "epochs.parquet").read_bytes() == before
    assert "Verdict:" in again.out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--space", "se_placement"), "a study stands there. Add --resume"),
        (("--resume", "--data", "synthetic", "--protocol", "paper"), "protocol challenge, this one has paper"),
        (("--resume", "--protocol", "holdout"), "protocol challenge, this one has holdout"),
        (("--resume", "--seed", "3"), "seed 0, this one has 3"),
        (("--resume", "--measure", "macro_f1"), "measure accuracy, this one has macro_f1"),
        (("--resume", "--epochs", "9"), "train.epochs 3, this one has 9"),
    ],
)
def test_another_study_in_the_same_folder_is_refused(
    arguments: tuple[str, ...], complaint: str, finished_study: FinishedStudy
) -> None:
    refused = run_module("study.run", *arguments, "--out", finished_study.folder)
    assert refused.status == 2
    assert complaint in refused.err
    assert by_arm_and_phase(finished_study.folder) == PLANNED


def test_a_study_that_was_begun_with_generations_is_refused(finished_study: FinishedStudy, tmp_path: Path) -> None:
    record = json.loads((finished_study.folder / "study.json").read_text())
    record["generation"] = record.pop("window")
    (tmp_path / "study.json").write_text(json.dumps(record))
    refused = run_module("study.run", "--resume", "--out", tmp_path)
    assert refused.status == 2
    assert "holds a study of an earlier version, which cannot go on. Choose another --out." in refused.err


def content(folder: Path, name: str) -> list[dict]:
    """The rows without what differs from run to run: times, places and attempts; in an order of their own."""
    rows = table(folder, name).drop(columns=["seconds", "attempts", "node"], errors="ignore")
    if name == "predictions":
        rows["probabilities"] = rows["probabilities"].map(tuple)
    keys = [key for key in ("trial", "epoch", "image") if key in rows]
    return rows.sort_values(keys).astype(object).fillna("-").to_dict("records")


def test_an_interrupted_study_is_finished_by_the_command_it_prints(
    finished_study: FinishedStudy, tmp_path: Path
) -> None:
    folder = tmp_path / "study"
    command = [sys.executable, "-m", "study.run", *SMALL_STUDY, "--out", str(folder)]
    study = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert study.stdout is not None
    seen = 0
    for line in study.stdout:
        seen += bool(re.match(r"\d+/17 ", line))
        if seen == 3:
            break
    os.killpg(study.pid, signal.SIGINT)  # as a terminal's Ctrl-C: to the whole group, workers too
    out, err = study.communicate(timeout=120)
    assert study.returncode == 130, err
    assert err == ""
    told = out.splitlines()[-1]
    assert told.startswith("python -m study.run --resume --out ")
    kept = set(table(folder, "trials")["trial"])
    assert len(kept) >= 3

    resumed = run_module("study.run", *shlex.split(told)[3:])
    assert resumed.status == 0, resumed.err
    trials, epochs = table(folder, "trials"), table(folder, "epochs")
    assert by_arm_and_phase(folder) == PLANNED
    assert trials["trial"].is_unique
    assert kept < set(trials["trial"])
    assert not epochs.duplicated(["trial", "epoch"]).any()
    for name in ("trials", "epochs", "predictions"):  # the same command gives the same tables, interrupted or not
        assert content(folder, name) == content(finished_study.folder, name)


def test_what_failed_on_a_broken_node_is_trained_again_as_if_nothing_had_happened(
    finished_study: FinishedStudy, tmp_path: Path
) -> None:
    folder = shutil.copytree(finished_study.folder, tmp_path / "study")
    whole = pq.read_table(folder / "trials.parquet")
    broken = whole.to_pandas()["phase"].eq("confirm").idxmax()
    trial = whole["trial"][int(broken)].as_py()
    rows = [row | {"status": "failed"} if row["trial"] == trial else row for row in whole.to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, schema=whole.schema), folder / "trials.parquet")
    left = run_module("study.run", "--resume", "--out", folder)
    assert "note: 1 fixed or confirm trials failed; --resume --retry-failed tries them again." in left.out

    again = run_module("study.run", "--resume", "--retry-failed", "--out", folder)
    assert again.status == 0, again.err
    assert "failed trials that are tried again: 1" in again.out
    assert "fixed or confirm trials failed" not in again.out
    for name in ("trials", "epochs", "predictions"):
        assert content(folder, name) == content(finished_study.folder, name)


def test_the_paper_space_runs_in_both_protocols_and_says_what_choosing_adds(tmp_path: Path) -> None:
    folder = tmp_path / "paper"
    small = ("--epochs", 2, "--seeds", 2, "--set", "model.width=0.0625", "--set", "data.train_images=320")
    arguments = ("--space", "paper", "--data", "synthetic", *small, *ONE_WORKER)
    done = run_module("study.run", *arguments, "--out", folder)
    assert done.status == 0, done.err
    arms = ("none-paper", "none-challenge", "block-paper", "block-challenge")
    planned = {(arm, "confirm"): 2 for arm in arms} | {("none-paper", "fixed"): 1, ("block-paper", "fixed"): 1}
    assert by_arm_and_phase(folder) == planned
    trials = table(folder, "trials").set_index("trial")
    tested = table(folder, "predictions").groupby("trial").size()
    for trial, images in tested.items():
        of_all = trials.at[trial, "config.data.protocol"] == "paper"
        assert images == (1200 if of_all else 600)
        if of_all:  # the same images choose and are tested
            assert trials.at[trial, "val_accuracy"] == pytest.approx(trials.at[trial, "test_accuracy"])
    assert "What choosing on the test images adds" in done.out
    assert "68.01 %" in done.out
    assert json.loads((folder / "study.json").read_text())["protocol"] == "paper, challenge"


def test_a_time_limit_leaves_whole_tables_and_the_command_that_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    done = run_module("study.run", *SMALL_STUDY, "--time-limit", "1s", "--out", folder)
    assert done.status == 0, done.err
    assert "time limit: 1 second leaves no time to search: the confirmation is kept " in done.out
    assert "out of time; every finished trial is kept. To go on:" in done.out
    assert f"python -m study.run --resume --out {folder}" in done.out
    assert json.loads((folder / "study.json").read_text())["status"] == "out of time"
    assert len(table(folder, "trials")) < sum(PLANNED.values())


def test_a_second_driver_on_a_folder_is_refused(tmp_path: Path) -> None:
    import fcntl

    (tmp_path / "study.lock").write_text("process 12345 on somewhere\n")
    with (tmp_path / "study.lock").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        refused = run_module("study.run", *SMALL_STUDY, "--out", tmp_path)
    assert refused.status == 2
    assert "another driver runs this study (process 12345 on somewhere)" in refused.err
    assert not (tmp_path / "study.json").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "--space: name the question"),
        (("--space", "nothing"), "no such space"),
        (("--space", "se_placement", "--data", "/nowhere"), "--data /nowhere: no such file or folder"),
        (("--space", "se_placement", "--data", "synthetic", "--trials", "0"), "whole number of at least 1"),
        (("--space", "se_placement", "--data", "synthetic", "--set", "model.width"), "expected NAME=VALUE"),
        (("--space", "se_placement", "--data", "synthetic", "--set", "model.width=wide"), "model.width=wide"),
        (("--space", "se_placement", "--data", "synthetic", "--cpus-per-trial", "900"), "the cluster has"),
        (("--space", "se_placement", "--data", "synthetic", "--gpus-per-trial", "900"), "the cluster has"),
        (
            ("--space", "se_placement", "--data", "synthetic", "--gpus-per-trial", "-1"),
            "expected 0 or a number above",
        ),
        (("--space", "paper", "--data", "synthetic", "--protocol", "paper"), "compares protocols itself"),
        (("--space", "paper", "--data", "synthetic", "--searches", "3"), "the space paper tunes nothing"),
        (("--space", "se_placement", "--data", "synthetic", "--seed", "4294"), "must be less than 4294"),
        (
            ("--space", "se_placement", "--data", "synthetic", "--time-limit", "soon"),
            "expected a duration such as 2h",
        ),
        (
            ("--space", "se_placement", "--data", "synthetic", "--fixed", "/nowhere.json"),
            "--fixed /nowhere.json: cannot",
        ),
        (("--space", "se_placement", "--data", "synthetic", "--sampler", "gp"), "needs PyTorch"),
        (("--resume",), "name the study's folder with --out"),
        (("--space", "se_placement", "--retry-failed"), "--retry-failed: is for a study to go on with, by --resume"),
        (("--resume", "--out", "/nowhere"), "there is no study in /nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_command_is_answered_with_a_line_or_two(
    arguments: tuple[str, ...], complaint: str, tmp_path: Path
) -> None:
    out = () if "--out" in arguments or arguments in ((), ("--resume",)) else ("--out", tmp_path / "new")
    done = run_module("study.run", *arguments, *out)
    assert done.status == 2
    assert complaint in done.err
    assert len(done.err.splitlines()) <= 2
    assert "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_shows_the_plan_and_writes_nothing(tmp_path: Path) -> None:
    done = run_module(
        "study.run", *SMALL_STUDY, "--max-concurrent", "2", "--dry-run", "--out", tmp_path / "new", cwd=tmp_path
    )
    assert done.status == 0, done.err
    for part in ("17 trials of at most 3 epochs", "model.se_reduction 2, 4, 8, 16, 32", "network width 0.0625"):
        assert part in done.out
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_of_a_study_that_has_run_says_what_is_left(finished_study: FinishedStudy) -> None:
    again = ("study.run", "--resume", "--dry-run", "--out", finished_study.folder)
    assert "left of them: none, all have ended\n" in run_module(*again).out
    grown = run_module(*again, "--seeds", "3", "--json")
    assert grown.status == 0, grown.err
    left = json.loads(grown.out)["left"]
    assert left == {"fixed": 0, "search": 0, "confirm": 3, "tested_later": 0, "trained_again": 0}
    refused = run_module(*again, "--epochs", "9")
    assert refused.status == 2
    assert "holds a study with train.epochs 3, this one has 9" in refused.err


def test_help_has_examples() -> None:
    done = run_module("study.run", "--help")
    assert done.status == 0
    assert "python -m study.run --space se_placement --dry-run" in done.out
