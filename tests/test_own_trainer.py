"""A trainer of one's own: what a space says of it, how it is trained, and what a study relies on."""

import json
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fer_core.config import TrialConfig, trial_id
from fer_core.data.protocols import Learning, Testing
from fer_core.errors import InputError
from fer_core.own_training import OwnTraining
from fer_core.trainer import Trainer
from search_spaces.catalogue import load_space
from search_spaces.space import Choice, Claim, Float, Int, Space
from study import check
from study.analysis.reading import read_evidence
from study.plan import make_plan
from study.search.sampler import starting_point
from tests.conftest import ROOT, FinishedStudy, run_module

EXAMPLE = ROOT / "docs" / "examples" / "gradients.py"


class Guess(Trainer):
    """Answers with what is left of a random vector, of which every epoch takes something."""

    def __init__(self, settings: Any, seed: int, images: np.ndarray, labels: np.ndarray, classes: Any) -> None:
        self.settings, self.values = settings, np.random.random(7)

    def train_epoch(self, number: int) -> None:
        self.values = self.values * self.settings["keep"] + np.random.random(7)

    def predict(self, images: np.ndarray) -> np.ndarray:
        return np.tile(self.values / self.values.sum(), (len(images), 1))

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(self.values.tolist()))

    def load(self, path: Path) -> None:
        self.values = np.array(json.loads(path.read_text()))


def space_with(trainer: type[Trainer] = Guess, **given: Any) -> Space:
    usual: dict[str, Any] = {"scientific": {"kind": ("a", "b")}, "nuisance": {"keep": Float(0.1, 0.9)}}
    return Space("guess", "Guess?", trainer=trainer, **{**usual, **given})


def config_of(space: Space, epochs: int = 4, **values: Any) -> TrialConfig:
    return space.start.override({"train.epochs": epochs, **space.fixed, "kind": "a", "keep": 0.5, **values})


@pytest.fixture(scope="module")
def example() -> Space:
    return load_space(str(EXAMPLE))


def first_config(space: Space, arm: int, epochs: int) -> TrialConfig:
    plan = make_plan(space, budget="full", protocol="challenge", data_name="", epochs=epochs)
    return plan.arm_config(plan.arms[arm], starting_point(plan, plan.arms[arm], 0))


def numbers(training: OwnTraining) -> list[tuple[Any, ...]]:
    """All of the epochs but how long they took."""
    return [astuple(epoch)[:-1] for epoch in training.history]


def test_a_trainers_configuration_has_its_settings_and_the_shared_ones() -> None:
    config = config_of(space_with())
    assert config.flat() == {
        "data.protocol": "challenge",
        "data.train_images": None,
        "data.val_images": None,
        "data.side": 48,
        "data.colour": False,
        "data.interpolation": "nearest",
        "data.folds": 10,
        "data.fold": 0,
        "train.epochs": 4,
        "train.stop_patience": 16,
        "train.monitor": "accuracy",
        "trainer": "Guess",
        "kind": "a",
        "keep": 0.5,
    }
    assert TrialConfig.from_flat(config.flat()) == config
    with pytest.raises(InputError, match=r"model\.width: no setting of Guess"):
        config.override({"model.width": 1.0})


