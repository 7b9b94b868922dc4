"""Data that are no images, as landmarks, tokens, texts: read as they are, trained on by one's own, reported."""

import json
import shutil
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from fer_core import compiled
from fer_core.data.array_writer import write_arrays
from fer_core.data.cache import VARIABLE
from fer_core.data.dataset import Dataset, Listing
from fer_core.data.protocols import split
from fer_core.data.sources import find_source, list_images, read
from fer_core.errors import InputError
from fer_core.features import Features
from fer_core.model import load_network
from fer_core.own_training import OwnTraining
from fer_core.predict import predict
from fer_core.training import Training
from search_spaces.catalogue import load_space
from search_spaces.space import Float, Space
from study import check
from study.cluster.probe import batches
from study.plan import Plan, make_plan
from study.planning.inputs import check_alike, check_finite, check_inputs
from study.report.write import Request, write_report
from tests.conftest import ONE_WORKER, ROOT, FinishedStudy, run_module
from tests.test_own_trainer import Guess

EXAMPLE = ROOT / "docs" / "examples" / "landmarks.py"
POINTS = Features((68, 2), "float32")
MOODS = np.array(["calm", "cross", "glad"])


def write_points(path: Path, counts: tuple[int, int, int] = (90, 30, 40), seed: int = 0) -> Path:
    """Drawn points of three classes, each with a shape of its own."""
    shapes = 48 * np.random.default_rng(1).random((3, *POINTS.shape))
    random = np.random.default_rng(seed)
    arrays: dict[str, np.ndarray] = {"classes": MOODS}
    for part, count in zip(("train", "val", "test"), counts, strict=True):
        labels = np.arange(count) % 3
        arrays[f"x_{part}"] = (shapes[labels] + random.normal(0, 6, (count, *POINTS.shape))).astype(np.float32)
        arrays[f"y_{part}"] = labels
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def write_texts(path: Path) -> Path:
    """Sentences of which a word gives away the class."""
    random, words = np.random.default_rng(2), {"sad": "tears", "glad": "laughter"}
    arrays: dict[str, np.ndarray] = {"classes": np.array(list(words))}
    for part, count in {"train": 200, "test": 40}.items():
        labels = np.arange(count) % 2
        filler = random.choice(["a day", "the long street", "some bread and"], count)
        told = [list(words.values())[label] for label in labels]
        arrays |= {
            f"x_{part}": np.array([f"{a} {b}" for a, b in zip(filler, told, strict=True)]),
            f"y_{part}": labels,
        }
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def read_path(path: Path) -> Dataset:
    return read(find_source(str(path)))


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_points(tmp_path_factory.mktemp("points") / "points.npz")


