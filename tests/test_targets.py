"""Training towards annotators' votes instead of one label an image."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_core.config import TrialConfig
from fer_core.data import protocols
from fer_core.data.dataset import EMOTIONS, Dataset
from fer_core.data.protocols import Learning, split, stratified
from fer_core.errors import InputError
from fer_core.targets import Targets, one_hot
from fer_core.training import Training
from search_spaces.catalogue import load_space
from search_spaces.space import Choice, Space
from study.plan import make_plan
from study.planning.votes import as_needed
from tests.conftest import ONE_WORKER, FinishedStudy, run_module
from tests.test_readers import write_csv

KINDS = ("label", "distribution", "drawn")


def votes_for(labels: np.ndarray, doubt: float) -> np.ndarray:
    """(n, 7) float32: this share of the votes, at most half, goes to the next class."""
    return (1 - doubt) * one_hot(labels) + doubt * one_hot((labels + 1) % 7)


@pytest.fixture(scope="module")
def doubted(parts: tuple[Learning, protocols.Testing]) -> Learning:
    """Every fourth vote is for another class than the label."""
    return replace(parts[0], train_distributions=votes_for(parts[0].train_labels, 0.25))


def weights_after(config: TrialConfig, learning: Learning, epochs: int = 2) -> list[np.ndarray]:
    training = Training(config, 5, learning)
    for _ in range(epochs):
        training.run_epoch()
    weights = training.model.get_weights()
    training.release()
    return weights


def test_drawn_labels_have_the_shares_of_the_votes() -> None:
    shares = np.tile(np.array([0.5, 0.0, 0.3, 0.2], np.float32), (5000, 1))
    targets = Targets("drawn", np.zeros(5000, int), shares, 4)
    drawn = targets.of_epoch(3, seed=1)
    assert drawn.sum(axis=1).tolist() == [1] * 5000
    np.testing.assert_allclose(drawn.mean(axis=0), shares[0], atol=0.03)  # four standard errors
    assert drawn[:, 1].sum() == 0
    np.testing.assert_array_equal(drawn, targets.of_epoch(3, seed=1))
    for other in (targets.of_epoch(4, seed=1), targets.of_epoch(3, seed=2)):
        assert 0.3 < (drawn == other).all(axis=1).mean() < 0.46  # 0.38 of the labels agree by chance


def test_votes_that_all_agree_train_as_their_label_does(narrow: TrialConfig, doubted: Learning) -> None:
    agreed = replace(doubted, train_distributions=votes_for(doubted.train_labels, 0.0))
    label, distribution, drawn = (weights_after(narrow.override({"train.targets": kind}), agreed) for kind in KINDS)
    for one, other, third in zip(label, distribution, drawn, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one, third)


def test_a_distribution_is_smoothing_by_the_votes(
    narrow: TrialConfig, parts: tuple[Learning, protocols.Testing]
) -> None:
    """The loss is linear in its target: votes spread evenly are the same as label smoothing."""
    learning = parts[0]
    even = replace(learning, train_distributions=0.7 * one_hot(learning.train_labels) + np.float32(0.3 / 7))
    voted = weights_after(narrow.override({"train.targets": "distribution"}), even, epochs=1)
    smoothed = weights_after(narrow.override({"train.label_smoothing": 0.3}), learning, epochs=1)
    plain = weights_after(narrow, learning, epochs=1)
    far = max(np.abs(one - other).max() for one, other in zip(voted, plain, strict=True))
    near = max(np.abs(one - other).max() for one, other in zip(voted, smoothed, strict=True))
    assert near < 0.02 * far


@pytest.mark.parametrize("kind", ["distribution", "drawn"])
def test_votes_change_the_training_which_is_resumed_bit_for_bit(
    kind: str, narrow: TrialConfig, doubted: Learning, tmp_path: Path
) -> None:
    config, checkpoint = narrow.override({"train.targets": kind}), tmp_path / "trial.npz"
    whole = weights_after(config, doubted)
    assert any((one != other).any() for one, other in zip(whole, weights_after(narrow, doubted), strict=True))
    for _ in range(2):
        resumed = Training(config, 5, doubted, checkpoint)
        resumed.run_epoch()
        resumed.save(checkpoint)
    for one, other in zip(whole, resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_only_votes_for_images_that_train_matter(narrow: TrialConfig, doubted: Learning) -> None:
    config = narrow.override({"train.targets": "distribution", "data.train_images": 70})
    trained = np.isin(np.arange(len(doubted.train_labels)), stratified(doubted.train_labels, 70))
    first = weights_after(config, doubted, epochs=1)
    for others, same in ((~trained, True), (trained, False)):
        shares = np.where(others[:, None], np.float32(1 / 7), doubted.train_distributions)
        second = weights_after(config, replace(doubted, train_distributions=shares), epochs=1)
        assert all((one == other).all() for one, other in zip(first, second, strict=True)) == same


def test_votes_go_with_their_images_into_every_part(faces: Dataset) -> None:
    shares = np.random.default_rng(0).dirichlet(np.ones(7), len(faces.labels)).astype(np.float32)
    learning, _ = split(replace(faces, distributions=shares), "holdout")
    assert learning.train_distributions is not None
    where = {image.tobytes(): row for row, image in enumerate(faces.images)}
    rows = [where[image.tobytes()] for image in learning.train_images]
    np.testing.assert_array_equal(learning.train_distributions, shares[rows])


@pytest.mark.parametrize("kind", ["distribution", "drawn"])
def test_without_votes_there_is_nothing_to_train_towards(kind: str) -> None:
    with pytest.raises(InputError, match=f"train.targets={kind}: the data has no label distributions"):
        Targets(kind, np.zeros(3, int), None, 7)


@pytest.mark.parametrize(
    ("space", "settings", "needed"),
    [
        ("soft_labels", {}, True),
        ("se_placement", {}, False),
        ("se_placement", {"train.targets": "drawn"}, True),
        (Space("tuned", "Tuned?", nuisance={"train.targets": Choice(("label", "drawn"))}), {}, True),
    ],
    ids=["compared", "unknown", "set", "tuned"],
)
def test_a_plan_knows_whether_it_needs_votes(space: str | Space, settings: dict[str, str], needed: bool) -> None:
    asked = load_space(space) if isinstance(space, str) else space
    plan = make_plan(asked, budget="quick", protocol="challenge", data_name="a", settings=settings)
    assert plan.needs_distributions == needed


@pytest.fixture(scope="module")
def voted_faces(faces: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn faces as arrays, with ten votes an image instead of labels."""
    return write_voted(tmp_path_factory.mktemp("votes") / "voted.npz", faces, 0.3)