def test_a_setting_that_says_nothing_leaves_a_trials_identity_as_it_was() -> None:
    before = config_of(space_with())
    after = config_of(space_with(nuisance={"keep": Float(0.1, 0.9), "depth": Int(1, 4, when={"kind": ("b",)})}))
    assert "depth" in after.flat()
    assert trial_id(after, 3) == trial_id(before, 3)
    assert trial_id(after.override({"depth": 2}), 3) != trial_id(before, 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"fixed": {"model.width": 0.5}}, "model.width means nothing to its trainer Guess"),
        ({"fixed": {"augment.nothing": 1}}, "augment.nothing means nothing to its trainer"),
        ({"fixed": {"trainer": "me"}}, "trainer cannot be the name of a setting"),
        ({"fixed": {"two words": 1}}, "two words cannot be the name of a setting"),
        ({"fixed": {"data.train_images": "many"}}, "data.train_images=many: expected a whole number"),
        ({"scientific": {"kind": ("a", 1)}}, "the values of kind are int and str, expected one kind"),
        ({"fixed": {"sizes": (1, 2)}}, "the values of sizes are tuple, expected one kind"),
        ({"published": {"kind": "a"}}, "kind is published, but not tuned"),
        ({"published": {"keep": 2.0}}, "keep is published as 2.0, tuned 0.1 to 0.9"),
        ({"claim": Claim("c", "a", 1.0)}, "claims something of c, which is no arm"),
        ({"claim": Claim("a", "b", 1.0)}, "the baseline's value declared first"),
        ({"claim": Claim("b", "a", -1.0)}, r"claims a gain of -1\.00 points, expected above 0"),
        (
            {"claim": Claim("b", "a", 1.0, measure="speed")},
            "claims speed, expected accuracy, macro",
        ),
    ],
)
def test_a_space_that_makes_no_sense_says_why(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        space_with(**given)


def test_a_trainer_is_a_class_with_all_its_methods() -> None:
    class Half(Trainer):
        def train_epoch(self, number: int) -> None: ...

    with pytest.raises(InputError, match="its trainer Half lacks __init__, load, save, predict"):
        space_with(Half)
    with pytest.raises(InputError, match="its trainer is <class 'dict'>, expected a class derived from Trainer"):
        space_with(dict)
    with pytest.raises(InputError, match="its network is 3, expected a function"):
        Space("three", "Three?", network=3)  # type: ignore[arg-type]


def test_published_settings_belong_to_what_a_user_has_brought() -> None:
    with pytest.raises(InputError, match="publishes settings, but has no network or trainer of its own"):
        Space("plain", "Plain?", nuisance={"augment.shift": Float(0, 0.1)}, published={"augment.shift": 0.1})


def test_published_settings_are_the_first_trial_of_every_search_and_a_fixed_one(example: Space) -> None:
    plan = make_plan(example, budget="quick", protocol="challenge", data_name="fer2013", searches=2)
    expected = {"pixels": {"rate": 0.01, "decay": 1e-4}, "gradients": {"rate": 0.01, "decay": 1e-4, "cell": 6}}
    for arm in plan.arms:
        for search in range(2):
            assert starting_point(plan.of_search(search), arm, 0) == expected[arm.name]
    fixed = {spec.arm: spec.config.flat() for spec in plan.fixed_trials()}
    assert {arm: {name: fixed[arm][name] for name in expected[arm]} for arm in expected} == expected
    assert fixed["pixels"]["cell"] is None


def test_a_budget_scales_the_images_of_a_trainer_and_no_network(example: Space) -> None:
    plan = make_plan(example, budget="quick", protocol="challenge", data_name="fer2013")
    base = plan.base.flat()
    assert (base["data.train_images"], base["train.epochs"], base["rate"]) == (5000, 5, None)
    assert "model.width" not in base


def test_the_settings_of_a_trainer_are_read_in_their_kind() -> None:
    space = space_with(fixed={"width": 0.5, "wide": True, "depth": 3})
    settings = {"width": "1", "wide": "no", "depth": "4", "data.train_images": "100"}
    base = make_plan(space, budget="full", protocol="challenge", data_name="", settings=settings).base.flat()
    found = {name: base[name] for name in settings}
    assert found == {"width": 1.0, "wide": False, "depth": 4, "data.train_images": 100}
    assert type(found["width"]) is float
    with pytest.raises(InputError, match=r"depth=4\.5: expected a whole number"):
        make_plan(space, budget="full", protocol="challenge", data_name="", settings={"depth": "4.5"})


@pytest.mark.parametrize("arm", [0, 1], ids=["pixels", "gradients"])
def test_a_resumed_training_equals_an_uninterrupted_one(
    example: Space, arm: int, parts: tuple[Learning, Testing], tmp_path: Path
) -> None:
    assert example.trainer is not None
    config, checkpoint = first_config(example, arm, 4), tmp_path / "trial.npz"
    whole = OwnTraining(example.trainer, config, 5, parts[0])
    while not whole.finished:
        whole.run_epoch()
    resumed = None
    for _ in range(config.train.epochs):
        resumed = OwnTraining(example.trainer, config, 5, parts[0], checkpoint)
        resumed.run_epoch()
        resumed.save(checkpoint)
    assert resumed is not None
    assert resumed.finished
    assert numbers(resumed) == numbers(whole)
    ours, theirs = resumed.test(parts[1]), whole.test(parts[1])
    np.testing.assert_array_equal(ours.probabilities, theirs.probabilities)


def test_what_was_kept_of_a_training_answers_as_it_did(
    example: Space, parts: tuple[Learning, Testing], tmp_path: Path
) -> None:
    """In a training that has done nothing yet, as where other data is tested later."""
    assert example.trainer is not None
    config = first_config(example, 0, 2)
    training = OwnTraining(example.trainer, config, 5, parts[0])
    while not training.finished:
        training.run_epoch()
    tested = training.test(parts[1])
    training.save_network(tmp_path / "kept.state")
    other = OwnTraining(example.trainer, config, 5, parts[0])
    other.load_network(tmp_path / "kept.state")
    np.testing.assert_array_equal(other.test(parts[1]).probabilities, tested.probabilities)


class Rehearsed(Guess):
    """Is right on so many of 64 validation images after each epoch, as `course` says, whatever it is shown."""

    def train_epoch(self, number: int) -> None:
        self.values = np.array([self.settings["course"].split()[number - 1]], dtype=float)

    def predict(self, images: np.ndarray) -> np.ndarray:
        found = np.full((len(images), 7), (1 - self.values[0]) / 6)
        found[:, 0] = self.values[0]
        return found


def rehearsed(course: str, patience: int, learning: Learning, monitor: str = "accuracy") -> OwnTraining:
    """Trained to its end. Only class 0 counts: its accuracy is 0 or that class's share of the images."""
    fixed = {"course": course, "train.stop_patience": patience, "train.monitor": monitor}
    space = space_with(Rehearsed, fixed=fixed)
    config = config_of(space, epochs=len(course.split()))
    training = OwnTraining(Rehearsed, config, 0, learning)
    while not training.finished:
        training.run_epoch()
    return training


@pytest.mark.parametrize(
    ("course", "patience", "epochs", "best"),
    [
        ("0 0.9 0 0 0", 2, 4, 2),  # two epochs without a better one
        ("0 0.9 0.9 0 0", 3, 5, 2),  # as good is not better
        ("0.9 0 0 0 0", 9, 5, 1),
    ],
)
def test_training_ends_where_validation_has_stopped_to_rise_and_tests_its_best_epoch(
    course: str, patience: int, epochs: int, best: int, parts: tuple[Learning, Testing]
) -> None:
    training = rehearsed(course, patience, parts[0])
    assert (len(training.history), training.best.epoch) == (epochs, best)
    tested = training.test(parts[1])
    assert tested.accuracy == pytest.approx(np.mean(parts[1].labels == 0))


@pytest.mark.parametrize(
    ("monitor", "epochs", "best"),
    [
        ("accuracy", 4, 2),
        ("loss", 3, 1),  # who is less sure loses less where most are wrong
        ("last", 5, 5),  # and nothing ends early
    ],
)
def test_what_an_epoch_is_judged_by_is_a_setting(
    monitor: str, epochs: int, best: int, parts: tuple[Learning, Testing]
) -> None:
    training = rehearsed("0.1 0.9 0.9 0.8 0.5", 2, parts[0], monitor)
    assert (len(training.history), training.best.epoch) == (epochs, best)
    assert np.allclose(training.test(parts[1]).probabilities[:, 0], [0.1, 0.9, 0.9, 0.8, 0.5][best - 1])


def test_a_loss_that_is_no_number_ends_the_training_as_diverged(parts: tuple[Learning, Testing]) -> None:
    training = rehearsed("0.9 nan 0.9", 9, parts[0])
    assert training.diverged
    assert [epoch.epoch for epoch in training.history] == [1, 2]
    assert training.best.epoch == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.ones((1, 3)) / 3, r"Wrong.predict gave an array \(\d+, 3\), expected probabilities \(\d+, 7\)"),
        (np.arange(7.0)[None], "gave a row .*, expected probabilities, of sum 1"),
        (np.array([[2.0, -1, 0, 0, 0, 0, 0]]), "gave a row .*, expected probabilities, of sum 1"),
    ],
    ids=["classes", "logits", "negative"],
)
def test_what_is_no_probability_is_refused(answer: np.ndarray, message: str, parts: tuple[Learning, Testing]) -> None:
    class Wrong(Guess):
        def predict(self, images: np.ndarray) -> np.ndarray:
            return np.repeat(answer, len(images), axis=0)

    with pytest.raises(ValueError, match=message):
        OwnTraining(Wrong, config_of(space_with(Wrong)), 0, parts[0]).run_epoch()


