"""A training that a score judges, which its trainer gives every example: here, in another Python, in a check."""

import json
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_core.apart import Apart
from fer_core.config import TrialConfig
from fer_core.data.protocols import Learning, Testing
from fer_core.errors import InputError
from fer_core.evaluation import Scored
from fer_core.own_training import OwnTraining
from fer_core.scoring import Scoring
from fer_core.script import Script
from fer_core.trainer import Trainer
from search_spaces.space import Claim, Float, Score, Space
from study import check
from study.plan import make_plan
from tests.conftest import ROOT

ERROR = Score("absolute error", unit="years", higher_is_better=False)
VALENCE = ROOT / "docs" / "examples" / "valence.py"


class Guess(Trainer):
    """Answers every example with the same number, which is its course's at this epoch."""

    def __init__(self, settings: Any, seed: int, images: np.ndarray, labels: np.ndarray, classes: Any) -> None:
        self.course, self.number, self.heard = [float(n) for n in settings["course"].split()], 0, []
        self.learned = labels

    def train_epoch(self, number: int) -> None:
        self.number = number

    def score(self, images: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return np.abs(targets[:, 0] - self.course[self.number - 1])

    def scored(self, score: float) -> None:
        self.heard.append(score)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps([self.number, self.heard]))

    def load(self, path: Path) -> None:
        self.number, self.heard = json.loads(path.read_text())


def space_with(trainer: Any = Guess, **given: Any) -> Space:
    usual: dict[str, Any] = {"scientific": {"kind": ("a", "b")}, "nuisance": {"keep": Float(0.1, 0.9)}}
    return Space("guess", "Guess?", trainer=trainer, **{"measure": ERROR, **usual, **given})


def some(count: int) -> np.ndarray:
    """Targets of so many examples, all 0."""
    return np.zeros((count, 1), np.float32)


def learning() -> Learning:
    rows = np.arange(6, dtype=np.float32).reshape(-1, 1)
    zeros = np.zeros(6, np.uint8)
    return Learning(rows, zeros, rows, zeros, ("age",), train_targets=some(6), val_targets=some(6))


def held_out() -> Testing:
    rows = np.arange(4, dtype=np.float32).reshape(-1, 1)
    return Testing(rows, np.zeros(4, np.uint8), np.arange(4), np.ones(4, bool), targets=some(4))


def config_of(course: str, monitor: str = "lowest_score", patience: int = 2) -> TrialConfig:
    settings = {"course": course, "train.epochs": len(course.split()), "train.monitor": monitor}
    space = space_with(scientific={}, nuisance={}, fixed={"course": course})
    return space.start.override({**settings, "train.stop_patience": patience})


def trained(course: str, monitor: str = "lowest_score", checkpoint: Path | None = None) -> OwnTraining:
    training = OwnTraining(Guess, config_of(course, monitor), 0, learning(), checkpoint, scoring=Scoring())
    while not training.finished:
        training.run_epoch()
    return training


@pytest.mark.parametrize(
    ("monitor", "epochs", "best"),
    [
        ("lowest_score", 4, 2),  # two epochs without a better one
        ("highest_score", 3, 1),
        ("last", 5, 5),
    ],
)
def test_the_epoch_with_the_best_score_is_tested(monitor: str, epochs: int, best: int) -> None:
    course = [0.9, 0.1, 0.3, 0.2, 0.5]
    training = trained(" ".join(map(str, course)), monitor)
    assert (len(training.history), training.best.epoch) == (epochs, best)
    assert [epoch.val_score for epoch in training.history] == pytest.approx(course[:epochs])
    assert all(
        epoch.val_accuracy is epoch.train_loss is epoch.val_balanced_accuracy is None for epoch in training.history
    )
    tested = training.test(held_out())
    assert isinstance(tested, Scored)
    assert tested.each == pytest.approx([course[best - 1]] * 4)
    assert tested.score == pytest.approx(course[best - 1])


