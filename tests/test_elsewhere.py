"""Networks that are tested on other data, too: by which classes and images, what is recorded, what is said of it."""

import json
import shutil
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.metrics import f1_score

from fer_core.config import View
from fer_core.data.dataset import EMOTIONS, PRIVATE_TEST, PUBLIC_TEST, TEST, TRAINING, Dataset
from fer_core.data.elsewhere import rows_elsewhere, shared_classes, with_elsewhere
from fer_core.data.protocols import split
from fer_core.data.synthetic import synthetic_faces
from fer_core.errors import InputError
from fer_core.form import PAPERS, Form
from study.analysis.answers import answers_elsewhere
from study.analysis.findings import find
from study.planning.elsewhere import find_others
from study.records.rows import elsewhere_rows
from study.report.tables import COLUMNS, arm_rows, comparison_rows
from study.report.write import Request, write_report
from tests.conftest import ONE_WORKER, SMALL_STUDY, Finished, FinishedStudy, run_module
from tests.made import make_study
from tests.test_readers import write_csv

LAB = ("Contempt", "Happiness", "Sadness", "surprised")  # of which the drawn faces know the last three


def lab_faces(usages: np.ndarray | None = None) -> Dataset:
    """Twelve faces of each of the classes in LAB, by turns, of six people."""
    labels = np.arange(48, dtype=np.uint8) % 4
    images = np.random.default_rng(3).integers(0, 256, (48, 48, 48), np.uint8)
    people = np.array([f"P{place // 8}" for place in range(48)])
    usages = np.full(48, TRAINING, np.uint8) if usages is None else usages.astype(np.uint8)
    return Dataset("lab", images, labels, usages, LAB, people)


# Which classes and images


@pytest.mark.parametrize(
    ("trained", "other", "shared"),
    [
        (EMOTIONS, LAB, {1: 3, 2: 4, 3: 5}),
        (LAB, EMOTIONS, {3: 1, 4: 2, 5: 3}),
        (EMOTIONS, ("3", "6", "HAPPY"), {2: 3}),  # numbers are not those of FER2013's emotions
        (("0", "3", "cat"), ("Cat", "3"), {0: 2, 1: 1}),
        (EMOTIONS, ("cat", "dog"), {}),
    ],
)
def test_classes_are_shared_under_any_of_their_usual_names(
    trained: tuple[str, ...], other: tuple[str, ...], shared: dict[int, int]
) -> None:
    assert shared_classes(trained, other) == shared


def test_the_marked_test_images_of_shared_classes_are_tested_or_else_all() -> None:
    faces = lab_faces()
    known = [row for row in range(48) if row % 4]
    assert rows_elsewhere(faces, EMOTIONS).tolist() == known
    for usage in (TEST, PRIVATE_TEST):
        marked = np.where(np.arange(48) < 20, usage, np.where(np.arange(48) < 40, PUBLIC_TEST, TRAINING))
        assert rows_elsewhere(lab_faces(marked), EMOTIONS).tolist() == [row for row in known if row < 20]


@pytest.mark.parametrize("classes", [("happy", "none"), ("none", "cat")])
def test_data_with_fewer_than_two_common_classes_are_refused(classes: tuple[str, ...]) -> None:
    with pytest.raises(
        InputError, match=r"lab: its images are of Contempt, .* Expected at least 2 classes that both"
    ):
        rows_elsewhere(lab_faces(), classes)


def test_a_class_without_a_tested_image_is_none_that_both_have() -> None:
    faces = lab_faces()
    alone = replace(faces, usages=np.where(faces.labels == 1, TEST, TRAINING).astype(np.uint8))
    with pytest.raises(InputError, match="Expected at least 2 classes"):
        rows_elsewhere(alone, EMOTIONS)


