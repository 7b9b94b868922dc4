"""What an arm's networks say together: by the mean of their probabilities, with intervals by the jackknife."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from study.analysis.answers import Answers
from study.analysis.ensembles import of_ensembles, together, without_each
from study.analysis.estimate import estimate
from study.analysis.findings import Findings, find
from study.analysis.measures import MEASURES
from study.report.__main__ import main
from study.report.figures.ensembles import ensembles
from study.report.figures.style import Subject
from tests.made import make_study

CLASSES = 7
IMAGES = 1000
ACCURACY = MEASURES["accuracy"]


def drawn(random: np.random.Generator, networks: int, images: int = IMAGES) -> list[Answers]:
    """Networks that share what an image looks like, and each have noise and a liking of their own."""
    labels, looks = drawn_images(random, images)
    return _of_looks(random, labels, looks, networks)


def drawn_images(random: np.random.Generator, images: int = IMAGES) -> tuple[np.ndarray, np.ndarray]:
    labels, looks = np.arange(images) % CLASSES, random.normal(0, 1, (images, CLASSES))
    looks[np.arange(images), labels] += 1.2
    return labels, looks


def _of_looks(random: np.random.Generator, labels: np.ndarray, looks: np.ndarray, networks: int) -> list[Answers]:
    likings = random.normal(0, 0.25, (networks, CLASSES))
    return [answers(labels, looks + random.normal(0, 0.8, looks.shape) + liking) for liking in likings]


def answers(labels: np.ndarray, seen: np.ndarray, subjects: np.ndarray | None = None) -> Answers:
    shares = np.exp(2 * seen)
    probabilities = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
    images = np.arange(len(labels))
    return Answers(images, labels, probabilities.argmax(axis=1), probabilities, np.ones(len(labels), bool), subjects)


def test_several_networks_say_the_mean_of_what_they_say(random: np.random.Generator) -> None:
    networks = drawn(random, 4, images=70)
    mean = np.mean([one.probabilities for one in networks], axis=0)
    np.testing.assert_allclose(together(networks).probabilities, mean, rtol=1e-6)
    assert together(networks).predicted.tolist() == mean.argmax(axis=1).tolist()
    for left_out, rest in enumerate(without_each(networks)):
        others = [one for place, one in enumerate(networks) if place != left_out]
        np.testing.assert_allclose(rest.probabilities, together(others).probabilities, rtol=1e-6)


@pytest.mark.parametrize("name", list(MEASURES))
def test_the_value_is_the_ensembles_and_its_variance_over_networks_the_jackknifes(
    name: str, random: np.random.Generator
) -> None:
    networks, measure = drawn(random, 5, images=700), MEASURES[name]
    got = estimate(of_ensembles(measure).observe(networks))
    assert got.value == pytest.approx(measure.observe([together(networks)]).by_seed[0])
    without = measure.observe(without_each(networks)).by_seed
    assert got.repeat_variance == pytest.approx(4 / 5 * ((without - without.mean()) ** 2).sum())
    assert got.seeds == 5
    assert 0 < got.image_variance < 0.001


def test_people_are_counted_where_they_are_known(random: np.random.Generator) -> None:
    labels = np.arange(210) % CLASSES
    looks = np.eye(CLASSES)[labels] * 1.2 + random.normal(0, 1, (210, CLASSES))
    networks = [answers(labels, looks + random.normal(0, 0.8, looks.shape), np.arange(210) // 10) for _ in range(4)]
    got = estimate(of_ensembles(ACCURACY).observe(networks))
    assert got.subjects == 21
    assert got.value == pytest.approx(together(networks).correct.mean())


def test_one_network_is_no_ensemble(random: np.random.Generator) -> None:
    assert np.isnan(of_ensembles(ACCURACY).observe(drawn(random, 1)).by_seed).all()


@pytest.mark.parametrize("networks", [3, 5, 10])
def test_intervals_hold_what_ensembles_have(networks: int) -> None:
    """An arm's: of 400 simulated studies, so that 95 % come out below 92 in one of a hundred cases."""
    random = np.random.default_rng(networks)
    truth = np.mean([together(drawn(random, networks, 20_000)).correct.mean() for _ in range(60)])
    found = [estimate(of_ensembles(ACCURACY).observe(drawn(random, networks))) for _ in range(400)]
    assert np.mean([one.value for one in found]) == pytest.approx(truth, abs=0.003)
    assert 0.92 <= np.mean([one.low <= truth <= one.high for one in found]) <= 0.99


