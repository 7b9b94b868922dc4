"""The protocol folds: every image is tested once, by networks that were tuned and trained without it."""

import itertools
import json
from collections import Counter
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from fer_core.config import FOLDS, Fold, TrialConfig, View
from fer_core.data.dataset import TEST, TRAINING, Dataset
from fer_core.data.protocols import folds, images_by_part, split, split_all, subjects_by_part
from fer_core.errors import InputError
from fer_core.form import PAPERS, Form
from search_spaces.space import Space
from study.analysis.findings import Findings, find
from study.analysis.measures import MEASURES
from study.cluster.sharing import Shares
from study.engine import Engine
from study.plan import SEARCHES_APART, SEEDS_A_STUDY, TrialSpec
from study.planning.power import detectable, luck_of
from study.records.folder import IDENTITY, check_same_study
from study.records.parquet import read_parquet, read_table
from study.records.place import Place
from study.records.shelf import Shelf
from study.records.tables import Tables
from study.report.figures.classes import answers_of, confusions
from study.report.figures.faces import mistaken_faces
from study.report.figures.style import Subject
from study.report.tables import arm_rows, comparison_rows
from study.report.write import Request, write_report
from study.search.deadline import Deadline
from study.search.sampler import Sampler
from tests import driven
from tests.conftest import ONE_WORKER, Finished, run_module
from tests.driven import Clock, plan
from tests.driven import run as run_engine
from tests.made import make_study
from tests.test_subjects import PATTERN, PEOPLE, of_people, write_people

SMALL = ("model.width=0.0625", "data.side=16", "data.train_images=none", "data.val_images=none")


# The images


@pytest.mark.parametrize("known", [True, False])
def test_every_image_is_tested_once_and_chooses_once(known: bool) -> None:
    data = of_people(*(person for person in PEOPLE for _ in range(7)), usages=[TRAINING] * 100 + [TEST] * 40)
    data = data if known else replace(data, subjects=None)
    tested, chose = Counter[int](), Counter[bytes]()
    for number in range(4):
        learning, testing = split(data, FOLDS, Fold(number, 4))
        images = [{image.tobytes() for image in part} for part in (learning.train_images, learning.val_images)]
        assert images[0].isdisjoint(images[1])
        assert {image.tobytes() for image in testing.images}.isdisjoint(images[0] | images[1])
        tested.update(testing.rows.tolist())
        chose.update(images[1])
        following = split(data, FOLDS, Fold((number + 1) % 4, 4))[1]
        assert {image.tobytes() for image in following.images} == images[1]
        if known:
            assert data.subjects is not None
            others = data.subjects[np.setdiff1d(np.arange(140), testing.rows)]
            assert not np.isin(testing.subjects, others).any()
        labels = np.bincount(testing.labels) / len(testing.labels)
        np.testing.assert_allclose(labels, np.bincount(data.labels) / 140, atol=0.06)
    assert tested == Counter(range(140))
    assert set(chose.values()) == {1}


def test_as_many_folds_as_people_leave_one_out_each() -> None:
    data = of_people(*(person for person in PEOPLE[:6] for _ in range(5)))
    assert data.subjects is not None
    assert [set(data.subjects[part]) for part in folds(data.listing, 6)] == [{person} for person in PEOPLE[:6]]
    assert subjects_by_part(data.listing, FOLDS, Fold(0, 6)) == {"tested": 6, "known": 0, "folds": 6}
    assert images_by_part(data.listing, FOLDS, Fold(0, 6)) == {"train": 20, "validate": 5, "tested": 5}


@pytest.mark.parametrize(("count", "choose"), [(3, 1), (14, 1), (16, 2), (30, 3)])
def test_a_tenth_of_many_folds_chooses(count: int, choose: int) -> None:
    data = of_people(*(f"person {n}" for n in range(count) for _ in range(4)))
    assert data.subjects is not None
    every = folds(data.listing, count)
    for number in range(count):
        learning, testing = split(data, FOLDS, Fold(number, count))
        following = np.concatenate([every[(number + 1 + k) % count] for k in range(choose)])
        assert {image.tobytes() for image in learning.val_images} == {data.images[row].tobytes() for row in following}
        assert len(learning.train_images) == 4 * (count - 1 - choose)
        assert len({*testing.subjects}) == 1