@pytest.mark.parametrize(
    ("given", "held"),
    [
        (np.zeros((4, 68, 2), np.float32), POINTS),
        (np.zeros((4, 20, 20)), Features((20, 20), "float64")),
        (np.zeros((4, 20, 20, 1)), Features((20, 20, 1), "float64")),
        (np.zeros((4, 16, 12, 12), np.uint8), Features((16, 12, 12), "uint8")),
        (np.zeros((4, 30), np.int64), Features((30,), "int64")),
        (np.zeros(4, bool), Features((), "bool")),
        (np.array(["a", "text", "or", "two"]), Features((), "text")),
        (np.zeros((4, 20, 20, 1), np.uint8), None),
        (np.zeros((4, 20, 20, 3), np.uint8), None),
    ],
)
def test_what_is_no_image_is_taken_as_it_is(given: np.ndarray, held: Features | None, tmp_path: Path) -> None:
    np.savez(tmp_path / "given.npz", x_train=given, y_train=[0, 1, 1, 0], x_test=given, y_test=[1, 1, 0, 0])
    source = find_source(str(tmp_path / "given.npz"))
    listing, dataset = list_images(source), read(source)
    assert listing is not None
    assert listing.features == dataset.features == dataset.listing.features == held
    if held is not None:
        np.testing.assert_array_equal(dataset.images, np.concatenate([given, given]))
        assert dataset.images.dtype == given.dtype


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"x_train": np.zeros((4, 3), complex)}, r"x_train is complex128 \(4, 3\)\. Expected images, uint8"),
        ({"x_train": np.array([["a"], ["b"], ["c"], ["d"]])}, r"x_train is <U1 \(4, 1\)\. Expected .* texts \(n,\)"),
        ({"x_train": np.float64(3)}, r"x_train is float64 \(\)\. Expected"),
        ({"x_test": np.zeros((4, 3))}, "x_train holds features 2 float64, x_test features 3 float64"),
        ({"x_test": np.zeros((4, 2), int)}, "x_train holds features 2 float64, x_test features 2 int64"),
        ({"x_test": np.zeros((4, 9, 9), np.uint8)}, "x_train holds features 2 float64, x_test images"),
        ({"y_train": [0, 1, 1]}, r"labels of train are int64 \(3,\), expected \(4,\)"),
    ],
)
def test_what_cannot_be_examples_is_refused(change: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    alike = {"x_train": np.zeros((4, 2)), "y_train": [0, 1, 1, 0], "x_test": np.zeros((4, 2)), "y_test": [0] * 4}
    np.savez(tmp_path / "wrong.npz", **(alike | change))  # type: ignore[arg-type]
    source = find_source(str(tmp_path / "wrong.npz"))
    for look in (read, list_images):  # the second without the examples themselves
        with pytest.raises(InputError, match=complaint):
            look(source)


@pytest.mark.parametrize("write", [write_points, write_texts])
def test_the_cache_gives_features_as_they_were(write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    path = write(tmp_path / "given.npz")
    first, second = read_path(path), read_path(path)
    np.testing.assert_array_equal(first.images, second.images)
    assert first.images.dtype == second.images.dtype
    assert first.fingerprint() == second.fingerprint()
    assert len(list((tmp_path / "cache").glob("*.npz"))) == 1


def test_images_are_made_something_else_of_and_keep_the_rest(faces: Dataset, tmp_path: Path) -> None:
    """As docs/data.md does with landmarks."""
    write_arrays(replace(faces, images=faces.images.mean(axis=2)), tmp_path / "rows.npz")
    rows = read_path(tmp_path / "rows.npz")
    assert rows.features == Features((48,), "float64")
    assert (rows.classes, rows.counts()) == (faces.classes, faces.counts())
    order = np.argsort(faces.usages, kind="stable")
    np.testing.assert_array_equal(rows.labels, faces.labels[order])
    np.testing.assert_array_equal(rows.images, faces.images.mean(axis=2)[order])


def test_a_text_is_itself_whatever_stands_beside_it() -> None:
    short = Dataset("texts", np.array(["no", "yes"]), np.array([0, 1], np.uint8), np.zeros(2, np.uint8), ("a", "b"))
    wide = replace(short, images=short.images.astype("<U40"))
    assert wide.fingerprint() == short.fingerprint()


def plan_of(**given: Any) -> Plan:
    settings = given.pop("settings", {})
    space = Space("own", "Own?", **({"network": flat} | given))
    return make_plan(space, budget="quick", protocol="challenge", data_name="points", settings=settings)


def holding(features: Features | None, name: str = "data") -> Listing:
    """What is known of data that holds these."""
    return Listing(name, np.zeros(1, np.uint8), np.zeros(1, np.uint8), features=features)


def flat(x: Any, settings: dict[str, Any]) -> Any:
    """A dense layer on all there is, after a dropout."""
    x = keras.layers.Dropout(settings["dropout"])(keras.layers.Flatten()(x))
    return keras.layers.Dense(8, activation="relu")(x)


def test_features_are_not_for_the_papers_network() -> None:
    paper = make_plan(load_space("se_placement"), budget="quick", protocol="challenge", data_name="points")
    with pytest.raises(InputError, match=r"points: holds features 68 x 2 float32\. The paper's network takes images"):
        check_inputs(paper, holding(POINTS, "points"))
    check_inputs(paper, holding(None))


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({}, r"augment\.shift is of images, but set to 0\.1\. Fix it to 0\.0 in the space own, or by --set augment"),
        ({"nuisance": {"augment.shift": Float(0, 0.2)}}, r"augment\.shift is of images, but the space own varies it"),
        ({"scientific": {"data.side": (24, 48)}}, r"data\.side is of images, but the space own varies it"),
        ({"trainer": Guess, "network": None, "fixed": {"data.colour": True}}, r"data\.colour .*set to True.*=false"),
    ],
)
def test_what_is_done_to_images_cannot_be_done_to_features(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        check_inputs(plan_of(**given), holding(POINTS))


def test_a_network_takes_numbers_and_a_trainer_whatever_there_is() -> None:
    as_given = plan_of(fixed={"augment.shift": 0.0})
    check_inputs(as_given, holding(POINTS))
    check_inputs(plan_of(settings={"augment.shift": "0"}), holding(POINTS))
    check_inputs(plan_of(network=None, trainer=Guess), holding(Features((), "text")))
    with pytest.raises(InputError, match="texts: holds texts, which no network takes"):
        check_inputs(as_given, holding(Features((), "text"), "texts"))


def test_a_network_is_not_given_what_is_no_number(points: Path) -> None:
    as_given, dataset = plan_of(fixed={"augment.shift": 0.0}), read_path(points)
    check_finite(as_given, dataset)
    holes = dataset.images.copy()
    holes[[2, 5], 3, 1] = np.nan, np.inf
    with pytest.raises(
        InputError, match="points: 2 of 160 examples hold numbers that are not finite, the first in row 3"
    ):
        check_finite(as_given, replace(dataset, images=holes))
    check_finite(plan_of(network=None, trainer=Guess), replace(dataset, images=holes))


def test_other_data_has_to_hold_the_same() -> None:
    check_alike("other", None, None)
    check_alike("other", Features((68, 2), "float64"), POINTS)
    for other, held in ((None, "images"), (Features((5, 2), "float32"), "features 5 x 2 float32")):
        with pytest.raises(
            InputError, match=f"--also-test other: holds {held}, the data that trains features 68 x 2"
        ):
            check_alike("other", other, POINTS)
    with pytest.raises(InputError, match="holds texts, the data that trains images"):
        check_alike("other", Features((), "text"), None)


SPACE = Space("flat", "Flat?", network=flat, nuisance={"dropout": Float(0.0, 0.5)}, fixed={"augment.shift": 0.0})
CONFIG = SPACE.start.override(
    {"augment.shift": 0.0, "dropout": 0.3, "train.epochs": 4, "train.batch_size": 16, "train.learning_rate": 0.01}
)


def test_a_network_learns_features_and_is_resumed_bit_for_bit(points: Path, tmp_path: Path) -> None:
    learning, testing = split(read_path(points), "challenge")
    checkpoint = tmp_path / "trial.npz"
    whole = Training(CONFIG, 5, learning, network=flat)
    assert whole.model.input_shape == (None, 68, 2)
    while not whole.finished:
        whole.run_epoch()
    for _ in range(4):
        resumed = Training(CONFIG, 5, learning, checkpoint, flat)
        resumed.run_epoch()
        resumed.save(checkpoint)
    assert [astuple(epoch)[:-1] for epoch in resumed.history] == [astuple(epoch)[:-1] for epoch in whole.history]
    answers = whole.answers(testing.images)
    np.testing.assert_array_equal(resumed.answers(testing.images), answers)
    np.testing.assert_allclose(answers, whole.model.predict(testing.images, verbose=0), atol=1e-5)
    assert whole.test(testing).accuracy > 0.5  # chance is a third


def tokens(x: Any, settings: dict[str, Any]) -> Any:
    """The mean of what is learned of each token."""
    return keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(30, 4)(x))