class Forgetful(Guess):
    def save(self, path: Path) -> None:
        path.write_text(json.dumps([1.0] * 7))


class Drifting(Guess):
    def predict(self, images: np.ndarray) -> np.ndarray:
        self.values = self.values + np.arange(7)
        return super().predict(images)


class Haphazard(Guess):
    def train_epoch(self, number: int) -> None:
        self.values = self.settings["keep"] * np.random.default_rng().random(7)


class Stubborn(Guess):
    def __init__(self, settings: Any, seed: int, images: np.ndarray, labels: np.ndarray, classes: Any) -> None:
        self.settings, self.values = settings, np.ones(7)

    def train_epoch(self, number: int) -> None:
        self.values = self.values * self.settings["keep"] + np.arange(7)


class Deaf(Guess):
    def train_epoch(self, number: int) -> None:
        self.values = np.random.random(7)


@pytest.mark.parametrize(
    ("trainer", "broken"),
    [
        (Guess, set()),
        (Forgetful, {"goes on after a stop as if there had been none"}),
        (Drifting, {"predicts without changing"}),
        (Haphazard, {"can be repeated", "goes on after a stop as if there had been none"}),
        (Stubborn, {"heeds the seed"}),
        (Deaf, {"heeds its settings"}),
    ],
)
def test_the_check_names_what_a_trainer_does_not_keep(
    trainer: type[Trainer], broken: set[str], parts: tuple[Learning, Testing]
) -> None:
    space = space_with(trainer, scientific={}, nuisance={"keep": Float(0.1, 0.9)})
    found = list(check.check_arm(space, space.arms[0], parts[0]))
    assert {one.what for one in found if not one.holds} == broken
    assert all(one.otherwise for one in found if not one.holds)