def write_voted(path: Path, faces: Dataset, doubt: float) -> Path:
    votes = np.rint(10 * votes_for(faces.labels, doubt)).astype(np.uint8)
    parts = {
        name: array[faces.usages == usage]
        for usage, part in enumerate(("train", "val", "test"))
        for name, array in ((f"x_{part}", faces.images), (f"y_{part}", votes))
    }
    np.savez(path, classes=np.array(EMOTIONS), **parts)
    return path


SMALL = ("--budget", "quick", "--trials", "1", "--epochs", "2", "--seeds", "1", "--set", "model.width=0.0625")


@pytest.fixture(scope="module")
def study(voted_faces: Path, tmp_path_factory: pytest.TempPathFactory) -> FinishedStudy:
    folder = tmp_path_factory.mktemp("targets") / "study"
    arguments = ("--space", "soft_labels", "--data", voted_faces, *SMALL, *ONE_WORKER)
    return FinishedStudy(folder, run_module("study.run", *arguments, "--out", folder))


def test_a_study_compares_what_is_trained_towards(study: FinishedStudy) -> None:
    assert study.command.status == 0, study.command.err
    trials = pd.read_parquet(study.folder / "trials.parquet")
    assert set(trials.arm) == set(KINDS)
    assert (trials["config.train.targets"] == trials.arm).all()
    assert (trials.status == "completed").all()
    losses = trials[trials.phase == "confirm"].set_index("arm").train_loss
    assert losses.nunique() == 3  # the same network and seed
    labels = pd.read_parquet(study.folder / "predictions.parquet").groupby("image").label.nunique()
    assert (labels == 1).all()
    assert "distribution - label" in study.command.out


def test_other_votes_for_the_same_labels_are_another_study(
    study: FinishedStudy, faces: Dataset, tmp_path: Path
) -> None:
    other = write_voted(tmp_path / "voted.npz", faces, 0.2)
    refused = run_module("study.run", "--resume", "--out", study.folder, "--data", other)
    assert refused.status == 2
    assert f"error: {study.folder}: holds a study with votes " in refused.err


def test_votes_that_no_training_needs_make_no_other_data(faces: Dataset) -> None:
    voted = replace(faces, distributions=votes_for(faces.labels, 0.3))
    soft, other = (
        make_plan(load_space(name), budget="quick", protocol="challenge", data_name="a")
        for name in ("soft_labels", "se_placement")
    )
    assert as_needed(other, voted).votes_fingerprint() is None
    assert as_needed(soft, voted).votes_fingerprint() == voted.votes_fingerprint()
    assert voted.fingerprint() == faces.fingerprint()


@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["run", "dry-run"])
@pytest.mark.parametrize("kind", ["csv", "npz"])
def test_a_study_that_lacks_votes_is_refused(kind: str, dry: tuple[str, ...], faces: Dataset, tmp_path: Path) -> None:
    path = tmp_path / f"plain.{kind}"
    if kind == "csv":
        write_csv(path, faces)
    else:
        np.savez(path, x_train=np.zeros((9, 8, 8), np.uint8), y_train=np.arange(9) % 3)
    done = run_module("study.run", "--space", "soft_labels", "--data", path, "--out", tmp_path / "study", *dry)
    assert done.status == 2
    assert "plain" in done.err
    assert "has no label distributions, which the space soft_labels trains towards" in done.err
    assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "study").exists()