def test_whole_numbers_stay_whole_for_an_embedding() -> None:
    random, labels = np.random.default_rng(3), np.arange(96) % 2
    given = 15 * labels[:, None] + random.integers(0, 15, (96, 6))  # int64
    usages = np.repeat(np.array([0, 1, 2], np.uint8), 32)
    learning, testing = split(Dataset("tokens", given, labels.astype(np.uint8), usages, ("a", "b")), "challenge")
    space = Space("tokens", "Tokens?", network=tokens, fixed={"augment.shift": 0.0})
    config = space.start.override(
        {"augment.shift": 0.0, "train.epochs": 20, "train.batch_size": 8, "train.learning_rate": 0.05}
    )
    training = Training(config, 1, learning, network=tokens)
    assert training.model.inputs[0].dtype == "int32"
    while not training.finished:
        training.run_epoch()
    assert training.test(testing).accuracy > 0.9


def test_a_pooled_network_is_used_again_for_the_same_features_alone() -> None:
    compiled.forget()
    first = compiled.take(CONFIG, 1, flat, ("a", "b"), POINTS)
    compiled.give_back(first, CONFIG, flat, ("a", "b"), POINTS)
    assert compiled.take(CONFIG, 1, flat, ("a", "b"), Features((68, 3), "float32")) is not first
    assert compiled.take(CONFIG, 1, flat, ("a", "b")) is not first
    assert compiled.take(CONFIG, 1, flat, ("a", "b"), POINTS) is first
    compiled.forget()