@pytest.mark.parametrize("name", ["gradients", pytest.param("attention", id="attention")])
def test_a_study_can_rely_on_the_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if name == "attention":
        pytest.importorskip("torch").set_num_threads(1)
    assert check.main([str(EXAMPLE.with_name(f"{name}.py")), "--images", "200"]) == 0
    assert capsys.readouterr().out.endswith("A study can rely on it.\n")


def test_the_check_is_of_what_a_user_has_brought() -> None:
    with pytest.raises(InputError, match="trains the paper's network, there is nothing of your own to check"):
        check.main(["se_placement"])


@pytest.fixture(scope="module")
def own_study(tmp_path_factory: pytest.TempPathFactory) -> FinishedStudy:
    folder = tmp_path_factory.mktemp("own") / "study"
    space = folder.with_name("own.py")
    space.write_text(EXAMPLE.read_text())
    arguments = ("--space", space, "--data", "synthetic", "--budget", "quick", "--trials", "3", "--seeds", "2")
    return FinishedStudy(folder, run_module("study.run", *arguments, "--out", folder))


def test_a_study_runs_with_a_trainer_of_its_own(own_study: FinishedStudy) -> None:
    assert own_study.command.status == 0, own_study.command.err
    trials = pd.read_parquet(own_study.folder / "trials.parquet")
    assert trials.groupby(["arm", "phase"]).size().to_dict() == {
        (arm, phase): count
        for arm in ("pixels", "gradients")
        for phase, count in {"fixed": 1, "search": 3, "confirm": 2}.items()
    }
    assert set(trials["config.trainer"]) == {"Logistic"}
    assert trials["config.model.width"].isna().all()
    assert trials.loc[trials["arm"] == "pixels", "config.cell"].isna().all()
    assert set(trials.loc[trials["arm"] == "gradients", "config.cell"]) <= {4, 6, 8, 12}
    assert (trials["parameters"] > 0).all()
    tested = trials[trials["phase"] != "search"]
    assert tested["test_accuracy"].between(0, 1).all()
    predictions = pd.read_parquet(own_study.folder / "predictions.parquet")
    assert set(predictions["trial"]) == set(tested["trial"])
    assert "gradients - pixels" in own_study.command.out