@pytest.mark.parametrize("networks", [3, 5, 10])
def test_intervals_hold_that_equal_arms_differ_by_nothing(networks: int) -> None:
    random = np.random.default_rng(networks)
    measure, held = of_ensembles(ACCURACY), []
    for _ in range(400):
        labels, looks = drawn_images(random)
        of_arms = (looks + random.normal(0, 0.5, looks.shape) for _ in range(2))  # what either sees in an image
        ours, theirs = (measure.observe(_of_looks(random, labels, seen, networks)) for seen in of_arms)
        gap = estimate(ours.minus(theirs))
        held.append(gap.low <= 0 <= gap.high)
    assert 0.92 <= np.mean(held) <= 0.99


ARMS = {"none": 0.4, "block": 0.7}


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    return find([make_study(tmp_path_factory.mktemp("known") / "study", ARMS, elsewhere={"wild": 70})])[0]


def test_a_study_says_what_one_network_and_all_have(known: Findings) -> None:
    one, all_of_them = known.ensembles
    for arm in known.arms:
        networks = [known.evidence.answers[trial] for trial in arm.confirmations["trial"]]
        assert one.arms[arm.arm] == arm.estimates["accuracy"]
        assert all_of_them.arms[arm.arm].value == pytest.approx(together(networks).correct.mean())
    gap = all_of_them.differences["block", "none"]
    assert gap.value == pytest.approx(all_of_them.arms["block"].value - all_of_them.arms["none"].value)
    assert one.differences["block", "none"] == known.comparisons[0].difference
    assert [column.images for column in known.elsewhere["wild"].ensembles] == [70, 70]


def test_its_measure_is_the_studys(tmp_path: Path) -> None:
    (found,) = find([make_study(tmp_path / "study", ARMS, measure="macro_f1")])
    (arm,) = (arm for arm in found.arms if arm.arm == "block")
    both = together([found.evidence.answers[trial] for trial in arm.confirmations["trial"]])
    expected = f1_score(both.labels, both.predicted, labels=range(CLASSES), average="macro", zero_division=0)
    assert found.ensembles[1].arms["block"].value == pytest.approx(expected)


def test_folds_each_have_an_ensemble_and_are_what_is_counted(tmp_path: Path) -> None:
    (found,) = find([make_study(tmp_path / "study", ARMS, seeds=(200_000, 200_001), folds=4)])
    all_of_them = found.ensembles[1]
    assert (all_of_them.arms["none"].folds, all_of_them.differences["block", "none"].folds) == (4, 4)
    (arm,) = (arm for arm in found.arms if arm.arm == "none")
    rows = arm.confirmations.reset_index(drop=True)
    right = [
        together([found.evidence.answers[trial] for trial in of_fold["trial"]]).correct
        for _, of_fold in rows.groupby("config.data.fold")
    ]
    assert all_of_them.arms["none"].value == pytest.approx(np.concatenate(right).mean())


def test_searches_are_what_is_counted_where_they_were_repeated(tmp_path: Path) -> None:
    (found,) = find([make_study(tmp_path / "study", ARMS, searches=3, seeds=(200_000, 200_001))])
    assert (found.ensembles[1].arms["none"].searches, found.ensembles[1].arms["none"].seeds) == (3, 6)


def test_the_figure_begins_with_the_mean_and_ends_with_all(known: Findings) -> None:
    figure = ensembles(Subject(known))
    assert figure is not None
    for arm, line in zip(known.arms, figure.axes[0].lines, strict=True):
        shown = np.asarray(line.get_ydata())
        assert shown[0] == pytest.approx(known.ensembles[0].arms[arm.arm].value)
        assert shown[-1] == pytest.approx(known.ensembles[1].arms[arm.arm].value)


def test_nothing_is_said_of_single_networks_or_without_their_answers(tmp_path: Path) -> None:
    assert not find([make_study(tmp_path / "single", ARMS, seeds=(200_000,))])[0].ensembles
    without = make_study(tmp_path / "without", ARMS)
    (without / "predictions.parquet").unlink()
    assert not find([without])[0].ensembles


def test_the_table_has_one_and_all_side_by_side(known: Findings, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(known.evidence.folders[0], tmp_path / "study"))
    assert main([str(folder)]) == 0
    report = folder / "report"
    table = pd.read_parquet(folder / "ensembles.parquet").fillna({"baseline": ""}).set_index(["arm", "baseline"])
    assert table.index.tolist() == [("none", ""), ("block", ""), ("block", "none")]
    assert set(table["networks"]) == {3}
    gap = known.ensembles[1].differences["block", "none"]
    assert table.loc[("block", "none"), ["together", "together_low", "together_high"]].tolist() == pytest.approx(
        [gap.value, gap.low, gap.high]
    )
    assert "all confirmations together" in (report / "ensembles.tex").read_text()
    assert (report / "ensembles.png").exists()
    assert (folder / "elsewhere_ensembles.parquet").exists()
    assert "One network, and all of an arm together" in (report / "index.html").read_text()
