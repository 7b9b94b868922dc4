"""Results that are no mean over examples: the root of one, and the concordance of answers with what is true."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fer_core.data.protocols import Learning
from fer_core.errors import InputError
from fer_core.own_training import OwnTraining
from fer_core.scoring import Scoring
from fer_core.summaries import CONCORDANCE, ROOT, result, summands
from fer_core.trainer import Trainer
from search_spaces.space import Score
from study.analysis.answers import Scores
from study.analysis.estimate import estimate
from study.analysis.findings import find
from study.analysis.measures import Measure, measures_of
from study.planning.inputs import check_inputs
from study.records.parquet import read_table
from study.report.__main__ import main as report
from tests.conftest import ONE_WORKER, FinishedStudy, run_module
from tests.driven import plan
from tests.test_features import holding
from tests.test_scored_study import write_places, write_space
from tests.test_scored_training import Guess, space_with

ROOT_OF_SQUARES = Score("root mean square error", higher_is_better=False, over=ROOT)
AGREEMENT = Score("concordance", over=CONCORDANCE)


def measure(score: Score, name: str = "score") -> Measure:
    given = {"title": score.title, "unit": score.unit, "higher_is_better": score.higher_is_better}
    return measures_of({"score": {**given, "over": score.over}})[name]


def lins(x: np.ndarray, y: np.ndarray) -> float:
    """As Lin (1989) has it, on the mean over the columns."""
    cov = ((x - x.mean(axis=0)) * (y - y.mean(axis=0))).mean(axis=0)
    return float((2 * cov / (x.var(axis=0) + y.var(axis=0) + (x.mean(axis=0) - y.mean(axis=0)) ** 2)).mean())


def answered(seeds: int = 4, count: int = 300, random: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Answers (seeds, count, 2) to targets (count, 2)."""
    draw = np.random.default_rng(random)
    targets = draw.normal(0, 1, (count, 2))
    hard = draw.normal(0, 0.7, (count, 2))
    return 0.7 * targets + 0.2 + hard + draw.normal(0, 0.3, (seeds, count, 2)), targets


def scores_of(answers: np.ndarray, targets: np.ndarray, **known: Any) -> list[Scores]:
    images = np.arange(len(targets))
    return [Scores(images, summands(CONCORDANCE, one, targets), **known) for one in answers]


def test_a_result_is_what_its_name_says() -> None:
    answers, targets = answered()
    assert result(CONCORDANCE, answers[0], targets) == pytest.approx(lins(answers[0], targets), abs=1e-12)
    assert result(CONCORDANCE, targets, targets) == pytest.approx(1)
    assert result(CONCORDANCE, -targets, targets) < 0
    assert result(CONCORDANCE, np.zeros_like(targets), targets) == pytest.approx(0, abs=1e-12)
    assert np.isnan(result(CONCORDANCE, np.full_like(targets, np.nan), targets))
    errors = (answers[0] - targets)[:, 0]
    assert result(ROOT, errors**2, targets) == pytest.approx(np.sqrt((errors**2).mean()))


def test_seeds_have_their_concordance_and_an_interval_like_that_of_resampled_images() -> None:
    answers, targets = answered(seeds=20)
    got = measure(AGREEMENT).observe(scores_of(answers, targets))
    assert got.by_seed == pytest.approx([lins(one, targets) for one in answers], abs=1e-10)
    found, draw = estimate(got), np.random.default_rng(0)
    resampled = []
    for _ in range(2_000):
        rows, seeds = draw.integers(0, 300, 300), draw.integers(0, 20, 20)
        resampled.append(np.mean([lins(answers[seed][rows], targets[rows]) for seed in seeds]))
    assert found.standard_error == pytest.approx(np.std(resampled), rel=0.12)