def test_a_study_of_many_folds_by_which_one_chose_does_not_go_on(tmp_path: Path) -> None:
    now = dict.fromkeys(IDENTITY, "a") | {"choosing_folds": 2, "also_tested": None, "settings": {}}
    before = {**now, "window": 2}
    check_same_study(before, now, tmp_path)
    del before["choosing_folds"]
    check_same_study(before, now | {"choosing_folds": 1}, tmp_path)
    with pytest.raises(InputError, match="holds a study with choosing_folds 1, this one has 2"):
        check_same_study(before, now, tmp_path)


@pytest.mark.parametrize(
    ("data", "count", "complaint"),
    [
        (of_people(*(person for person in PEOPLE[:6] for _ in range(5))), 7, "7 folds of 6 subjects; at most 6"),
        (replace(of_people("a", "b", "c", "d", "e", "f", "g"), subjects=None), 4, "classes with at most 3 images"),
    ],
)
def test_more_folds_than_there_is_to_divide_are_refused(data: Dataset, count: int, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        folds(data.listing, count)


def test_a_twin_in_any_other_fold_is_a_twin() -> None:
    data = replace(of_people(*map(str, range(30))), subjects=None)
    images = data.images.copy()
    images[29] = images[2]  # of one class, so that the two are in two folds or in one
    data = replace(data, images=images)
    apart = next(count for count in (3, 4, 5) if not any({2, 29} <= set(part) for part in folds(data.listing, count)))
    parts = [split(data, FOLDS, Fold(n, apart))[1] for n in range(apart)]
    assert sorted(row for part in parts for row in part.rows[~part.distinct]) == [2, 29]


def test_forms_share_the_folds_and_the_twins() -> None:
    fine, coarse = (replace(of_people(*map(str, range(30))), subjects=None) for _ in range(2))
    coarse = replace(coarse, images=np.zeros((30, 4, 4), np.uint8))
    forms = {Form(8): fine, Form(4): coarse}
    views = [View(FOLDS, form, Fold(n, 3)) for n, form in itertools.product(range(3), forms)]
    parts = split_all(forms, views)
    for number in range(3):
        one, other = (parts[View(FOLDS, form, Fold(number, 3))][1] for form in forms)
        np.testing.assert_array_equal(one.rows, other.rows)
        np.testing.assert_array_equal(one.distinct, other.distinct)
    assert sum(part[1].distinct.sum() for part in parts.values()) == 60


# The plan


def test_a_fold_is_a_search_with_seeds_and_starting_points_of_its_own(tmp_path: Path) -> None:
    p = plan(folds=3, protocol=FOLDS, trials=3, epochs=6, seeds=2)
    assert (p.folds, p.searches) == (3, 3)
    assert p.views == [View(FOLDS, PAPERS, Fold(n, 3)) for n in range(3)]
    engine = run_engine(p, tmp_path)
    rows = read_table(tmp_path, "trials")
    assert engine.finished
    assert len(rows) == p.trial_count
    assert set(rows["config.data.protocol"]) == {FOLDS}
    assert set(rows["config.data.folds"]) == {3}
    fold = rows["seed"] // SEEDS_A_STUDY // SEARCHES_APART
    assert (rows["config.data.fold"] == fold).all()
    later = rows[rows["phase"] != "fixed"]
    assert (later["search"] == later["config.data.fold"]).all()
    assert set(later.groupby(["arm", "search", "phase"]).size()) == {3, 2}
    assert rows[rows["phase"] == "fixed"].groupby("arm")["config.data.fold"].apply(list).to_dict() == {
        "none": [0, 1, 2],
        "block": [0, 1, 2],
    }
    for _, search in later[later["phase"] == "search"].groupby("search"):
        drawn = search.sort_values("number").groupby("arm")["config.train.learning_rate"].first()
        assert drawn.nunique() == 1
    firsts = later.query("phase == 'search' and number == 1 and arm == 'none'")["config.train.learning_rate"]
    assert firsts.nunique() == 3


def test_what_has_nothing_to_tune_is_trained_in_every_fold(tmp_path: Path) -> None:
    space = Space(name="own", question="Which?", scientific={"model.se_placement": ("none", "block")})
    p = plan(space, folds=4, protocol=FOLDS, seeds=2)
    run_engine(p, tmp_path)
    confirmed = read_table(tmp_path, "trials").query("phase == 'confirm'")
    assert set(confirmed.groupby(["arm", "config.data.fold"]).size()) == {2}
    assert len(confirmed) == 16


def test_without_folds_identities_are_as_they_were() -> None:
    assert TrialConfig().digest() == TrialConfig().override({"data.folds": 10, "data.fold": 0}).digest()
    assert TrialConfig().override({"data.protocol": FOLDS, "data.fold": 3}).digest() != TrialConfig().digest()


def test_a_trial_is_told_of_its_own_folds_images_alone(tmp_path: Path) -> None:
    from study.cluster.runner import Feed, Link

    p = plan(folds=3, protocol=FOLDS, trials=2, epochs=2, seeds=1)
    engine = Engine(p, Sampler(p, tmp_path / "optuna.log"), Tables(tmp_path))
    shelf, images = Shelf(str(tmp_path)), {view: ([f"learn {view.fold}"], [f"test {view.fold}"]) for view in p.views}
    link = Link(engine, Place(tmp_path), shelf, shelf, images, Shares(0))
    feed, told = Feed(link, lambda: 1), set()
    while not engine.finished:
        config = feed.suggest("any")
        spec = link.specs[config["trial"]]
        own = Fold(config["settings"]["data.fold"], 3)
        assert config["learning"] == [f"learn {own}"]
        assert config.get("testing") == (None if spec.phase == "search" else [f"test {own}"])
        told.add((spec.phase, own.number))
        engine.on_epochs(spec, [driven.epoch_row(spec, 1), driven.epoch_row(spec, 2)])
        engine.on_end(spec, "completed")
    assert told == set(itertools.product(("fixed", "search", "confirm"), range(3)))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"searches": 2}, "--searches 2: with --folds every fold is searched once"),
        ({"settings": {"data.folds": "4"}}, "--set data.folds: is given as --folds K"),
        ({"settings": {"data.protocol": "holdout"}}, "--set data.protocol: is given as --protocol"),
        ({"folds": 2148}, "--folds 2148: expected at most 2147"),
    ],
)
def test_folds_that_cannot_be_are_refused(changes: dict, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        plan(**{"folds": 3, "protocol": FOLDS, **changes})


def test_what_a_plan_in_folds_could_see_falls_with_the_folds() -> None:
    several = [plan(folds=count, protocol=FOLDS) for count in (3, 5, 10)]
    found = [detectable(p, luck_of(p), tested=400) for p in several]
    assert None not in found
    assert found == sorted(found, reverse=True)  # type: ignore[type-var]


def test_under_a_time_limit_a_later_fold_is_given_up_with_its_fixed_trials(tmp_path: Path) -> None:
    clock = Clock()

    class Ticking(driven.Engine):
        """Every epoch takes a second of one of three workers."""

        def on_epochs(self, spec: TrialSpec, epochs: list[dict]) -> bool:
            clock.now += len(epochs) / 3
            return super().on_epochs(spec, epochs)

    p = plan(folds=3, protocol=FOLDS, trials=6, epochs=6, seeds=2)
    engine = run_engine(p, tmp_path, deadline=Deadline(90, 3, clock), engine_class=Ticking)
    rows = read_table(tmp_path, "trials")
    assert engine.finished
    assert engine.search_cut
    confirmed = rows[rows["phase"] == "confirm"]
    assert 1 <= confirmed["search"].nunique() < 3
    begun = rows[rows["phase"] == "search"]["search"].max()
    assert rows[rows["phase"] == "fixed"]["config.data.fold"].max() <= begun < 2


# What it says


SEEDS = 3
FOLD_COUNT = 5


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("made") / "made", {"none": 0.5, "block": 0.58}, folds=FOLD_COUNT)