def test_other_images_come_with_labels_of_those_that_train_people_and_twins(faces: Dataset) -> None:
    other = lab_faces()
    twin = int(np.flatnonzero(faces.usages == TRAINING)[7])
    tested_alone = int(np.flatnonzero(faces.usages == PRIVATE_TEST)[0])
    other.images[5], other.images[6] = faces.images[twin], faces.images[tested_alone]
    small = replace(other, images=np.zeros((48, 8, 8), np.uint8))  # in which all look alike
    views = [View("challenge", PAPERS), View("challenge", Form(8))]
    parts = {view: split(faces, "challenge") for view in views}
    found = with_elsewhere(parts, {"lab": {PAPERS: other, Form(8): small}})
    for view, images in zip(views, (other.images, small.images), strict=True):
        there = found[view][1].elsewhere["lab"]
        assert [EMOTIONS[label] for label in there.labels[:6]] == ["happy", "sad", "surprise"] * 2
        np.testing.assert_array_equal(there.images, images[there.rows])
        assert there.rows[~there.distinct].tolist() == [5]  # in the first form, and of what trains
        assert there.subjects is not None
        assert there.subjects.tolist() == [f"P{row // 8}" for row in there.rows]
        assert found[view][0] is parts[view][0]
        np.testing.assert_array_equal(found[view][1].labels, parts[view][1].labels)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ([["nowhere"]], r"--also-test nowhere: no such file or folder"),
        ([["here", "a", "b"]], r"--also-test here a b: expected a path and at most one pattern"),
        ([["here"], ["there/here"]], r"--also-test there/here: there is another data set called here"),
        ([["synthetic", "^S"]], "is for data in a file or a folder, --also-test is synthetic"),
    ],
)
def test_what_cannot_be_tested_is_refused_by_name(
    given: list[list[str]], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there" / "here").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=complaint):
        find_others(given)


# What is recorded


def test_answers_are_among_the_classes_that_occur() -> None:
    probabilities = np.array([[0.5, 0.1, 0.3, 0.1], [0.0, 0.9, 0.0, 0.1], [0.2, 0.0, 0.8, 0.0]], np.float32)
    given = {
        "images": np.array([4, 9, 11]),
        "labels": np.array([1, 3, 1]),
        "probabilities": probabilities,
        "distinct": np.array([True, False, True]),
        "subjects": None,
    }
    table = elsewhere_rows("a-1", {"lab": given})
    assert table is not None
    assert table["predicted"].to_pylist() == [1, 1, 1]  # not 0 and 2, of which it has no image
    np.testing.assert_array_equal(np.stack(table["probabilities"].to_pylist()).astype(np.float32), probabilities)
    there = answers_elsewhere(table)["lab"]
    answers = there.answers["a-1"]
    assert there.classes == (1, 3)
    assert (answers.labels.tolist(), answers.predicted.tolist()) == ([0, 1, 0], [0, 0, 0])
    expected = [[0.5, 0.5], [0.9, 0.1], [0.5, 0.5]]  # the last is sure that it is something else
    np.testing.assert_allclose(answers.probabilities, expected, rtol=1e-6)
    assert elsewhere_rows("a-1", {}) is None


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn faces of others in a folder, `Happiness/S3_17.png` and so on, one of which is known from training."""
    folder = tmp_path_factory.mktemp("data") / "lab"
    drawn = synthetic_faces({TRAINING: 90}, seed=5)
    names = {3: "Happiness", 4: "Sadness", 5: "surprised", 0: "Contempt"}
    (folder / "classes.txt").parent.mkdir()
    (folder / "classes.txt").write_text("\n".join(names.values()))
    for name in names.values():
        (folder / name).mkdir()
    for number, (image, label) in enumerate(zip(drawn.images, drawn.labels.tolist(), strict=True)):
        if label in names:
            Image.fromarray(image).save(folder / names[label] / f"S{number % 9}_{number}.png")
    known = synthetic_faces()
    twin = int(np.flatnonzero((known.usages == TRAINING) & (known.labels == 3))[0])
    Image.fromarray(known.images[twin]).save(folder / "Happiness" / "S0_twin.png")
    return folder


def shared_files(lab: Path) -> list[Path]:
    """Those of the classes that the drawn faces have, too, in the order in which they are read."""
    return [file for name in ("Happiness", "Sadness", "surprised") for file in sorted((lab / name).iterdir())]


@pytest.fixture(scope="module")
def tested(lab: Path, tmp_path_factory: pytest.TempPathFactory) -> FinishedStudy:
    """The study that all modules' tests share, but tested on other faces, too."""
    folder = tmp_path_factory.mktemp("elsewhere") / "study"
    given = ("--also-test", lab, r"^S\d", *ONE_WORKER, "--out", folder)
    return FinishedStudy(folder, run_module("study.run", *SMALL_STUDY, *given))


def answers_of(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "elsewhere.parquet")


def test_fixed_and_confirmed_trials_answer_every_image_of_a_shared_class(tested: FinishedStudy, lab: Path) -> None:
    assert tested.command.status == 0, tested.command.err
    rows, trials = answers_of(tested.folder), pd.read_parquet(tested.folder / "trials.parquet")
    assert set(rows["trial"]) == set(trials.loc[trials["phase"] != "search", "trial"])
    assert set(rows["data"]) == {"lab"}
    count = len(shared_files(lab))
    assert rows.groupby("trial").size().tolist() == [count] * rows["trial"].nunique()
    assert not rows.duplicated(["trial", "data", "image"]).any()
    assert set(rows["label"]) == {3, 4, 5} >= set(rows["predicted"])
    assert rows.groupby("trial")["distinct"].agg(lambda known: (~known).sum()).unique().tolist() == [1]
    assert set(rows["subject"]) <= {f"S{number}" for number in range(9)}
    assert f"tested on, too: lab, {count} of" in tested.command.out
    assert "(happy, sad, surprise), 9 subjects, 1 with a twin in training" in tested.command.out


def test_testing_elsewhere_changes_nothing_else(tested: FinishedStudy, finished_study: FinishedStudy) -> None:
    for table in ("trials", "predictions"):
        one, other = (
            pd.read_parquet(study.folder / f"{table}.parquet").sort_values(
                ["trial"], kind="stable", ignore_index=True
            )
            for study in (tested, finished_study)
        )
        timed = [name for name in ("seconds", "node") if name in one]
        pd.testing.assert_frame_equal(one.drop(columns=timed), other.drop(columns=timed))
    assert not (finished_study.folder / "elsewhere.parquet").exists()


def test_the_answers_are_those_of_the_network_that_is_kept(tested: FinishedStudy, lab: Path) -> None:
    from fer_core.predict import predict

    rows = answers_of(tested.folder)
    kept = sorted((tested.folder / "models").glob("*.keras"))[0]
    probabilities = predict(kept, shared_files(lab)).values
    mine = rows[rows["trial"] == kept.stem].sort_values("image")
    np.testing.assert_allclose(np.stack(mine["probabilities"]), probabilities, atol=1e-5)
    among = probabilities[:, [3, 4, 5]].argmax(axis=1) + 3
    assert (mine["predicted"].to_numpy() == among).mean() > 0.99  # but for a tie


def test_what_is_reported_follows_from_the_answers(tested: FinishedStudy, tmp_path: Path) -> None:
    write_report(Request([tested.folder], tmp_path))
    rows, trials = answers_of(tested.folder), pd.read_parquet(tested.folder / "trials.parquet")
    confirmed = rows.merge(trials.loc[trials["phase"] == "confirm", ["trial", "arm", "seed"]])
    confirmed["right"] = confirmed["label"] == confirmed["predicted"]
    table = pd.read_parquet(tmp_path / "elsewhere_arms.parquet").set_index("arm")
    for arm, of_arm in confirmed.groupby("arm"):
        by_seed = of_arm.groupby("seed")
        assert table.at[arm, "test_accuracy"] == pytest.approx(by_seed["right"].mean().mean())
        distinct = of_arm[of_arm["distinct"]].groupby("seed")["right"].mean().mean()
        assert table.at[arm, "test_accuracy_distinct"] == pytest.approx(distinct)
        scores = by_seed[["label", "predicted"]].apply(
            lambda one: f1_score(one["label"], one["predicted"], labels=[3, 4, 5], average="macro", zero_division=0)
        )
        assert table.at[arm, "test_macro_f1"] == pytest.approx(scores.mean())
    found = find([tested.folder])[0].elsewhere["lab"]
    assert found.evidence.units == "test subjects"
    runs = found.evidence.fixed.set_index("trial")["test_accuracy"]
    assert len(runs) == 2
    for trial, accuracy in runs.items():
        mine = rows[rows["trial"] == trial]
        assert accuracy == pytest.approx((mine["label"] == mine["predicted"]).mean())
    assert "On lab: " in tested.command.out
    assert "(happy, sad, surprise)" in tested.command.out


def test_a_study_goes_on_with_the_same_other_data_alone(tested: FinishedStudy, lab: Path, tmp_path: Path) -> None:
    record = json.loads((tested.folder / "study.json").read_text())
    assert record["arguments"]["also_test"] == [[str(lab), r"^S\d"]]
    assert list(record["also_tested"]) == ["lab"]
    again = run_module("study.run", "--resume", "--out", tested.folder)  # nothing is left to train
    assert again.status == 0, again.err
    assert f"tested on, too: lab, {len(shared_files(lab))} of" in again.out
    other = tmp_path / "lab"
    for name in ("happy", "sad"):
        (other / "train" / name).mkdir(parents=True)
        Image.new("L", (48, 48), len(name)).save(other / "train" / name / "face.png")
    (other / "classes.txt").write_text("happy\nsad")
    refused = run_module("study.run", "--resume", "--out", tested.folder, "--also-test", other)
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert f"--also-test {other}: there is another data set called lab" in refused.err
    Image.new("L", (48, 48)).save(lab / "Sadness" / "S9_new.png")
    changed = run_module("study.run", "--resume", "--out", tested.folder)
    (lab / "Sadness" / "S9_new.png").unlink()
    assert (changed.status, changed.err.count("\n")) == (2, 1)
    assert f"holds a study tested on lab {record['also_tested']['lab']}, too, this one has " in changed.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--also-test", "synthetic"), "--also-test synthetic: is the data that trains"),
        (("--also-test", "LAB", "^X"), "--subjects ^X: does not match the name of the file"),
    ],
)
def test_a_wrong_request_ends_in_a_line_and_writes_nothing(
    arguments: tuple[str, ...], complaint: str, lab: Path, tmp_path: Path
) -> None:
    given = [str(lab) if word == "LAB" else word for word in arguments]
    ended = run_module("study.run", *SMALL_STUDY, *given, "--out", tmp_path / "study")
    assert (ended.status, ended.err.count("\n")) == (2, 1)
    assert complaint in ended.err
    assert not (tmp_path / "study").exists()


