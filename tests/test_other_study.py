"""Networks and a whole study on images in colour, of three classes, in two sizes."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from matplotlib.figure import Figure
from PIL import Image

from fer_core.class_weights import class_weights
from fer_core.config import TrialConfig, View, completed
from fer_core.data.dataset import TRAINING, Dataset
from fer_core.data.protocols import Learning, split, split_all
from fer_core.data.sources import find_source, read
from fer_core.errors import InputError
from fer_core.form import PAPERS, Form
from fer_core.model import build_model, form_of, load_network, names_of
from fer_core.size import parameters
from fer_core.training import Training
from search_spaces.space import Choice, Float, Int, Space
from study import check
from study.analysis.findings import find
from study.plan import Plan, make_plan
from study.records.folder import read_study
from study.records.parquet import read_parquet
from study.records.rows import prediction_rows
from study.records.tables import Tables
from study.report.figures.classes import confusions
from study.report.figures.outcome import table_1
from study.report.figures.style import Subject
from study.report.write import Request, write_report
from tests.conftest import ONE_WORKER, Finished, run_module
from tests.made import make_study
from tests.test_other_data import COLOURS, SMALL, tinted, write_classes

NAMES = tuple(sorted(COLOURS))  # as class folders come
CONFIG = TrialConfig.from_flat(
    {
        "data.side": 16,
        "data.colour": True,
        "data.interpolation": "bilinear",
        "model.width": 0.0625,
        "model.batch_norm_momentum": 0.9,
        "train.batch_size": 8,
        "train.epochs": 4,
    }
)


def images_of(counts: dict[int, int]) -> Dataset:
    """So many tinted images for each usage, of three classes in turn."""
    wanted = [usage for usage, count in counts.items() for _ in range(count)]
    made = [(tinted(n % 3, 1 + n, 16)[-1], n % 3, usage) for n, usage in enumerate(wanted)]
    images, labels, usages = map(np.array, zip(*made, strict=True))
    return Dataset("tints", images, labels.astype(np.uint8), usages.astype(np.uint8), COLOURS)


@pytest.fixture(scope="module")
def learning() -> Learning:
    return split(images_of({TRAINING: 96, 1: 48, 2: 48}), "challenge")[0]


@pytest.mark.parametrize("form", [{}, {"data.side": 30}, {"data.colour": True, "data.side": 64}])
@pytest.mark.parametrize("classes", [COLOURS, tuple(map(str, range(100)))], ids=len)
def test_the_number_of_parameters_follows_side_colours_and_classes(form: dict, classes: tuple[str, ...]) -> None:
    config = TrialConfig.from_flat({"model.width": 0.0625, "model.se_placement": "conv", **form})
    trained = sum(int(np.prod(v.shape)) for v in build_model(config, told=classes).trainable_variables)
    assert trained == parameters(config, len(classes))


def test_a_saved_network_knows_its_classes_and_the_form_of_its_images(tmp_path: Path) -> None:
    build_model(CONFIG, told=COLOURS).save(tmp_path / "tints.keras")
    network = load_network(tmp_path / "tints.keras")
    assert names_of(network) == COLOURS
    assert form_of(network) == SMALL


def test_a_training_in_colour_learns_and_is_resumed_bit_for_bit(learning: Learning, tmp_path: Path) -> None:
    whole, checkpoint = Training(CONFIG, 5, learning), tmp_path / "half.npz"
    for _ in range(4):
        whole.run_epoch()
    first = Training(CONFIG, 5, learning)
    first.run_epoch()
    first.save(checkpoint)
    resumed = Training(CONFIG, 5, learning, checkpoint)
    while not resumed.finished:
        resumed.run_epoch()
    answers = whole.answers(learning.val_images)
    np.testing.assert_array_equal(resumed.answers(learning.val_images), answers)
    assert answers.shape == (48, 3)
    assert whole.history[-1].val_accuracy > 0.8


def test_a_network_waits_only_for_trainings_with_its_classes_and_form(learning: Learning) -> None:
    first = Training(CONFIG, 5, learning)
    network = first.model
    first.release()
    others = Learning(*vars(learning).values())
    larger = np.kron(learning.train_images, np.ones((1, 2, 2, 1), np.uint8))
    other_form = Learning(larger, learning.train_labels, larger[:9], learning.train_labels[:9], COLOURS)
    renamed = Learning(*list(vars(learning).values())[:4], classes=("a", "b", "c"))
    assert Training(CONFIG.override({"data.side": 32}), 5, other_form).model is not network
    assert Training(CONFIG, 5, renamed).model is not network
    assert Training(CONFIG, 5, others).model is network


def test_weights_are_of_every_class_that_there_is() -> None:
    weights = class_weights("balanced", np.array([0, 0, 0, 2]), 4)
    assert weights is not None
    np.testing.assert_allclose(weights, [2 / 3, 0, 2, 0], rtol=1e-6)


def test_which_test_images_have_a_twin_is_seen_in_the_first_form() -> None:
    """Two images that differ in 16 x 16 pixels, and no longer in one colour of 8 x 8."""
    fine = images_of({TRAINING: 3, 1: 3, 2: 3})
    same = np.zeros((9, 8, 8), np.uint8)
    coarse = Dataset("tints", same, fine.labels, fine.usages, COLOURS)
    views = [View(protocol, form) for protocol in ("challenge", "paper") for form in (SMALL, Form(8))]
    parts = split_all({SMALL: fine, Form(8): coarse}, views)
    assert list(parts) == views
    fine_part, coarse_part = parts[View("challenge", SMALL)], parts[View("challenge", Form(8))]
    np.testing.assert_array_equal(fine_part[1].distinct, coarse_part[1].distinct)
    assert split(coarse, "challenge")[1].distinct.tolist() != coarse_part[1].distinct.tolist()
    np.testing.assert_array_equal(fine_part[1].rows, coarse_part[1].rows)


def plan_of(**parts: object) -> Plan:
    space = Space("forms", "Which?", **parts)  # type: ignore[arg-type]
    return make_plan(space, budget="quick", protocol="challenge", data_name="")


def test_a_plan_knows_every_form_that_a_trial_may_have() -> None:
    assert plan_of(scientific={"model.se_placement": ("none", "block")}).forms == (PAPERS,)
    compared = plan_of(scientific={"data.side": (48, 32)}, fixed={"data.colour": True})
    assert compared.forms == (Form(48, colour=True), Form(32, colour=True))
    tuned = plan_of(nuisance={"data.side": Choice((64, 96)), "train.learning_rate": Float(1e-4, 1e-2)})
    assert tuned.forms == (Form(64), Form(96))
    with pytest.raises(InputError, match=r"data\.side is tuned 32 to 96, expected a Choice"):
        plan_of(nuisance={"data.side": Int(32, 96)})


def test_settings_that_came_later_are_as_they_were_in_effect() -> None:
    now = TrialConfig().flat()
    before = {name: value for name, value in now.items() if name not in ("data.side", "train.precision")}
    assert completed(before) == now
    assert TrialConfig.from_flat(before).digest() == TrialConfig().digest()
    assert CONFIG.digest() != CONFIG.override({"data.side": 48}).digest()


def test_predictions_of_any_number_of_classes_are_kept(tmp_path: Path) -> None:
    tables = Tables(tmp_path, classes=3)
    probabilities = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]], np.float32)
    rows = prediction_rows("a-1", np.arange(2), np.array([1, 2]), probabilities, np.array([True, False]))
    tables.add_trial({"trial": "a-1"}, rows)
    tables.close()
    Tables(tmp_path, classes=3).close()  # as a resumed study opens them
    kept = read_parquet(tmp_path, "predictions")
    assert kept["probabilities"].type.list_size == 3
    np.testing.assert_array_equal(np.array(kept["probabilities"].to_pylist(), np.float32), probabilities)
    assert kept["predicted"].to_pylist() == [1, 0]


@pytest.mark.parametrize(("classes", "numbers"), [(7, 49), (60, 0)])
def test_a_confusion_matrix_of_many_classes_has_no_numbers_and_fewer_names(
    classes: int, numbers: int, tmp_path: Path
) -> None:
    names = [f"class {number}" for number in range(classes)]
    found = find([make_study(tmp_path / "study", {"none": 0.5}, images=70, class_names=names)])[0]
    figure = confusions(Subject(found))
    assert isinstance(figure, Figure)
    panel = figure.axes[0]
    assert len(panel.texts) == numbers
    assert len(panel.get_xticks()) <= 50


SPACE = """
from search_spaces.space import Float, Space