@pytest.fixture(scope="module")
def found(made: Path) -> Findings:
    return find([made])[0]


@pytest.fixture(scope="module")
def answered(made: Path) -> pd.DataFrame:
    """Every answer with the arm, the fold and which of the fold's seeds it is."""
    predictions = read_parquet(made, "predictions").to_pandas()
    trials = read_table(made, "trials").set_index("trial")
    predictions["arm"] = predictions["trial"].map(trials["arm"])
    predictions["fold"] = predictions["trial"].map(trials["config.data.fold"])
    predictions["place"] = predictions["trial"].map(trials["seed"]) % SEEDS_A_STUDY
    predictions["right"] = predictions["label"] == predictions["predicted"]
    return predictions


def test_an_accuracy_is_that_of_all_images(found: Findings, answered: pd.DataFrame) -> None:
    for arm in found.arms:
        of_arm = answered[answered["arm"] == arm.arm]
        assert arm.estimates["accuracy"].value == pytest.approx(of_arm["right"].mean(), abs=1e-12)
        by_seed = [f1_score(part["label"], part["predicted"], average="macro") for _, part in of_arm.groupby("place")]
        assert arm.estimates["macro_f1"].value == pytest.approx(np.mean(by_seed))
        assert (arm.folds, arm.seeds, arm.searches) == (FOLD_COUNT, SEEDS, FOLD_COUNT)
        assert len(arm.winners) == FOLD_COUNT