def test_what_a_gpu_needs_is_measured_on_such_features() -> None:
    learning = batches(CONFIG, POINTS)
    assert learning.features == POINTS
    assert learning.train_images.shape == (2 * CONFIG.train.batch_size, 68, 2)
    assert np.isfinite(Training(CONFIG, 0, learning, network=flat).run_epoch().train_loss)
    assert batches(CONFIG).features is None


WORDS = '''
import json

import numpy as np

from fer_core.trainer import Trainer
from search_spaces.space import Choice, Space


class Words(Trainer):
    """Logistic regression on which words a text has."""

    def __init__(self, settings, seed, images, labels, classes):
        from sklearn.feature_extraction.text import HashingVectorizer
        from sklearn.linear_model import SGDClassifier

        self.words = HashingVectorizer(n_features=settings["words"])
        self.given, self.labels, self.classes = self.words.transform(images), labels, np.arange(len(classes))
        self.classifier = SGDClassifier(loss="log_loss", random_state=seed)

    def train_epoch(self, number):
        order = np.random.permutation(len(self.labels))[:20]
        self.classifier.partial_fit(self.given[order], self.labels[order], classes=self.classes)

    def predict(self, images):
        return self.classifier.predict_proba(self.words.transform(images))

    def save(self, path):
        fitted = {name: getattr(self.classifier, name) for name in ("coef_", "intercept_", "t_")}
        with path.open("wb") as file:
            np.savez(file, **fitted)

    def load(self, path):
        self.classifier.partial_fit(self.given[:1], self.labels[:1], classes=self.classes)
        with np.load(path) as fitted:
            for name in fitted.files:
                setattr(self.classifier, name, fitted[name])


SPACE = Space("words", "Words?", trainer=Words, scientific={"words": (16, 256)})
'''


def test_a_trainer_is_given_texts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "words.py").write_text(WORDS)
    texts = write_texts(tmp_path / "texts.npz")
    space = load_space(str(tmp_path / "words.py"))
    learning, testing = split(read_path(texts), "holdout")
    assert space.trainer is not None
    training = OwnTraining(space.trainer, space.start.override({"words": 256, "train.epochs": 5}), 1, learning)
    while not training.finished:
        training.run_epoch()
    assert training.test(testing).accuracy == 1
    assert check.main([str(tmp_path / "words.py"), "--data", str(texts), "--images", "100"]) == 0
    assert "s an epoch of 100 examples" in capsys.readouterr().out


def test_the_check_says_what_a_study_would_refuse(points: Path, tmp_path: Path) -> None:
    (tmp_path / "shifted.py").write_text(EXAMPLE.read_text().replace('"augment.shift": 0.0, ', ""))
    with pytest.raises(InputError, match=r"augment\.shift is of images, but set to 0\.1"):
        check.main([str(tmp_path / "shifted.py"), "--data", str(points)])