def test_the_report_and_the_export_know_the_settings_of_a_trainer(own_study: FinishedStudy, tmp_path: Path) -> None:
    reported = run_module("study.report", own_study.folder)
    assert reported.status == 0, reported.err
    page = (own_study.folder / "report" / "index.html").read_text()
    assert "trainer Logistic, 1,000 training images" in page
    arms = pd.read_parquet(own_study.folder / "arms.parquet").set_index("arm")
    assert arms.at["gradients", "config.cell"] in (4, 6, 8, 12)
    exported = run_module("study.export", own_study.folder, "--arm", "gradients", "--out", tmp_path / "best")
    assert "for Logistic.load" in exported.out
    record = json.loads((tmp_path / "best.json").read_text())
    assert isinstance(record["settings"]["cell"], int)
    assert (tmp_path / "best.state").stat().st_size > 0
    again = run_module("study.run", "--space", EXAMPLE, "--data", "synthetic", "--fixed", tmp_path / "best.json",
                       "--dry-run", "--json")  # fmt: skip
    assert [arm["fixed"] for arm in json.loads(again.out)["arms"]] == [1, 1 + (record["settings"]["rate"] != 0.01)]
    refused = run_module("study.run", "--space", "se_placement", "--fixed", tmp_path / "best.json", "--dry-run")
    assert (refused.status, refused.out) == (2, "")
    assert "a configuration of Logistic; in the space se_placement it is the paper's network" in refused.err


def test_a_study_grows_and_repeats_nothing_and_says_that_its_trainer_has_changed(own_study: FinishedStudy) -> None:
    changed = "the file of its network or trainer was changed while the study was under way"
    with own_study.folder.with_name("own.py").open("a") as file:
        file.write("\n# Another line.\n")
    before = pd.read_parquet(own_study.folder / "trials.parquet").set_index("trial")
    grown = run_module("study.run", "--resume", "--out", own_study.folder, "--seeds", "3")
    assert grown.status == 0, grown.err
    assert changed in grown.out
    assert changed not in own_study.command.out
    (evidence,) = read_evidence([own_study.folder])
    assert evidence.missing == (f"study: {changed}.",)
    assert [(look["seeds"], look["confirmed"]) for look in evidence.earlier_looks] == [(2, 2 * len(evidence.arms))]
    looked = "after its arms had been tested with 2 seeds: p is multiplied by 4"
    assert grown.out.count(looked) == 2  # at the start and in the closing lines
    assert looked not in own_study.command.out
    after = pd.read_parquet(own_study.folder / "trials.parquet").set_index("trial")
    assert set(after.index) > set(before.index)
    pd.testing.assert_frame_equal(after.loc[before.index], before)
    assert (after.loc[~after.index.isin(before.index), "phase"] == "confirm").all()


BROKEN = """
from beside import wrong
from fer_core.trainer import Trainer
from search_spaces.space import Space

class Broken(Trainer):
    def __init__(self, settings, seed, images, labels, classes): ...
    def train_epoch(self, number): wrong("here")
    def predict(self, images): ...
    def save(self, path): ...
    def load(self, path): ...

SPACE = Space("broken", "Broken?", trainer=Broken, fixed={"size": 1})
"""


def test_a_mistake_in_a_trainer_is_reported_with_its_place(tmp_path: Path) -> None:
    """And what the space's file imports from beside it is found on the workers, too."""
    (tmp_path / "beside.py").write_text("def wrong(value):\n    raise LookupError(value)\n")
    (tmp_path / "own.py").write_text(BROKEN)
    done = run_module("study.run", "--space", tmp_path / "own.py", "--data", "synthetic", "--seeds", "1", "--out",
                      tmp_path / "study")  # fmt: skip
    assert done.status == 1
    assert "every trial failed, the last with: LookupError: here (beside.py, line 2)" in done.err
    assert "if its code was wrong, begin a new study" in done.err
    assert "Traceback" not in done.err


def test_a_trainer_has_nothing_to_calibrate() -> None:
    done = run_module("study.run", "--space", EXAMPLE, "--data", "synthetic", "--dry-run", "--calibrate")
    assert (done.status, done.out) == (2, "")
    assert "what Logistic takes is known after a first study here" in done.err


def test_a_choice_of_a_trainer_that_is_not_made_is_no_number() -> None:
    space = space_with(nuisance={"keep": Float(0.1, 0.9), "size": Choice((1, 2), when={"kind": ("b",)})})
    assert space.kinds == {"kind": str, "keep": float, "size": int}
    assert space.start.flat()["size"] is None
