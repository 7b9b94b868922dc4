"""Studies that a score judges: the search takes it the right way round, and all that follows knows it."""

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest

from fer_core.epoch import worth
from search_spaces.catalogue import load_space
from search_spaces.space import Score, Space
from study.analysis.findings import find
from study.analysis.measures import MEASURES, measures_of
from study.plan import TrialSpec
from study.records.folder import read_study
from study.records.parquet import read_table
from study.report.__main__ import main as report
from study.report.figures.style import Subject, fence
from study.report.figures.tuning import hyperparameters, untuned
from tests.conftest import ONE_WORKER, ROOT, FinishedStudy, run_module
from tests.driven import KilledError, journal, plan, run, same_study, trials
from tests.test_own_trainer import Guess
from tests.test_own_trainer import space_with as by_accuracy
from tests.test_scored_training import Guess as Scores
from tests.test_scored_training import space_with as by_score

EXAMPLE = ROOT / "docs" / "examples" / "valence.py"


def quality(spec: TrialSpec, epoch: int) -> float:
    """Best at keep = 0.4, and rising."""
    keep = float(spec.config.flat()["keep"])  # type: ignore[arg-type]
    return (0.9 - (keep - 0.4) ** 2) * (1 - 0.5**epoch) + 1e-6 * (spec.seed % 97)


def accuracies(spec: TrialSpec, number: int) -> dict[str, Any]:
    value = quality(spec, number)
    every = {f"{part}_{name}": value for part in ("train", "val") for name in ("accuracy", "loss", "macro_f1")}
    balanced = {f"{part}_balanced_accuracy": value for part in ("train", "val")}
    return {"epoch": number, **every, **balanced, "learning_rate": None, "seconds": 1.0}


def errors(spec: TrialSpec, number: int) -> dict[str, Any]:
    value = 1 - quality(spec, number)
    return {"epoch": number, "train_score": value, "val_score": value, "learning_rate": None, "seconds": 1.0}


def of_errors(spec: TrialSpec, others: Sequence[str] = ()) -> dict[str, Any] | None:
    if spec.phase == "search":
        return None
    scores = np.arange(4) / 4 + 1 - quality(spec, 9)
    known = {"images": np.arange(4), "distinct": np.array([True, True, False, True])}
    return {"test_score": float(scores.mean()), "scores": scores, **known}


def choices(folder: Path) -> list[tuple[Any, ...]]:
    """What was tried, how long, and how it ended."""
    names = ["arm", "phase", "number", "seed", "config.keep", "epochs", "status"]
    return sorted(map(str, trials(folder)[names].fillna(-1).itertuples(index=False)))


@pytest.mark.parametrize("sampler", ["tpe", "cmaes", "random"])
def test_the_less_is_sought_as_the_more_is(sampler: str, tmp_path: Path) -> None:
    """An error of 1 less an accuracy makes the very same study: trials, rungs, winners."""
    arguments = {"trials": 24, "sampler": sampler}
    for name in ("more", "less"):
        (tmp_path / name).mkdir()
    run(plan(by_accuracy(Guess), **arguments), tmp_path / "more", rows=accuracies)
    run(plan(by_score(Scores), **arguments), tmp_path / "less", rows=errors, results=of_errors)
    assert choices(tmp_path / "more") == choices(tmp_path / "less")
    statuses = trials(tmp_path / "less")["status"]
    assert {"pruned", "completed"} <= set(statuses)
    directions = {study.direction for study in journal(tmp_path / "less").values()}
    assert directions == {optuna.study.StudyDirection.MINIMIZE}


def test_a_driver_that_dies_leaves_a_study_that_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    the_plan = plan(by_score(Scores), trials=12)
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    run(the_plan, tmp_path / "whole", rows=errors, results=of_errors)
    saved: dict[str, int] = {}
    for steps in (7, 23, 60, 90):
        with pytest.raises(KilledError):
            run(the_plan, tmp_path / "cut", steps=steps, checkpoints=saved, rows=errors, results=of_errors)
    run(the_plan, tmp_path / "cut", checkpoints=saved, rows=errors, results=of_errors)
    same_study(tmp_path / "cut", tmp_path / "whole")
    columns = ["trial", "image"]
    cut, whole = (read_table(tmp_path / name, "scores").sort_values(columns) for name in ("cut", "whole"))
    pd.testing.assert_frame_equal(cut.reset_index(drop=True), whole.reset_index(drop=True))
    assert len(cut) == 4 * (trials(tmp_path / "cut")["phase"] == "confirm").sum()