def test_the_check_asks_for_the_data_where_it_was_tried_on_faces(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.py").write_text(EXAMPLE.read_text().replace('("found", "scaled", "upright")', '("upright",)'))
    assert check.main([str(tmp_path / "one.py"), "--images", "28"]) == 1
    assert "dense failed, see above (on images; --data PATH" in capsys.readouterr().out


def test_the_audit_counts_what_is_no_number_and_shows_no_faces(points: Path, tmp_path: Path) -> None:
    given = dict(np.load(points))
    given["x_val"][4, 0, 0] = np.nan
    np.savez(tmp_path / "holes.npz", **given)
    done = run_module("fer_core.data", tmp_path / "holes.npz")
    assert done.status == 0, done.err
    assert done.out.splitlines()[0].startswith("holes: 160 examples, features 68 x 2 float32, fingerprint ")
    assert "1 examples with numbers that are not finite (rows 95)." in done.out
    assert "constant" not in done.out
    assert json.loads(run_module("fer_core.data", tmp_path / "holes.npz", "--json").out)["not_finite"] == [94]
    refused = run_module("fer_core.data", points, "--sheet", tmp_path / "faces.png")
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.splitlines()[-1] == f"error: --sheet: is for images, {points} holds features 68 x 2 float32."


SMALL = ("--budget", "quick", "--trials", 2, "--epochs", 3, "--seeds", 2, "--set", "data.train_images=none")


@pytest.fixture(scope="module")
def own_study(points: Path, tmp_path_factory: pytest.TempPathFactory) -> FinishedStudy:
    base = tmp_path_factory.mktemp("features")
    other = write_points(base / "others.npz", seed=5)
    command = run_module(
        "study.run",
        "--space",
        EXAMPLE,
        "--data",
        points,
        "--also-test",
        other,
        *SMALL,
        *ONE_WORKER,
        "--out",
        base / "study",
    )
    return FinishedStudy(base / "study", command)


def test_a_study_of_features_runs_and_is_tested_elsewhere(own_study: FinishedStudy) -> None:
    assert own_study.command.status == 0, own_study.command.err
    lines = own_study.command.out.splitlines()
    counted = "      160 examples (90 Training, 30 PublicTest, 40 PrivateTest), features 68 x 2 float32, 3 classes, "
    assert any(line.startswith(counted) for line in lines)
    assert "      tested on, too: others, 40 of 160 examples (calm, cross, glad)" in lines
    assert "intervals over seeds and test examples" in own_study.command.out
    record = json.loads((own_study.folder / "study.json").read_text())
    assert record["features"] == {"shape": [68, 2], "dtype": "float32"}
    trials = pd.read_parquet(own_study.folder / "trials.parquet")
    assert len(trials) == 3 * 5
    assert set(trials["status"]) <= {"completed", "pruned"}
    assert set(trials["config.augment.shift"]) == {0.0}
    tested = trials[trials["phase"] == "confirm"]
    assert tested["test_accuracy"].min() > 0.6  # chance is a third
    elsewhere = pd.read_parquet(own_study.folder / "elsewhere.parquet")
    assert len(elsewhere) == 40 * trials["phase"].ne("search").sum()


def test_its_report_lacks_no_images(own_study: FinishedStudy, tmp_path: Path) -> None:
    folder = shutil.copytree(own_study.folder, tmp_path / "study")
    found = write_report(Request([folder], tmp_path / "report"))
    page = found.page.read_text()
    assert "features 68 x 2 float32, 3 classes" in page
    assert "not at hand" not in page
    assert "most often mistaken" not in page
    assert "test image" not in page.split("<footer>")[0]
    assert not (tmp_path / "report" / "mistaken_faces.png").exists()
    assert found.findings[0].evidence.features == POINTS


def test_its_network_is_taken_away_and_classifies_features(
    own_study: FinishedStudy, points: Path, tmp_path: Path
) -> None:
    exported = run_module("study.export", own_study.folder, "--arm", "scaled", "--out", tmp_path / "best")
    assert exported.status == 0, exported.err
    with pytest.raises(InputError, match=r"best\.keras: takes features 68 x 2 float32, no images\. Load"):
        predict(tmp_path / "best.keras", [tmp_path / "face.png"])
    network = load_network(tmp_path / "best.keras")
    testing = split(read_path(points), "challenge")[1]
    assert (network.predict(testing.images, verbose=0).argmax(axis=1) == testing.labels).mean() > 0.6


def test_a_plan_of_features_says_so(points: Path) -> None:
    done = run_module("study.run", "--space", EXAMPLE, "--data", points, "--dry-run")
    assert done.status == 0, done.err
    assert (
        "examples: all 90 examples train, all 30 examples validate, 40 are tested, 3 classes, features 68 x 2 "
        in done.out
    )
    shown = run_module("study.run", "--space", EXAMPLE, "--data", points, "--dry-run", "--json")
    assert json.loads(shown.out)["images"]["features"] == {"shape": [68, 2], "dtype": "float32"}
    refused = run_module("study.run", "--space", EXAMPLE, "--data", points, "--also-test", "synthetic", "--dry-run")
    assert refused.status == 2
    assert "--also-test synthetic: holds images, the data that trains features 68 x 2" in refused.err