def planned(*arguments: object) -> Finished:
    return run_module("study.run", "--space", "se_placement", "--dry-run", *arguments)


def test_a_plan_counts_the_other_images(lab: Path) -> None:
    count, every = len(shared_files(lab)), len(list(lab.glob("*/*.png")))
    shown = planned("--data", "synthetic", "--also-test", lab)
    assert (shown.status, shown.out.splitlines()[-1]) == (0, f"tested on, too: lab, {count} of {every} images")
    listed = json.loads(planned("--data", "synthetic", "--also-test", lab, "--json").out)
    assert listed["also_tested"] == {"lab": {"tested": count, "of": every}}


def test_a_plan_says_so_where_nothing_is_counted_without_decoding(lab: Path, tmp_path: Path, faces: Dataset) -> None:
    write_csv(tmp_path / "fer.csv", faces)
    shown = planned("--data", tmp_path / "fer.csv", "--also-test", lab)
    assert shown.out.splitlines()[-1] == "tested on, too: lab, the images of classes that both data sets have"


# Other data that comes when a study has run


@pytest.fixture(scope="module")
def later(
    lab: Path, finished_study: FinishedStudy, tmp_path_factory: pytest.TempPathFactory
) -> tuple[FinishedStudy, list[str]]:
    """The same study, tested there when it had ended, with its networks kept; and which were kept before."""
    folder = tmp_path_factory.mktemp("later") / "study"
    shutil.copytree(finished_study.folder, folder)
    kept = sorted(path.stem for path in (folder / "models").iterdir())
    given = ("--also-test", lab, r"^S\d", "--keep-networks", "all", *ONE_WORKER)
    return FinishedStudy(folder, run_module("study.run", "--resume", "--out", folder, *given)), kept