def test_two_arms_are_compared_on_the_same_images() -> None:
    answers, targets = answered()
    better = answers + 0.3 * (targets - answers)
    first, second = (measure(AGREEMENT).observe(scores_of(of, targets)) for of in (better, answers))
    gap = estimate(first.minus(second))
    assert gap.value == pytest.approx(
        np.mean([lins(b, targets) - lins(a, targets) for b, a in zip(better, answers, strict=True)])
    )
    alone = np.hypot(estimate(first).standard_error, estimate(second).standard_error)
    assert gap.standard_error < 0.5 * alone  # what both share is not counted


def test_folds_and_people_are_left_out_at_a_time() -> None:
    answers, targets = answered()
    rows = np.arange(300) % 5
    table = [[scores_of(one[rows == fold][None], targets[rows == fold])[0] for fold in range(5)] for one in answers]
    in_turn = measure(AGREEMENT).observe_folds(table)
    assert in_turn.by_seed == pytest.approx([lins(one, targets) for one in answers], abs=1e-10)
    people = np.arange(300) // 10
    by_person = measure(AGREEMENT).observe(scores_of(answers, targets, subjects=people))
    by_image = measure(AGREEMENT).observe(scores_of(answers, targets))
    assert by_person.by_seed == pytest.approx(by_image.by_seed, abs=1e-10)
    assert by_person.answers is not None
    assert np.shape(by_person.answers)[1] == 30


def test_without_twins_it_is_of_the_other_images() -> None:
    answers, targets = answered()
    distinct = np.arange(300) % 3 > 0
    got = measure(AGREEMENT, "score_distinct").observe(scores_of(answers, targets, distinct=distinct))
    assert got.by_seed == pytest.approx([lins(one[distinct], targets[distinct]) for one in answers], abs=1e-10)


def test_the_root_of_a_mean_has_the_interval_that_its_slope_gives() -> None:
    """Of a smooth function of a mean: its slope times the mean's (the delta method)."""
    draw = np.random.default_rng(2)
    squares = draw.normal(0, 2, 400) ** 2 + draw.normal(0, 0.01, (6, 400))
    images = np.arange(400)
    of_mean = measure(Score("squared error", higher_is_better=False))
    found = [
        estimate(one.observe([Scores(images, row[:, None]) for row in squares]))
        for one in (measure(ROOT_OF_SQUARES), of_mean)
    ]
    root, mean = found
    assert root.value == pytest.approx(np.sqrt(squares.mean(axis=1)).mean())
    assert root.standard_error == pytest.approx(mean.standard_error / (2 * root.value), rel=0.15)


class Reads(Guess):
    """Answers with a share of what it is shown."""

    score = Trainer.score

    def predict(self, images: np.ndarray) -> np.ndarray:
        return images[:, :2] * self.course[self.number - 1]


def rows(count: int = 20) -> np.ndarray:
    return np.random.default_rng(4).normal(size=(count, 3)).astype(np.float32)


def trained(course: str, targets: np.ndarray, trainer: type[Trainer] = Reads) -> OwnTraining:
    space = space_with(trainer, measure=AGREEMENT, scientific={}, nuisance={}, fixed={"course": course})
    settings = {"course": course, "train.epochs": len(course.split()), "train.monitor": "highest_score"}
    zeros = np.zeros(len(targets), np.uint8)
    seen = Learning(rows(), zeros, rows(), zeros, ("v", "a"), train_targets=targets, val_targets=targets)
    return OwnTraining(trainer, space.start.override(settings), 0, seen, scoring=Scoring(over=CONCORDANCE))


def test_a_training_is_measured_by_its_answers() -> None:
    training = trained("0.1 1 0.5", rows()[:, :2])
    while not training.finished:
        training.run_epoch()
    expected = [lins(rows()[:, :2] * share, rows()[:, :2]) for share in (0.1, 1, 0.5)]
    assert [epoch.val_score for epoch in training.history] == pytest.approx(expected, abs=1e-6)
    assert training.best.epoch == 2