def test_intervals_are_those_of_nadeau_and_bengio(found: Findings, answered: pd.DataFrame) -> None:
    """Up to what folds of 140 to 144 images differ in size."""
    by_fold = answered.groupby(["arm", "fold"])["right"].mean().unstack("arm")
    quantile = stats.t.ppf(0.975, FOLD_COUNT - 1)
    widening = 1 / FOLD_COUNT + 1 / (FOLD_COUNT - 1)
    for arm in found.arms:
        margin = quantile * np.sqrt(widening * by_fold[arm.arm].var())
        assert arm.estimates["accuracy"].margin() == pytest.approx(margin, rel=0.05)
    gap = found.comparisons[0].difference
    differences = by_fold["block"] - by_fold["none"]
    assert gap.margin() == pytest.approx(quantile * np.sqrt(widening * differences.var()), rel=0.05)
    assert gap.p_value == pytest.approx(
        2 * stats.t.sf(abs(gap.value) / np.sqrt(widening * differences.var()), FOLD_COUNT - 1), rel=0.1
    )
    assert gap.by_repeat == pytest.approx(differences, abs=0.01)


def test_of_equal_folds_they_are_so_exactly(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "made", {"none": 0.5}, folds=4, seeds=(200_000,))
    table = read_parquet(folder, "predictions")
    pq.write_table(table.filter(np.asarray(table["image"]) % 10_000 < 140), folder / "predictions.parquet")
    tested = find([folder])[0].arms[0].estimates["accuracy"]
    rows = pd.read_parquet(folder / "predictions.parquet")
    by_fold = (rows["label"] == rows["predicted"]).groupby(rows["image"] // 10_000).mean()
    assert tested.by_repeat == pytest.approx(by_fold)
    assert tested.standard_error == pytest.approx(np.sqrt(by_fold.var() * (1 / 4 + 1 / 3)))


def test_the_words_are_of_folds(found: Findings, made: Path, tmp_path: Path) -> None:
    assert "With 5 folds of 3 seeds each" in found.answer or "with 5 folds of 3 seeds each" in found.answer
    assert not found.comparisons[0].mcnemar
    (arm, _), (row,) = arm_rows([found]), comparison_rows([found])
    assert (arm["folds"], arm["searches"], arm["seeds"]) == (5, 5, 3)
    assert (row["folds"], row["searches"], row["seeds"]) == (5, 5, 3)
    page = unescape(write_report(Request([made], tmp_path / "report")).page.read_text())
    assert "Nadeau and Bengio 2003" in page
    assert "5, each tested after a search and training on the others" in page
    assert "paired by fold" in page


def test_twins_are_left_out_in_every_fold_and_may_be_all_of_one_or_of_all(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "made", {"none": 0.5}, folds=4)
    table = read_parquet(folder, "predictions")
    place, rows = table.schema.get_field_index("distinct"), table.to_pandas()
    for twins in (rows["image"] // 10_000 == 1, rows["image"] >= 0):
        pq.write_table(table.set_column(place, "distinct", [(~twins).to_numpy()]), folder / "predictions.parquet")
        tested = find([folder])[0].arms[0].estimates["accuracy_distinct"]
        alone = rows[~twins & rows["trial"].isin(read_table(folder, "trials")["trial"])]
        if len(alone):
            assert tested.value == pytest.approx((alone["label"] == alone["predicted"]).mean())
        else:
            assert np.isnan(tested.value)


def test_on_other_data_the_networks_of_a_fold_are_those_of_a_search(tmp_path: Path) -> None:
    """All of them answer the same images there, so that it is not the images that come in turn. They share what they
    learned from, though.
    """
    arms, other = {"none": 0.5, "block": 0.51}, {"wild": 150}
    folds = make_study(tmp_path / "folds", arms, folds=FOLD_COUNT, elsewhere=other)
    searches = make_study(tmp_path / "searches", arms, search=FOLD_COUNT, searches=FOLD_COUNT, elsewhere=other)
    (in_folds,), (searched,) = find([folds]), find([searches])
    mine, theirs = in_folds.elsewhere["wild"], searched.elsewhere["wild"]
    pairs = [
        (one.differences, two.differences) for one, two in zip(mine.comparisons, theirs.comparisons, strict=True)
    ]
    pairs += [(one.estimates, two.estimates) for one, two in zip(mine.arms, theirs.arms, strict=True)]
    for one, two in pairs:
        for measure in MEASURES:
            shared = 1 + FOLD_COUNT / (FOLD_COUNT - 1)
            assert one[measure].repeat_variance == pytest.approx(two[measure].repeat_variance * shared)
            for name in ("value", "image_variance", "by_repeat", "searches", "seeds", "seed_sd", "search_sd"):
                assert getattr(one[measure], name) == getattr(two[measure], name)
    pair = mine.comparisons[0]
    assert (pair.difference.searches, pair.difference.seeds) == (FOLD_COUNT, FOLD_COUNT * SEEDS)
    assert pair.verdict == "undecided: there are no further folds"
    assert theirs.comparisons[0].verdict.startswith("undecided: about ")
    assert mine.answer.startswith(f"No arm can be told from none with {FOLD_COUNT} folds of {SEEDS} seeds each")
    assert len(in_folds.comparisons[0].mcnemar) == 0 < len(pair.mcnemar)


def test_figures_have_the_answers_of_all_folds_together(found: Findings, answered: pd.DataFrame) -> None:
    subject = Subject(found, np.zeros((50_000, 8, 8), np.uint8))
    every = answers_of(subject, found.arms[0])
    assert len(every) == SEEDS
    for place, one in enumerate(every):
        rows = answered.query(f"arm == 'none' and place == {200_000 + place}").sort_values("image")
        np.testing.assert_array_equal(one.images, rows["image"])
        np.testing.assert_array_equal(one.predicted, rows["predicted"])
        assert one.subjects is None
    figure = confusions(subject)
    assert figure is not None
    assert [panel.get_title() for panel in figure.axes[:2]] == [
        "none, 3 seeds in 5 folds",
        "block, 3 seeds in 5 folds",
    ]
    assert mistaken_faces(subject) is not None


def test_effects_of_crossed_factors_are_over_folds_too(tmp_path: Path) -> None:
    factors = {"x": {"1": ["a1", "b1"], "2": ["a2", "b2"]}, "y": {"a": ["a1", "a2"], "b": ["b1", "b2"]}}
    pairs = [["a1", "a2"], ["b1", "b2"], ["a1", "b1"], ["a2", "b2"]]
    accuracies = {"a1": 0.5, "a2": 0.62, "b1": 0.5, "b2": 0.62}
    folder = make_study(tmp_path / "made", accuracies, folds=FOLD_COUNT, factors=factors, comparable=pairs)
    (found,) = find([folder])
    gaps = {(one.arm, one.baseline): one.difference for one in found.comparisons}
    effect = next(one for one in found.effects if one.factor == "x")
    both = [gaps["a2", "a1"], gaps["b2", "b1"]]
    assert effect.difference.folds == FOLD_COUNT
    assert effect.difference.value == pytest.approx(np.mean([gap.value for gap in both]))
    assert effect.difference.by_repeat == pytest.approx(np.mean([gap.by_repeat for gap in both], axis=0))
    assert effect.verdict == "better"


def test_what_data_would_decide_is_said(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "close", {"none": 0.5, "block": 0.54}, folds=4)
    (pair,) = find([folder])[0].comparisons
    gap = pair.difference
    times = min((gap.margin() / size) ** 2 for size in (abs(gap.value), 0.0103 - abs(gap.value)) if size > 0)
    assert pair.verdict.startswith("undecided: about ")
    said = float(pair.verdict.split()[2])
    assert times <= said <= 1.1 * times + 0.1
    none = make_study(tmp_path / "equal", {"none": 0.5, "block": 0.5}, folds=4, images=20)
    assert "times the data would be needed" in find([none])[0].comparisons[0].verdict


def test_a_training_that_failed_counts_as_the_mean_of_its_fold(made: Path, found: Findings, tmp_path: Path) -> None:
    folder = make_study(tmp_path / "made", {"none": 0.5, "block": 0.58}, folds=FOLD_COUNT)
    trials = pq.read_table(folder / "trials.parquet").to_pandas()
    lost = trials.query("phase == 'confirm' and arm == 'none' and search == 2")["trial"].iloc[0]
    answers = read_parquet(folder, "predictions")
    pq.write_table(answers.filter(np.asarray(answers["trial"]) != lost), folder / "predictions.parquet")
    table = pq.read_table(folder / "trials.parquet")
    pq.write_table(table.filter(np.asarray(table["trial"]) != lost), folder / "trials.parquet")
    less, whole = find([folder])[0].arms[0], found.arms[0]
    rows = answers.to_pandas()
    rows["right"] = rows["label"] == rows["predicted"]
    by_trial = rows[rows["image"] // 10_000 == 2].groupby("trial")["right"].sum()
    of_arm = by_trial[by_trial.index.isin(trials.query("phase == 'confirm' and arm == 'none'")["trial"])]
    difference = (of_arm.drop(lost).mean() - of_arm[lost]) / SEEDS / sum(140 + n for n in range(FOLD_COUNT))
    assert less.estimates["accuracy"].value - whole.estimates["accuracy"].value == pytest.approx(difference)
    assert (less.seeds, less.folds) == (SEEDS, FOLD_COUNT)


def test_a_study_under_way_says_what_its_folds_so_far_say(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "made", {"none": 0.5, "block": 0.58}, folds=FOLD_COUNT, status="running")
    for name, column in (("trials", "config.data.fold"), ("predictions", "image")):
        table = pq.read_table(folder / f"{name}.parquet")
        fold = np.asarray(table[column]) // (1 if name == "trials" else 10_000)
        pq.write_table(table.filter(fold < 2), folder / f"{name}.parquet")
    (one,) = find([folder])
    assert [arm.folds for arm in one.arms] == [2, 2]
    assert "2 folds of 3 seeds each" in one.answer
    table = pq.read_table(folder / "trials.parquet")
    pq.write_table(table.filter(np.asarray(table["config.data.fold"]) < 1), folder / "trials.parquet")
    (one,) = find([folder])
    assert one.comparisons[0].verdict == "undecided: 1 more fold at least would show any spread"


def test_without_predictions_folds_count_by_their_accuracies(made: Path, found: Findings, tmp_path: Path) -> None:
    folder = make_study(tmp_path / "made", {"none": 0.5, "block": 0.58}, folds=FOLD_COUNT)
    (folder / "predictions.parquet").unlink()
    for one, other in zip(find([folder])[0].arms, found.arms, strict=True):
        assert one.estimates["accuracy"].value == pytest.approx(other.estimates["accuracy"].value, abs=1e-3)
        assert one.estimates["accuracy"].margin() == pytest.approx(other.estimates["accuracy"].margin(), rel=0.05)


# A study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    """A study of nine people in three folds, its folder beside that of their images and of those of twelve others, of
    whom nine have the same faces.
    """
    folder = tmp_path_factory.mktemp("folds")
    write_people(folder / "tints", PEOPLE[:9], each=3)
    write_people(folder / "wild", [f"T{number}" for number in range(12)], each=3)
    (folder / "own.py").write_text(SPACE)
    done = run_module(
        "study.run", "--space", folder / "own.py", "--data", folder / "tints", "--subjects", PATTERN,
        "--folds", "3", "--also-test", folder / "wild", "--budget", "quick", "--trials", "1", "--epochs", "2",
        "--seeds", "1", *(f"--set={setting}" for setting in SMALL), *ONE_WORKER, "--out", folder / "study",
    )  # fmt: skip
    return folder, done


SPACE = """
from search_spaces.space import Float, Space

SPACE = Space(
    name="own",
    question="Does a shift help?",
    scientific={"augment.shift": (0.0, 0.1)},
    nuisance={"train.learning_rate": Float(1e-3, 1e-2, log=True)},
)
"""


def test_a_study_tests_everybody_once(study: tuple[Path, Finished]) -> None:
    folder, done = study
    assert done.status == 0, done.err
    assert "protocol 3 folds" in done.out
    assert "subjects: 9 in 3 parts, each tested by networks that saw nobody of it" in done.out
    assert "95 % intervals over folds" in done.out
    trials = read_table(folder / "study", "trials").set_index("trial")
    predictions = read_parquet(folder / "study", "predictions").to_pandas()
    confirmed = trials[trials["phase"] == "confirm"]
    arms = predictions["trial"].map(confirmed["arm"])
    place = predictions["trial"].map(confirmed["seed"]) % SEEDS_A_STUDY
    assert set(predictions.groupby([arms, place, "image"]).size()) == {1}
    assert predictions.groupby([arms, place])["image"].nunique().tolist() == [81] * 2
    record = json.loads((folder / "study" / "study.json").read_text())
    assert (record["protocol"], record["searches"]) == (FOLDS, 3)
    assert record["subjects"] == {"tested": 9, "known": 0, "folds": 3}
    assert trials.loc[trials["phase"] == "search", "test_accuracy"].isna().all()


def test_every_folds_networks_answer_all_the_other_images(study: tuple[Path, Finished]) -> None:
    folder, done = study
    assert "81 images, 3 classes, 9 subjects" in done.out
    assert "tested on, too: wild, 108 of 108 images (blue, green, red), 81 with a twin in training" in done.out
    rows, trials = read_table(folder / "study", "elsewhere"), read_table(folder / "study", "trials")
    tested = trials[trials["phase"] != "search"].set_index("trial")
    confirmed, fixed = (tested[tested["phase"] == phase] for phase in ("confirm", "fixed"))
    assert rows.groupby("trial").size().to_dict() == dict.fromkeys(tested.index, 108)
    assert set(rows.groupby("trial")["distinct"].sum()) == {27}  # whatever fold its twin is in
    right = (rows["label"] == rows["predicted"]).groupby(rows["trial"]).mean()
    (found,) = find([folder / "study"])
    for arm in found.elsewhere["wild"].arms:
        of_arm = right[confirmed.index[confirmed["arm"] == arm.arm]]
        assert arm.estimates["accuracy"].value == pytest.approx(of_arm.mean())
        assert sorted(arm.estimates["accuracy"].by_repeat) == pytest.approx(sorted(of_arm))
    assert found.elsewhere["wild"].evidence.fixed["test_accuracy"].tolist() == pytest.approx(
        [right[fixed.index].mean()]
    )


def test_it_goes_on_in_as_many_folds(study: tuple[Path, Finished]) -> None:
    folder, _ = study
    other = run_module("study.run", "--resume", "--out", folder / "study", "--folds", 4)
    assert other.status == 2
    assert "holds a study with data.folds 3, this one has 4" in other.err
    before = read_table(folder / "study", "trials")
    more = run_module("study.run", "--resume", "--out", folder / "study", "--seeds", 2, *ONE_WORKER)
    assert more.status == 0, more.err
    after = read_table(folder / "study", "trials")
    assert set(before["trial"]) < set(after["trial"])
    assert set(after.query("phase == 'confirm'").groupby(["arm", "search"]).size()) == {2}


def test_its_best_network_is_exported(study: tuple[Path, Finished], tmp_path: Path) -> None:
    folder, _ = study
    trials = read_table(folder / "study", "trials")
    arm = trials["arm"].iloc[0]
    done = run_module("study.export", folder / "study", "--arm", arm, "--out", tmp_path / "best")
    assert done.status == 0, done.err
    record = json.loads((tmp_path / "best.json").read_text())
    network = trials.set_index("trial").loc[record["network_of"]]
    assert network["config.data.fold"] == record["settings"]["data.fold"]


def test_a_dry_run_says_what_comes_in_turn(study: tuple[Path, Finished]) -> None:
    folder, _ = study
    command = ("study.run", "--dry-run", "--data", folder / "tints", "--subjects", PATTERN, "--folds", 3)
    shown = run_module(*command, "--space", "se_placement")
    assert "3 folds, each tested after a search and training on the others" in shown.out
    assert "27 are tested in the first of 3 turns, 3 classes" in shown.out
    record = json.loads(run_module(*command, "--space", "se_placement", "--json").out)
    assert record["settings"]["data.folds"] == record["searches"] == 3
    assert [arm["fixed"] for arm in record["arms"]] == [3, 3, 0]
    for arguments, complaint in {
        ("--space", "paper"): "--folds 3: the space paper compares protocols itself",
        ("--space", "se_placement", "--protocol", "holdout"): "a protocol of its own, beside --protocol holdout",
        ("--space", "se_placement", "--folds", 10): "10 folds of 9 subjects; at most 9 can be had",
    }.items():
        refused = run_module(*command, *arguments)
        assert refused.status == 2
        assert complaint in refused.err