def test_a_study_that_has_run_is_tested_on_other_data_as_if_it_had_been_from_the_start(
    later: tuple[FinishedStudy, list[str]], tested: FinishedStudy, finished_study: FinishedStudy
) -> None:
    """Both where the network was kept and where it is trained again."""
    study, kept = later
    assert study.command.status == 0, study.command.err
    mine, theirs = (
        answers_of(one.folder).sort_values(["trial", "image"], ignore_index=True) for one in (study, tested)
    )
    probabilities = [np.stack(one.pop("probabilities")) for one in (mine, theirs)]
    pd.testing.assert_frame_equal(mine, theirs)
    np.testing.assert_allclose(*probabilities, atol=1e-6)
    names = mine["trial"].unique()
    assert 0 < len(kept) < len(names)
    for table in ("trials", "epochs", "predictions"):
        before, after = (pd.read_parquet(one.folder / f"{table}.parquet") for one in (finished_study, study))
        pd.testing.assert_frame_equal(before, after)
    told, record = (json.loads((one.folder / "study.json").read_text()) for one in (tested, study))
    assert record["also_tested"] == told["also_tested"]
    assert record["other_networks"] == {}
    said = f"tested on lab, too: {len(kept)} networks that were kept, {len(names) - len(kept)} that are trained again"
    assert said in study.command.out
    assert study.command.out.count("  tested on lab, too\n") == len(names)
    assert "On lab: " in study.command.out