def test_an_epoch_is_worth_what_its_goal_says() -> None:
    epoch = {"epoch": 3, "val_loss": 0.5, "val_accuracy": 0.7, "val_score": 2.0}
    goals = {"loss": -0.5, "accuracy": 0.7, "highest_score": 2.0, "lowest_score": -2.0, "last": 3}
    assert {goal: worth(epoch, goal) for goal in goals} == goals


def write_places(path: Path) -> Path:
    """Drawn images of two numbers: how bright the left half is, and how much brighter than the right."""
    random = np.random.default_rng(1)
    arrays: dict[str, Any] = {"targets": ["valence", "arousal"]}
    for part, count in {"train": 120, "val": 40, "test": 50}.items():
        halves = random.uniform(0, 255, (count, 2))
        images = np.repeat(halves, 6, axis=1)[:, None, :] + random.normal(0, 25, (count, 12, 12))
        places = np.stack([halves[:, 0], halves[:, 0] - halves[:, 1]], axis=1) / 255
        arrays |= {f"x_{part}": images.clip(0, 255).astype(np.uint8), f"y_{part}": places}
    arrays["x_test"][:5] = arrays["x_train"][:5]
    arrays["person_train"], arrays["person_val"] = np.arange(120) // 2, 100 + np.arange(40)
    arrays["person_test"] = 200 + np.arange(50) // 5
    np.savez(path, **arrays)
    return path


def write_space(path: Path) -> Path:
    """The example with fewer components, and a claim."""
    text = EXAMPLE.read_text().replace("Choice((50, 100, 200))", "Choice((2, 4))")
    claim = '    claim=Claim("absolute", "squared", 0.5, "score", unit=""),\n    scientific='
    text = text.replace("import Choice,", "import Choice, Claim,").replace("    scientific=", claim)
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_places(tmp_path_factory.mktemp("places") / "places.npz")


@pytest.fixture(scope="module")
def space(places: Path) -> Path:
    return write_space(places.with_name("valence.py"))


@pytest.fixture(scope="module")
def scored_study(places: Path, space: Path) -> FinishedStudy:
    folder = places.with_name("study")
    arguments = ("--space", space, "--data", places, "--subjects", "person", *ONE_WORKER)
    done = run_module("study.run", *arguments, "--trials", 6, "--epochs", 6, "--seeds", 2, "--out", folder)
    assert done.status == 0, done.out + done.err
    return FinishedStudy(folder, done)


def test_a_study_by_a_score_runs_and_says_what_came_out(scored_study: FinishedStudy) -> None:
    lines = scored_study.command.out.splitlines()
    assert "210 images (120 Training, 40 PublicTest, 50 PrivateTest), 48 x 48 in grey" in scored_study.command.out
    assert "targets valence, arousal, protocol challenge" in scored_study.command.out
    assert any(re.search(r"confirm squared \S+  completed .*  val 0\.\d+  test 0\.\d+", line) for line in lines)
    assert "test absolute error" in scored_study.command.out
    assert (
        "Differences in test absolute error (less is better), paired by seed and test image"
        in scored_study.command.out
    )
    assert "without twins: on the test images with no identical training image" in scored_study.command.out
    (verdict,) = (line for line in lines if line.startswith("Verdict: "))
    assert "The claimed gain of +0.5 for absolute over squared: contradicted" in verdict


def test_its_tables_hold_the_scores_and_nothing_of_classes(scored_study: FinishedStudy) -> None:
    table, scores = (read_table(scored_study.folder, name) for name in ("trials", "scores"))
    assert not (scored_study.folder / "predictions.parquet").exists()
    searched = table["phase"] == "search"
    assert table.loc[searched, "test_score"].isna().all()
    means = scores.groupby("trial")["score"].mean()
    confirmed = table[~searched].set_index("trial")
    pd.testing.assert_series_equal(confirmed["test_score"], means[confirmed.index], check_names=False)
    assert scores.groupby("trial")["distinct"].sum().eq(45).all()
    assert scores["subject"].nunique() == 10
    epochs = read_table(scored_study.folder, "epochs")
    for frame, parts in ((table, ("train", "val", "test")), (epochs, ("train", "val"))):
        empty = [f"{part}_{name}" for part in parts for name in ("accuracy", "loss", "macro_f1", "balanced_accuracy")]
        assert frame[empty].isna().all(axis=None)
    best = epochs.groupby("trial")["val_score"].min()
    ended = table.set_index("trial")
    pd.testing.assert_series_equal(ended["val_score"], best[ended.index], check_names=False)