def test_a_score_that_is_no_number_ends_the_training_as_diverged() -> None:
    training = trained("0.9 nan 0.1")
    assert training.diverged
    assert (len(training.history), training.best.epoch) == (2, 1)


def test_a_training_that_was_stopped_goes_on_and_its_trainer_has_heard_of_every_epoch(tmp_path: Path) -> None:
    course = "0.9 0.5 0.4 0.3"
    half = OwnTraining(Guess, config_of(course), 0, learning(), scoring=Scoring())
    for _ in range(2):
        half.run_epoch()
    half.save(tmp_path / "half.npz")
    whole, resumed = trained(course), trained(course, checkpoint=tmp_path / "half.npz")
    assert [epoch.val_score for epoch in resumed.history] == [epoch.val_score for epoch in whole.history]
    assert resumed._trainer.heard == whole._trainer.heard == pytest.approx([0.9, 0.5, 0.4, 0.3])  # type: ignore[attr-defined]


def test_where_the_data_has_labels_these_are_scored(parts: tuple[Learning, Testing]) -> None:
    class Distance(Guess):
        def score(self, images: np.ndarray, targets: np.ndarray) -> np.ndarray:
            return np.abs(targets.astype(int) - self.course[self.number - 1])

    training = OwnTraining(Distance, config_of("3"), 0, parts[0], scoring=Scoring())
    assert training.run_epoch().val_score == np.abs(parts[0].val_labels.astype(int) - 3).mean()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            np.zeros((6, 1)),
            r"Wrong\.score gave float64 \(6, 1\), expected a number for each of the 6 examples, \(6,\)",
        ),
        (0.5, r"gave float64 \(\), expected a number for each"),
        (np.array(["x"] * 6), "gave <U1"),
    ],
    ids=["table", "mean", "text"],
)
def test_what_is_no_score_of_every_example_is_refused(given: Any, message: str) -> None:
    class Wrong(Guess):
        def score(self, images: np.ndarray, targets: np.ndarray) -> np.ndarray:
            return given

    space = space_with(Wrong, scientific={}, nuisance={}, fixed={"course": "1"})
    config = space.start.override({"course": "1", "train.epochs": 1, "train.monitor": "lowest_score"})
    with pytest.raises(ValueError, match=message):
        OwnTraining(Wrong, config, 0, learning(), scoring=Scoring()).run_epoch()


SCRIPT = """
import numpy as np

class Mean:
    def __init__(self, settings, seed, images, labels, classes):
        self.labels, self.classes = labels, classes
        self.answer, self.told = np.zeros(labels.shape[1]), 0.0

    def train_epoch(self, number):
        drawn = np.random.permutation(len(self.labels))[: len(self.labels) // 2]
        self.answer = self.answer + self.labels[drawn].mean(axis=0) - self.told

    def score(self, images, targets):
        return np.abs(targets - self.answer).sum(axis=1)

    def scored(self, score):
        self.told = score / 7

    def save(self, path):
        with open(path, "wb") as file:
            np.savez(file, answer=self.answer, told=self.told)

    def load(self, path):
        with np.load(path) as saved:
            self.answer, self.told = saved["answer"], saved["told"]
"""


def test_a_script_scores_as_a_trainer_here_does(tmp_path: Path) -> None:
    (tmp_path / "mean.py").write_text(SCRIPT)
    names: dict[str, Any] = {}
    exec(SCRIPT, names)
    here: Any = type("Mean", (names["Mean"], Trainer), {})
    rows = np.random.default_rng(2).normal(size=(40, 3)).astype(np.float32)
    zeros, places = np.zeros(40, np.uint8), rows[:, :2] ** 2
    seen = Learning(rows, zeros, rows, zeros, ("v", "a"), train_targets=places, val_targets=places)
    tested = Testing(rows, zeros, np.arange(40), np.ones(40, bool), targets=places)
    found = []
    for trainer in (here, Script(tmp_path / "mean.py", "Mean")):
        space = space_with(trainer, scientific={}, nuisance={})
        config = space.start.override({"train.epochs": 3, "train.monitor": "lowest_score"})
        training = OwnTraining(trainer, config, 4, seen, scoring=Scoring())
        while not training.finished:
            training.run_epoch()
        result = training.test(tested)
        assert isinstance(result, Scored)
        found.append(([astuple(epoch)[:-1] for epoch in training.history], result.each.tolist()))
    assert found[0] == found[1]
    assert len(found[0][0]) > 1