def test_all_networks_are_kept_where_that_is_asked_for(later: tuple[FinishedStudy, list[str]]) -> None:
    study, kept = later
    trials = pd.read_parquet(study.folder / "trials.parquet")
    networks = {path.stem for path in (study.folder / "models").iterdir()}
    assert networks == set(trials.loc[trials["test_accuracy"].notna(), "trial"]) > set(kept)


def test_a_network_that_was_kept_is_asked_and_not_trained_again(
    later: tuple[FinishedStudy, list[str]], lab: Path, tmp_path: Path
) -> None:
    """Seen by two that were exchanged: what they answer is what the files hold, and that is noticed."""
    from fer_core.predict import predict

    folder, wild = tmp_path / "study", tmp_path / "wild"
    shutil.copytree(later[0].folder, folder)
    shutil.copytree(lab, wild)
    before = answers_of(folder)
    trials = pd.read_parquet(folder / "trials.parquet")
    pair = trials.loc[(trials["arm"] == "none") & (trials["phase"] == "confirm"), "trial"].tolist()
    one, other = (folder / "models" / f"{trial}.keras" for trial in pair)
    one.rename(tmp_path / "aside")
    other.rename(one)
    (tmp_path / "aside").rename(other)
    ended = run_module("study.run", "--resume", "--out", folder, "--also-test", wild)
    assert ended.status == 0, ended.err
    assert "now tested on wild, too: 8 networks that were kept, 0 that are trained again" in ended.out
    assert ended.out.count("  tested on wild, too\n") == len(trials[trials["phase"] != "search"]) - 2
    assert ended.out.count("  tested on wild, too (not the network of before)\n") == 2
    noted = json.loads((folder / "study.json").read_text())["other_networks"]
    assert {name: sorted(trials) for name, trials in noted.items()} == {"wild": sorted(pair)}
    rows = answers_of(folder)
    pd.testing.assert_frame_equal(rows[rows["data"] == "lab"].reset_index(drop=True), before)
    for trial in pair:
        mine = rows[(rows["data"] == "wild") & (rows["trial"] == trial)].sort_values("image")
        probabilities = predict(folder / "models" / f"{trial}.keras", shared_files(wild)).values
        np.testing.assert_allclose(np.stack(mine["probabilities"]), probabilities, atol=1e-5)
    (found,) = find([folder])
    assert any("2 networks tested on wild are not those of before" in text for text in found.evidence.missing)


# What is said


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "study"
    arms = {"none": 0.4, "block": 0.5, "conv": 0.9}
    claim = {"arm": "block", "baseline": "none", "points": 10.0, "measure": "accuracy", "whose": "a", "what": "b"}
    return make_study(folder, arms, elsewhere={"lab 7/8": 91, "wild": 350}, claim=claim, factors={})


def test_other_data_is_judged_as_ones_own_would_be(made: Path, tmp_path: Path) -> None:
    """The same answers as those to a study's own test images give the same numbers."""
    (found,) = find([made])
    assert list(found.elsewhere) == ["lab 7/8", "wild"]
    for name, there in found.elsewhere.items():
        own = tmp_path / str(len(name))
        own.mkdir()
        for file in ("study.json", "trials.parquet", "epochs.parquet"):
            (own / file).write_bytes((made / file).read_bytes())
        table = pq.read_table(made / "elsewhere.parquet", filters=[("data", "=", name)])
        pq.write_table(table.drop_columns(["data"]), own / "predictions.parquet")
        record = json.loads((own / "study.json").read_text())
        (own / "study.json").write_text(json.dumps(record | {"also_tested": None}))
        (alone,) = find([own])
        for rows in (arm_rows, comparison_rows):
            mine, theirs = (pd.DataFrame(rows([one])).drop(columns="study") for one in (there, alone))
            dropped = {"claim", "seconds"} & set(mine)
            pd.testing.assert_frame_equal(mine.drop(columns=dropped), theirs.drop(columns=dropped), rtol=1e-5)