def test_the_winner_has_the_least_error(scored_study: FinishedStudy) -> None:
    table = read_table(scored_study.folder, "trials")
    for _, rows in table.groupby("arm"):
        completed = rows[(rows["phase"] == "search") & (rows["status"] == "completed")]
        best = completed.loc[completed["val_score"].idxmin()]
        confirmed = rows[rows["phase"] == "confirm"]
        assert set(confirmed["config.rate"]) == {best["config.rate"]}
    (found,) = find([scored_study.folder])
    assert [arm.validation for arm in found.arms] == pytest.approx(
        [rows[rows["phase"] == "search"]["val_score"].min() for _, rows in reversed(list(table.groupby("arm")))]
    )


def test_what_it_says_without_twins_is_of_the_others(scored_study: FinishedStudy) -> None:
    (found,) = find([scored_study.folder])
    scores = read_table(scored_study.folder, "scores")
    for arm in found.arms:
        of_arm = scores[scores["trial"].isin(arm.confirmations["trial"])]
        assert arm.estimates["score"].value == pytest.approx(of_arm["score"].mean())
        alone = of_arm[of_arm["distinct"]].groupby("trial")["score"].mean().mean()
        assert arm.estimates["score_distinct"].value == pytest.approx(alone)
    assert found.evidence.units == "test subjects"


def test_its_report_is_in_the_scores_own_words(scored_study: FinishedStudy, tmp_path: Path) -> None:
    assert report([str(scored_study.folder), "--out", str(tmp_path)]) == 0
    html = (tmp_path / "index.html").read_text()
    assert "absolute error without twins" in html
    assert "The less absolute error and absolute error without twins the better." in html
    for not_told in ("accuracy", "macro F1", "in per cent", "Confusion", "McNemar", "Reliability"):
        assert not_told not in html, not_told
    drawn = {path.stem for path in tmp_path.glob("*.png")}
    assert drawn == {"differences", "curves", "untuned", "hyperparameters", "cost"}
    arms = pd.read_csv(tmp_path / "arms.csv")
    (found,) = find([scored_study.folder])
    assert arms["test_score"].tolist() == pytest.approx([arm.estimates["score"].value for arm in found.arms])
    assert {"test_score_distinct", "test_score_distinct_low"} <= {*arms.columns}
    assert "absolute error" in (tmp_path / "arms.tex").read_text()


def test_scores_far_worse_than_all_others_do_not_make_one_point_of_these() -> None:
    values, far = [0.31, 0.32, 0.33, 0.34, 0.35], 1e12
    accuracy = MEASURES["accuracy"]
    error, gain = (
        measures_of({"score": {"title": "score", "unit": "", "higher_is_better": higher}})["score"]
        for higher in (False, True)
    )
    low, high = fence([*values, far], error)
    assert (low, 0.35 < high < 1) == (-np.inf, True)
    low, high = fence([*values, -far], gain)
    assert (-1 < low < 0.31, high) == (True, np.inf)
    for every in (fence([*values, far], accuracy), fence([], error), fence([1.0] * 5 + [5.0], error)):
        assert every == (-np.inf, np.inf)


@pytest.mark.parametrize("ended", ["as it did", "all failed"])
def test_the_figures_of_the_search_are_drawn_however_it_ended(ended: str, scored_study: FinishedStudy) -> None:
    (found,) = find([scored_study.folder])
    rows = found.evidence.trials.copy()
    first = rows.index[rows["phase"] == "search"]
    rows.loc[first[:1], "val_score"] = 1e12
    if ended == "all failed":
        rows.loc[first, "status"] = "failed"
    subject = Subject(replace(found, evidence=replace(found.evidence, trials=rows)))
    drawn = untuned(subject), hyperparameters(subject)
    if ended == "as it did":
        for figure in drawn:
            assert figure is not None
            along = figure.axes[0].get_xlim() if figure is drawn[0] else figure.axes[0].get_ylim()
            assert along[1] < 2


def test_its_record_says_what_judges(scored_study: FinishedStudy) -> None:
    record = read_study(scored_study.folder)
    assert record is not None
    assert record["measure"] == "score"
    assert Score(**record["score"]) == Score("absolute error", higher_is_better=False)
    assert (record["targets"], record["class_names"]) == (["valence", "arousal"], [])
    assert record["settings"]["train.monitor"] == "lowest_score"