def test_a_script_that_neither_predicts_nor_scores_says_so(tmp_path: Path) -> None:
    (tmp_path / "mean.py").write_text(SCRIPT.replace("def score(", "def error("))
    script = Script(tmp_path / "mean.py", "Mean")
    with pytest.raises(RuntimeError, match="Mean lacks predict, or where a score judges score"):
        Apart(script, {}, 0, some(2), some(2), ["v"])


class Predicts(Guess):
    score = Trainer.score

    def predict(self, images: np.ndarray) -> np.ndarray:
        return np.full((len(images), 7), 1 / 7)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"trainer": Predicts}, "its trainer Predicts lacks score"),
        ({"measure": "accuracy"}, "its trainer Guess lacks predict"),
        (
            {"trainer": None, "scientific": {}, "nuisance": {}},
            "absolute error judges, which takes a trainer of its own",
        ),
        ({"measure": "error"}, "measure error, expected accuracy, macro_f1, balanced_accuracy, .* or a Score"),
        ({"fixed": {"train.monitor": "loss"}}, "loss: .* judged by absolute error; expected lowest_score or last"),
        ({"fixed": {"train.monitor": "highest_score"}}, "expected lowest_score or last"),
        (
            {"measure": "accuracy", "trainer": Predicts, "fixed": {"train.monitor": "lowest_score"}},
            "judged by accuracy; expected anything but a score",
        ),
        (
            {"claim": Claim("b", "a", 0.5)},
            r"claims \+0\.50 points of accuracy, expected measure='score', unit='years'",
        ),
        ({"claim": Claim("b", "a", -1, "score", unit="years")}, r"claims a gain of -1 years, expected above 0"),
    ],
)
def test_a_space_by_a_score_that_makes_no_sense_says_why(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        space_with(**given)


def test_a_score_is_not_in_points() -> None:
    with pytest.raises(InputError, match="a score in points"):
        Score("overlap", unit="points")


def test_what_judges_chooses_epochs_unless_none_is_chosen() -> None:
    def monitor(**given: Any) -> str:
        return make_plan(space_with(), budget="quick", protocol="holdout", data_name="", **given).base.train.monitor

    assert monitor() == "lowest_score"
    assert monitor(settings={"train.monitor": "last"}) == "last"
    with pytest.raises(InputError, match="expected lowest_score or last"):
        monitor(settings={"train.monitor": "accuracy"})


def test_a_configuration_from_a_file_that_does_not_say_is_chosen_by_the_score() -> None:
    space = space_with()
    given = space.start.override({"kind": "a", "keep": 0.5, "data.protocol": "holdout"})
    assert given.train.monitor == "accuracy"
    plan = make_plan(space, budget="quick", protocol="holdout", data_name="", own=[given])
    assert [spec.config.train.monitor for spec in plan.fixed_trials()] == ["lowest_score"]


def test_a_study_can_rely_on_the_example(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (90, 12, 12), np.uint8)
    places = images.reshape(90, -1)[:, :2] / np.float32(255)
    np.savez(tmp_path / "places.npz", x_train=images, y_train=places, targets=["valence", "arousal"])
    space = VALENCE.read_text().replace("Choice((50, 100, 200))", "Choice((5, 10))")
    (tmp_path / "small.py").write_text(space)
    assert check.main([str(tmp_path / "small.py"), "--data", str(tmp_path / "places.npz")]) == 0
    told = capsys.readouterr().out
    assert "ok   trains and scores: " in told
    assert "ok   scores without changing" in told