SPACE = Space(
    name="sides",
    question="How many pixels does it need?",
    scientific={"data.side": (16, 8)},
    nuisance={"train.learning_rate": Float(1e-3, 1e-2, log=True)},
    fixed={"data.colour": True, "data.interpolation": "bilinear", "model.width": 0.0625},
)
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    folder = tmp_path_factory.mktemp("sides")
    write_classes(folder / "tints", COLOURS, {"": 60})
    (folder / "sides.py").write_text(SPACE)
    effort = ("--budget", "quick", "--trials", "2", "--epochs", "3", "--seeds", "2", "--set", "train.batch_size=8")
    given = ("--space", folder / "sides.py", "--data", folder / "tints", *ONE_WORKER, "--out", folder / "study")
    return folder, run_module("study.run", *given, *effort)


def test_a_study_compares_two_sizes_of_images_in_colour(study: tuple[Path, Finished]) -> None:
    folder, command = study
    assert command.status == 0, command.err
    assert "180 images (180 Training), 16 x 16 in colour, 8 x 8 in colour, 3 classes, protocol holdout" in command.out
    record = read_study(folder / "study")
    assert record is not None
    assert record["class_names"] == list(NAMES)
    trials = pd.read_parquet(folder / "study" / "trials.parquet")
    assert set(trials["config.data.side"]) == {16, 8}
    assert trials["config.data.colour"].all()
    confirmed = trials[trials["phase"] == "confirm"]
    assert confirmed["test_accuracy"].max() > 0.6  # the tint says it
    predictions = pd.read_parquet(folder / "study" / "predictions.parquet")
    assert {len(row) for row in predictions["probabilities"]} == {3}
    counted = confirmed.set_index("trial")["parameters"]
    for trial, row in confirmed.set_index("trial").iterrows():
        config = TrialConfig.from_flat(
            {"data.side": row["config.data.side"], "data.colour": True, "model.width": 0.0625}
        )
        assert counted[trial] == parameters(config, 3)