def test_its_best_configuration_runs_as_a_fixed_trial(
    scored_study: FinishedStudy, places: Path, space: Path, tmp_path: Path
) -> None:
    done = run_module("study.export", scored_study.folder, "--arm", "absolute", "--out", tmp_path / "best")
    assert done.status == 0, done.err
    exported = json.loads((tmp_path / "best.json").read_text())
    table = read_table(scored_study.folder, "trials")
    confirmed = table[(table["arm"] == "absolute") & (table["phase"] == "confirm")]
    assert exported["test_score_by_seed"] == confirmed["test_score"].tolist()
    assert (tmp_path / "best.state").is_file()
    arguments = ("--space", space, "--data", places, "--fixed", tmp_path / "best.json", "--out", tmp_path / "again")
    again = run_module("study.run", *arguments, "--trials", 1, "--epochs", 6, "--seeds", 1, *ONE_WORKER)
    assert again.status == 0, again.out + again.err
    fixed = read_table(tmp_path / "again", "trials").query("phase == 'fixed'")
    assert fixed["test_score"].notna().all()
    assert "A configuration as given, arm absolute, one seed: test 0." in again.out


def test_it_grows(scored_study: FinishedStudy, tmp_path: Path) -> None:
    folder = tmp_path / "grown"
    shutil.copytree(scored_study.folder, folder)
    done = run_module("study.run", "--resume", "--out", folder, "--seeds", 3)
    assert done.status == 0, done.out + done.err
    before, after = (read_table(where, "trials") for where in (scored_study.folder, folder))
    assert len(after) == len(before) + 2
    assert len(read_table(folder, "scores")) == 50 * (after["phase"] == "confirm").sum()
    assert "The study was enlarged after its arms had been tested with" in done.out


def test_every_image_is_tested_in_turn_by_a_score_too(places: Path, space: Path, tmp_path: Path) -> None:
    arguments = ("--space", space, "--data", places, "--subjects", "person", "--folds", 3, *ONE_WORKER)
    done = run_module(
        "study.run", *arguments, "--trials", 1, "--epochs", 2, "--seeds", 1, "--out", tmp_path / "folds"
    )
    assert done.status == 0, done.out + done.err
    (found,) = find([tmp_path / "folds"])
    assert (found.evidence.folds, found.comparisons[0].difference.repeats) == (3, 3)
    scores = read_table(tmp_path / "folds", "scores")
    assert sorted(scores["image"].unique()) == list(range(210))
    of_arm = scores[scores["trial"].isin(found.arms[0].confirmations["trial"])]
    assert found.arms[0].estimates["score"].value == pytest.approx(of_arm["score"].mean())


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--measure", "macro_f1"), "--measure macro_f1: the space valence is judged by its own score."),
        (
            ("--also-test", "synthetic"),
            "--also-test: other data is tested by its classes; valence is judged by a score.",
        ),
        (("--set", "train.monitor=loss"), "expected lowest_score or last"),
    ],
)
def test_what_is_of_classes_alone_is_refused(
    options: tuple[str, ...], complaint: str, places: Path, space: Path, tmp_path: Path
) -> None:
    done = run_module("study.run", "--space", space, "--data", places, "--out", tmp_path / "none", *options)
    assert done.status == 2
    assert complaint in done.err
    assert not (tmp_path / "none").exists()


def test_a_dry_run_says_what_is_learned_and_not_what_it_could_see(places: Path, space: Path) -> None:
    done = run_module("study.run", "--space", space, "--data", places, "--dry-run")
    assert done.status == 0, done.err
    assert "targets valence, arousal" in done.out
    assert "could see" not in done.out
    planned = json.loads(run_module("study.run", "--space", space, "--data", places, "--dry-run", "--json").out)
    assert (planned["measure"], planned["detectable"]) == ("score", None)
    assert planned["images"]["targets"] == ["valence", "arousal"]
    assert "Compared (2 arms, by absolute error):" in run_module("study.spaces", space).out


def test_the_space_of_the_example_is_a_question() -> None:
    loaded: Space = load_space(str(EXAMPLE))
    assert loaded.score is not None
    assert (loaded.judged_by, loaded.goal, loaded.measure_title) == ("score", "lowest_score", "absolute error")
