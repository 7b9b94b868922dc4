"""Networks that learn numbers in the place of classes: how they train, what they say, and a study of them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from fer_core import compiled, predict
from fer_core.config import TrialConfig
from fer_core.data import protocols
from fer_core.data.protocols import Learning
from fer_core.ends import Numbers
from fer_core.errors import InputError
from fer_core.examples import Examples
from fer_core.model import load_network
from fer_core.regression import loss_of
from fer_core.scoring import ABSOLUTE, SQUARED, Scoring
from fer_core.summaries import CONCORDANCE, ROOT, result
from fer_core.training import Training
from search_spaces.catalogue import load_space
from search_spaces.score import OF_NUMBERS, Score
from search_spaces.space import Float, Space
from study.analysis.findings import find
from study.arguments import judged_record, make_parser
from study.check import check_arm
from study.planning.inputs import check_inputs
from study.records.folder import read_study
from study.records.parquet import read_table
from study.report.__main__ import main as report
from tests.conftest import ONE_WORKER, FinishedStudy, run_module
from tests.driven import plan
from tests.test_features import holding
from tests.test_scored_study import write_places

LOSSES = ("squared", "absolute", "concordance")
ERROR, AGREEMENT = Scoring(ABSOLUTE), Scoring(over=CONCORDANCE, higher_is_better=True)


def halves(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images and two numbers: how bright the left half is, and how much brighter than the right."""
    random = np.random.default_rng(seed)
    shades = random.uniform(0, 255, (count, 2))
    images = np.repeat(shades, 24, axis=1)[:, None, :] + random.normal(0, 25, (count, 48, 48))
    told = np.stack([shades[:, 0], shades[:, 0] - shades[:, 1]], axis=1) / 255
    return images.clip(0, 255).astype(np.uint8), told.astype(np.float32)


def none(count: int) -> np.ndarray:
    return np.zeros(count, int)


@pytest.fixture(scope="module")
def learning() -> Learning:
    (images, told), (others, wanted) = halves(320, 1), halves(64, 2)
    names = ("left", "gap")
    return Learning(images, none(320), others, none(64), names, train_targets=told, val_targets=wanted)


@pytest.fixture(scope="module")
def testing() -> protocols.Testing:
    images, told = halves(50, 3)
    return protocols.Testing(images, none(50), np.arange(50), np.arange(50) > 4, targets=told)


def config(**settings: object) -> TrialConfig:
    given = {"model.width": 0.0625, "model.batch_norm_momentum": 0.8, "train.batch_size": 32, "train.epochs": 4}
    names = {name.replace("__", "."): value for name, value in settings.items()}
    return TrialConfig.from_flat({**given, "train.monitor": "lowest_score", **names})


def trained(training: Training) -> Training:
    while not training.finished:
        training.run_epoch()
    return training


def test_it_learns_and_is_measured_by_its_answers(learning: Learning, testing: protocols.Testing) -> None:
    training = trained(Training(config(train__epochs=12), 1, learning, scoring=ERROR))
    found = training.test(testing)
    guess = np.abs(np.median(learning.train_targets, axis=0) - testing.targets).mean()  # type: ignore[arg-type]
    assert found.score < 0.6 * guess
    gaps = np.abs(training.answers(testing.images) - testing.targets).mean(axis=1)
    assert found.score == pytest.approx(gaps.mean(), rel=1e-6)
    assert found.each == pytest.approx(gaps, rel=1e-5)
    best = min(training.history, key=lambda epoch: epoch.val_score)
    again = training.model.predict(learning.val_images[..., None], verbose=0)
    assert np.abs(again - learning.val_targets).mean() == pytest.approx(best.val_score, rel=1e-5)
    assert best.val_accuracy is None
    assert best.train_score < 0.6 * guess