def test_its_report_shows_its_own_images(study: tuple[Path, Finished], tmp_path: Path) -> None:
    folder, _ = study
    report = write_report(Request([folder / "study"], tmp_path / "report"))
    (found,) = report.findings
    assert found.evidence.form == Form(16, colour=True, interpolation="bilinear")
    text = report.page.read_text()
    assert "16 x 16 in colour, 3 classes" in text
    assert "images are not at hand" not in text
    assert "holds other images" not in text


def test_its_network_classifies_files_of_any_size(study: tuple[Path, Finished], tmp_path: Path) -> None:
    folder, _ = study
    exported = run_module("study.export", folder / "study", "--arm", "16", "--out", tmp_path / "net")
    assert exported.status == 0, exported.err
    network = tmp_path / "net.keras"
    assert form_of(load_network(network)).side == 16
    file = tmp_path / "large.png"
    Image.fromarray(tinted(2, 1, 90)[0]).save(file)
    done = run_module("fer_core.predict", network, file, folder / "tints" / "red" / "0.png", "--json")
    assert done.status == 0, done.err
    first, second = json.loads(done.out)
    assert list(first["probabilities"]) == list(NAMES)
    images = read(find_source(str(folder / "tints")), SMALL)
    row = int(np.flatnonzero(images.labels == NAMES.index("red"))[0])
    expected = load_network(network).predict(images.images[row : row + 1], verbose=0)[0]
    np.testing.assert_allclose(list(second["probabilities"].values()), expected, rtol=1e-5)


def test_it_goes_on_with_more_seeds_on_the_same_images(study: tuple[Path, Finished]) -> None:
    folder, _ = study
    more = run_module("study.run", "--resume", "--out", folder / "study", "--seeds", "3", *ONE_WORKER)
    assert more.status == 0, more.err
    trials = pd.read_parquet(folder / "study" / "trials.parquet")
    assert (trials["phase"] == "confirm").sum() == 6


BROUGHT = """
from docs.examples.gradients import Logistic
from search_spaces.space import Space

SPACE = Space(
    name="tints",
    question="How large should cells be?",
    trainer=Logistic,
    scientific={"cell": (5, 8)},
    fixed={"features": "gradients", "rate": 0.01, "decay": 1e-4, "data.side": 20, "data.colour": True},
)
"""


def test_the_check_of_a_trainer_is_on_images_in_its_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tints.py").write_text(BROUGHT)
    tints = write_classes(tmp_path / "tints", COLOURS, {"": 20})
    assert check.main([str(tmp_path / "tints.py"), "--data", str(tints), "--images", "40"]) == 0
    assert capsys.readouterr().out.count("ok   can be repeated") == 2
    with pytest.raises(InputError, match="no such file or folder"):
        check.main([str(tmp_path / "tints.py"), "--data", str(tmp_path / "nowhere")])


def test_arms_that_tell_nothing_apart_decide_no_claim(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "study", {"none": 0.5, "block": 0.5}, images=70)
    table = read_parquet(folder, "predictions")
    column = table.schema.get_field_index("predicted")
    constant = table.set_column(column, table.schema.field(column), [np.zeros(table.num_rows, np.int8)])
    pq.write_table(constant, folder / "predictions.parquet")
    found = find([folder])[0]
    assert found.claim == "undecided"
    assert "none, block: every test image gets the same class, nothing was learned" in found.answer


def test_the_papers_claim_is_of_fer2013s_classes(tmp_path: Path) -> None:
    names = [f"class {number}" for number in range(7)]
    there = find([make_study(tmp_path / "other", {"none": 0.5, "block": 0.5}, class_names=names)])[0]
    here = find([make_study(tmp_path / "fer2013", {"none": 0.5, "block": 0.5})])[0]
    assert "on other classes than FER2013's" in there.answer
    assert "on other classes" not in here.answer
    assert table_1(Subject(there)) is None
    assert isinstance(table_1(Subject(here)), Figure)