def test_answers_are_like_the_targets() -> None:
    with pytest.raises(ValueError, match=r"Reads\.predict gave float32 \(20, 2\), expected .* \(20, 1\)"):
        trained("1", rows()[:, :1]).run_epoch()


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(InputError, match="overlap: over median, expected mean, root, concordance"):
        Score("overlap", over="median")
    with pytest.raises(InputError, match="a concordance is better the higher it is"):
        Score("discordance", higher_is_better=False, over=CONCORDANCE)
    with pytest.raises(InputError, match="its trainer Guess lacks predict"):
        space_with(Guess, measure=AGREEMENT)
    of_numbers = plan(space_with(Reads, measure=AGREEMENT), data_name="data")
    with pytest.raises(InputError, match="data: holds classes, and the space guess is judged by the concordance"):
        check_inputs(of_numbers, holding(None))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> FinishedStudy:
    folder = tmp_path_factory.mktemp("concordance")
    space = write_space(folder / "valence.py")
    by_error, claimed = 'Score("absolute error", higher_is_better=False)', '"absolute", "squared", 0.5, "score"'
    text = space.read_text()
    assert by_error in text
    assert claimed in text
    space.write_text(text.replace(by_error, 'Score("concordance", over="concordance", margin=0.02)'))
    arguments = ("--space", space, "--data", write_places(folder / "places.npz"), "--subjects", "person", *ONE_WORKER)
    done = run_module("study.run", *arguments, "--trials", 4, "--epochs", 4, "--seeds", 2, "--out", folder / "study")
    assert done.status == 0, done.out + done.err
    return FinishedStudy(folder / "study", done)


def test_a_study_is_judged_by_concordance(study: FinishedStudy, tmp_path: Path) -> None:
    trials, scores = (read_table(study.folder, name) for name in ("trials", "scores"))
    assert scores["score"].isna().all()
    tested = trials[trials["test_score"].notna()].set_index("trial")["test_score"]
    for trial, part in scores.groupby("trial"):
        answers, targets = (np.stack(part[name].to_list()) for name in ("answers", "targets"))
        assert tested[trial] == pytest.approx(lins(answers, targets), abs=1e-6)
    for _, rows_of in trials.groupby("arm"):
        searched = rows_of[(rows_of["phase"] == "search") & (rows_of["status"] == "completed")]
        best = searched.loc[searched["val_score"].idxmax()]
        assert set(rows_of.loc[rows_of["phase"] == "confirm", "config.rate"]) == {best["config.rate"]}
    (found,) = find([study.folder])
    assert found.evidence.judged_by.higher_is_better
    assert found.evidence.margin == 0.02
    assert found.comparisons[0].difference.over_images
    record = json.loads((study.folder / "study.json").read_text())
    assert (record["score"]["over"], record["margin"]) == ("concordance", 0.02)
    assert "test concordance" in study.command.out
    assert report([str(study.folder), "--out", str(tmp_path)]) == 0
    html = (tmp_path / "index.html").read_text()
    assert "concordance without twins" in html
    assert (tmp_path / "answers.png").exists()
    assert "Every target by itself" in html
    table = pd.read_csv(tmp_path / "targets.csv").set_index(["target", "measure", "arm"])
    of_arms = table[table["baseline"].isna()]
    assert len(of_arms) == 2 * 3 * 2
    for arm in found.arms:
        by_itself = [of_arms.loc[(name, "concordance", arm.arm), "value"] for name in ("valence", "arousal")]
        assert np.mean(by_itself) == pytest.approx(arm.estimates["score"].value)
    gaps = table[table["baseline"] == "squared"].loc[("arousal", "correlation", "absolute")]
    assert gaps["value"] == pytest.approx(
        found.targets["arousal"]["correlation"].arms["absolute"].value
        - found.targets["arousal"]["correlation"].arms["squared"].value
    )
    assert "root mean square error" in (tmp_path / "targets.tex").read_text()
    assert "the whole interval within 0.0200 of zero" in html