@pytest.mark.parametrize("loss", LOSSES)
def test_an_epoch_trains_as_fit_does(loss: str, learning: Learning) -> None:
    told = Numbers.like(learning.classes, learning.train_targets)
    images, order, batch = learning.train_images[..., None], np.random.default_rng(3).permutation(320), 48
    compiled.forget()
    plain = compiled.take(config(train__regression_loss=loss), 5, told=told).model
    plain.fit(images[order], learning.train_targets[order], batch_size=batch, shuffle=False, verbose=0)
    ours = compiled.take(config(train__regression_loss=loss), 5, told=told)
    ours.train(Examples.on_device(images, learning.train_targets), order, batch)
    for mine, theirs in zip(ours.model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_it_goes_on_after_a_stop_as_if_there_had_been_none(
    loss: str, learning: Learning, testing: protocols.Testing, tmp_path: Path
) -> None:
    given, checkpoint = config(train__regression_loss=loss, train__monitor="highest_score"), tmp_path / "half.npz"
    whole = trained(Training(given, 5, learning, scoring=AGREEMENT))
    half = Training(given, 5, learning, scoring=AGREEMENT)
    half.run_epoch()
    half.run_epoch()
    half.save(checkpoint)
    resumed = trained(Training(given, 5, learning, checkpoint, scoring=AGREEMENT))
    assert [replace(epoch, seconds=0) for epoch in resumed.history] == [
        replace(epoch, seconds=0) for epoch in whole.history
    ]
    np.testing.assert_array_equal(resumed.test(testing).answers, whole.test(testing).answers)


def test_units_have_no_influence(learning: Learning, testing: protocols.Testing) -> None:
    """Years for decades, and counted from elsewhere, are learned as well, and as fast."""
    by_ten = replace(
        learning, train_targets=10 * learning.train_targets + 7, val_targets=10 * learning.val_targets + 7
    )
    here, there = (trained(Training(config(), 2, given, scoring=ERROR)) for given in (learning, by_ten))
    np.testing.assert_allclose(
        there.answers(testing.images), 10 * here.answers(testing.images) + 7, rtol=0.02, atol=0.05
    )
    assert there.history[-1].val_score == pytest.approx(10 * here.history[-1].val_score, rel=0.02)


def test_a_target_that_never_changes_is_told_as_it_is(learning: Learning, testing: protocols.Testing) -> None:
    constant = learning.train_targets.copy()
    constant[:, 1] = 3
    assert Numbers.like(("left", "same"), constant).spreads[1] == 1
    given = replace(learning, train_targets=constant, val_targets=constant[:64])
    for loss in LOSSES:
        training = trained(Training(config(train__regression_loss=loss, train__epochs=1), 2, given, scoring=ERROR))
        assert np.isfinite(training.answers(testing.images)).all(), loss


def test_a_concordance_that_is_trained_towards_is_that_which_judges() -> None:
    draw = np.random.default_rng(4)
    targets = draw.normal(5, (1, 20), (48, 2)).astype(np.float32)
    answers = (0.5 * targets + draw.normal(2, 3, (48, 2))).astype(np.float32)
    loss = loss_of("concordance", Numbers.like(("a", "b"), targets))(targets, answers)
    assert float(loss) == pytest.approx(1 - result(CONCORDANCE, answers, targets), rel=1e-4)
    alone = loss_of("concordance", Numbers.like(("a", "b"), targets))(targets[:1], answers[:1])
    assert float(alone) == pytest.approx(1)  # a last batch of one image, which says nothing


def test_the_rate_falls_where_the_score_does_not_get_better(learning: Learning) -> None:
    settings = {"train__plateau_patience": 1, "train__learning_rate": 1e-7, "train__epochs": 5}
    training = trained(Training(config(**settings), 1, learning, scoring=ERROR))
    assert training.history[-1].learning_rate < 1e-7


def test_an_error_is_of_all_targets_alike() -> None:
    answers, targets = np.array([[1.0, 2.0], [0.0, 0.0]]), np.array([[0.0, 4.0], [1.0, 1.0]])
    assert Scoring(ABSOLUTE).found(answers, targets).tolist() == [1.5, 1.0]
    squares = Scoring(SQUARED, ROOT)
    assert squares.found(answers, targets).tolist() == [2.5, 1.0]
    assert squares.result(squares.found(answers, targets), targets) == pytest.approx(np.sqrt(1.75))


def test_a_saved_network_says_numbers_for_image_files(
    learning: Learning, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    from PIL import Image

    training = trained(Training(config(train__epochs=2), 1, learning, scoring=ERROR))
    training.save_network(tmp_path / "best.keras")
    for number in (0, 1):
        Image.fromarray(learning.val_images[number]).save(tmp_path / f"{number}.png")
    files = [str(tmp_path / f"{number}.png") for number in (0, 1)]
    expected = training.answers(learning.val_images[:2])
    np.testing.assert_allclose(
        load_network(tmp_path / "best.keras").predict(learning.val_images[:2, ..., None], verbose=0),
        expected,
        rtol=1e-4,
    )
    assert predict.main([str(tmp_path / "best.keras"), *files, "--json"]) == 0
    first = json.loads(capsys.readouterr().out)[0]
    assert list(first["numbers"]) == ["left", "gap"]
    assert list(first["numbers"].values()) == pytest.approx(expected[0].tolist(), rel=1e-4)
    assert "predicted" not in first
    assert predict.main([str(tmp_path / "best.keras"), *files]) == 0
    assert capsys.readouterr().out.split()[:3] == ["image", "left", "gap"]


def judged(by: str | Score, **settings: object) -> Space:
    return replace(load_space("se_placement"), measure=by, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("space", "targets", "complaint"),
    [
        (
            judged("accuracy"),
            ("valence",),
            "judged by --measure absolute_error, root_mean_square_error or concordance",
        ),
        (judged("concordance"), (), "holds classes, and the space se_placement is judged by the concordance of num"),
        (
            judged("concordance", fixed={"train.class_weights": "balanced"}),
            ("valence",),
            "train.class_weights is of classes, but set to balanced",
        ),
        (
            judged("absolute_error", variants={"a": {}, "b": {"train.label_smoothing": 0.1}}),
            ("valence",),
            "train.label_smoothing is of classes, but the space se_placement varies it",
        ),
        (
            judged("accuracy", fixed={"train.regression_loss": "absolute"}),
            (),
            "train.regression_loss is of numbers, but set to absolute",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_before_it_runs(
    space: Space, targets: tuple[str, ...], complaint: str
) -> None:
    listing = holding(None)
    if targets:
        told = np.zeros((len(listing.labels), len(targets)), np.float32)
        listing = replace(listing, targets=told, classes=targets)
    with pytest.raises(InputError, match=complaint):
        check_inputs(plan(space), listing)


def test_a_network_has_no_score_of_its_own() -> None:
    with pytest.raises(InputError, match="takes a trainer of its own with a method `score`"):
        judged(Score("absolute error", higher_is_better=False))
    with pytest.raises(InputError, match="expected absolute or squared"):
        Score("error", higher_is_better=False, each="cubed")
    with pytest.raises(InputError, match="higher_is_better=False"):
        Score("error", each=ABSOLUTE)
    with pytest.raises(InputError, match="expected highest_score or last"):
        replace(load_space("epoch_choice"), measure="concordance")
    assert judged("concordance").score == OF_NUMBERS["concordance"]


def test_a_configuration_of_another_study_goes_by_what_judges_this_one() -> None:
    of_classes = TrialConfig.from_flat({"model.se_placement": "block"})
    of_numbers = of_classes.override({"train.monitor": "highest_score"})
    last = of_classes.override({"train.monitor": "last"})
    goals = {"concordance": "highest_score", "absolute_error": "lowest_score", "accuracy": "accuracy"}
    for measure, goal in goals.items():
        given = plan(judged(measure), own=[of_classes, of_numbers, last])
        assert [one.train.monitor for one in given.own] == [goal, goal, "last"]


def test_a_network_of_ones_own_is_checked_on_numbers(learning: Learning) -> None:
    def flat(x, settings):  # type: ignore[no-untyped-def]
        return keras.layers.Dense(settings["units"])(keras.layers.Flatten()(x))

    space = Space(
        name="flat",
        question="Does it hold?",
        network=flat,
        measure="root_mean_square_error",
        fixed={"units": 4},
        nuisance={"train.learning_rate": Float(1e-4, 1e-3, log=True)},
    )
    held = list(check_arm(space, space.arms[0], learning))
    assert [one.holds for one in held] == [True] * 6
    assert held[0].what.startswith("trains and predicts: ")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_places(tmp_path_factory.mktemp("numbers") / "places.npz")


@pytest.fixture(scope="module")
def study(places: Path) -> FinishedStudy:
    folder = places.with_name("study")
    small = ("--set", "model.width=0.0625", "--set", "train.batch_size=16", "--set", "model.batch_norm_momentum=0.8")
    effort = ("--trials", 1, "--epochs", 2, "--seeds", 2, *ONE_WORKER)
    arguments = (
        "--space",
        "se_placement",
        "--data",
        places,
        "--measure",
        "concordance",
        "--margin",
        0.9,
        *small,
        *effort,
    )
    done = run_module("study.run", *arguments, "--out", folder)
    assert done.status == 0, done.out + done.err
    return FinishedStudy(folder, done)


def test_the_papers_network_is_studied_by_the_concordance_of_its_numbers(study: FinishedStudy) -> None:
    assert "test concordance" in study.command.out
    assert "paper's" not in study.command.out  # which tells classes, and claims nothing of numbers
    trials, scores = (read_table(study.folder, name) for name in ("trials", "scores"))
    assert sorted(trials["phase"].unique()) == ["confirm", "search"]
    record = read_study(study.folder)
    assert record is not None
    assert Score(**record["score"]) == OF_NUMBERS["concordance"]
    for trial, rows in scores.groupby("trial"):
        answers, targets = (np.stack(rows[name].to_list()) for name in ("answers", "targets"))
        tested = trials.set_index("trial").loc[trial, "test_score"]
        assert tested == pytest.approx(result(CONCORDANCE, answers, targets), abs=1e-6)
    (found,) = find([study.folder])
    assert (found.evidence.claim, found.evidence.margin, record["margin"]) == (None, 0.9, 0.9)


def test_its_report_shows_nothing_of_classes_or_of_the_papers_figures(study: FinishedStudy, tmp_path: Path) -> None:
    assert report([str(study.folder), "--out", str(tmp_path)]) == 0
    html = (tmp_path / "index.html").read_text()
    for not_told in ("accuracy", "Table 1", "Confusion", "in per cent"):
        assert not_told not in html, not_told


def test_another_measure_is_another_study(study: FinishedStudy, tmp_path: Path) -> None:
    shutil.copytree(study.folder, tmp_path / "study")
    for other, said in {("--measure", "absolute_error"): "score", ("--margin", 0.1): "margin 0.9"}.items():
        for extra in ((), ("--dry-run",)):
            done = run_module("study.run", "--resume", "--out", tmp_path / "study", *other, *extra)
            assert done.status == 2, done.out
            assert f"holds a study with {said}" in done.err


def test_a_margin_is_in_points_or_in_the_scores_unit() -> None:
    options = make_parser().parse_args(["--margin", "0.5"])
    assert judged_record(options, load_space("se_placement")) == {"measure": "accuracy", "margin": 0.005}
    assert judged_record(options, judged("concordance"))["margin"] == 0.5
    assert "margin" not in judged_record(make_parser().parse_args([]), load_space("se_placement"))


def test_its_network_is_exported_and_tells_numbers(study: FinishedStudy, tmp_path: Path) -> None:
    done = run_module("study.export", study.folder, "--arm", "block", "--out", tmp_path / "best")
    assert done.status == 0, done.err
    network = load_network(tmp_path / "best.keras")
    assert isinstance(network, keras.Model)
    assert network.layers[-1].names == ("valence", "arousal")