def test_nothing_was_claimed_elsewhere_and_no_more_counts_as_no_difference(made: Path) -> None:
    (found,) = find([made])
    assert found.claim is not None
    for there in found.elsewhere.values():
        assert there.claim is None
        assert there.evidence.reported == {}
        assert there.evidence.margin == found.evidence.margin == 0.1
        assert there.optimism == []
        assert "conv is better than none" in there.answer
        assert "claim" not in there.answer


def test_the_page_and_its_files_show_the_other_data(made: Path, tmp_path: Path) -> None:
    report = write_report(Request([made], tmp_path))
    page = unescape(report.page.read_text(encoding="utf-8"))
    (found,) = find([made])
    for name, there in found.elsewhere.items():
        assert f"On {name}: {there.answer}" in page
        assert f"On {name}: Differences between arms" in page
        assert f"On {name}: One network, and all of an arm together" in page
        assert f"Confusion matrices (the paper's Figure 3) on {name}" in page
    figures = {path.stem for path in tmp_path.glob("*.png")}
    assert {"elsewhere", "confusions", "confusions-lab_7_8", "confusions-wild"} <= figures
    for table in ("arms", "comparisons"):
        rows = pd.read_csv(tmp_path / f"elsewhere_{table}.csv")
        assert list(rows.columns) == ["data", *COLUMNS[table]]
        assert rows["data"].tolist() == ["lab 7/8"] * 3 + ["wild"] * 3
        assert r"lab 7/8" in (tmp_path / f"elsewhere_{table}.tex").read_text()
    assert not (tmp_path / "elsewhere_effects.csv").exists()


def test_what_each_value_does_on_the_mean_is_said_of_other_data_too(tmp_path: Path) -> None:
    """Where each value has one arm, its effect is the difference of the arms."""
    arms = ("none", "block", "conv")
    factors = {"model.se_placement": {arm: [arm] for arm in arms}}
    study = make_study(tmp_path / "study", dict.fromkeys(arms, 0.5), elsewhere={"wild": 70}, factors=factors)
    write_report(Request([study], tmp_path / "report"))
    effects, pairs = (
        pd.read_csv(tmp_path / "report" / f"elsewhere_{name}.csv") for name in ("effects", "comparisons")
    )
    assert effects["data"].unique().tolist() == ["wild"]
    common = ["data", "baseline", "difference", "low", "high", "p_corrected", "verdict"]
    pd.testing.assert_frame_equal(effects[common], pairs[common])


def test_what_is_lost_of_the_other_data_is_said(made: Path, tmp_path: Path) -> None:
    for file in made.iterdir():
        if file.is_file() and file.name != "elsewhere.parquet":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (found,) = find([tmp_path])
    assert any("nothing of the other data that was to be tested, too" in text for text in found.evidence.missing)
    assert found.elsewhere["wild"].answer.startswith("No two arms have been tested")
    assert found.comparisons
    page = write_report(Request([tmp_path], tmp_path / "report")).page.read_text(encoding="utf-8")
    assert "no rows of elsewhere, so nothing of the other data" in page


def test_a_trial_without_answers_there_does_not_count_there(made: Path, tmp_path: Path) -> None:
    for file in made.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    trials = pd.read_parquet(tmp_path / "trials.parquet")
    lost = trials.loc[(trials["arm"] == "none") & (trials["phase"] == "confirm"), "trial"].iloc[0]
    table = pq.read_table(tmp_path / "elsewhere.parquet", filters=[("trial", "!=", lost)])
    pq.write_table(table, tmp_path / "elsewhere.parquet")
    (found,) = find([tmp_path])
    assert [arm.seeds for arm in found.arms] == [3, 3, 3]
    assert [arm.seeds for arm in found.elsewhere["wild"].arms] == [2, 3, 3]


def test_studies_are_pooled_where_the_same_other_data_was_tested(tmp_path: Path) -> None:
    arms = {"none": 0.4, "block": 0.6}
    one = make_study(tmp_path / "one", arms, elsewhere={"wild": 70})
    two = make_study(tmp_path / "two", arms, seeds=(1_200_000, 1_200_001), seed=1, elsewhere={"wild": 70})
    three = make_study(tmp_path / "three", arms, seeds=(2_200_000,), seed=2)
    pooled, alone = find([one, two, three])
    assert (pooled.elsewhere["wild"].arms[0].seeds, alone.elsewhere) == (5, {})
