"""Data that show people several times: parts that share nobody, and intervals that count people."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.metrics import f1_score

from fer_core.data.audit import audit
from fer_core.data.audit_text import audit_text
from fer_core.data.dataset import TEST, TRAINING, Dataset
from fer_core.data.protocols import split, subjects_by_part
from fer_core.data.sources import find_source, list_images, read
from fer_core.data.subjects import from_names, subjects_text
from fer_core.errors import InputError
from study.analysis.answers import Answers, answers_by_trial
from study.analysis.estimate import Estimate, Observed, estimate
from study.analysis.findings import find
from study.analysis.measures import MEASURES
from study.records.parquet import read_parquet
from study.records.rows import prediction_rows
from study.report.summary import interval
from study.report.tables import comparison_rows
from study.report.write import Request, write_report
from tests.conftest import ONE_WORKER, Finished, run_module
from tests.made import make_study
from tests.test_other_data import COLOURS, SMALL, tinted, write_hub

PATTERN = r"^S\d+"


def write_people(path: Path, people: Sequence[str], each: int = 2) -> Path:
    """A folder of images of three classes, `each` of every one of the `people`: `red/S01_0.png` and so on."""
    for label, name in enumerate(COLOURS):
        (path / name).mkdir(parents=True)
        images = iter(tinted(label, len(people) * each))
        for person in people:
            for number in range(each):
                Image.fromarray(next(images)).save(path / name / f"{person}_{number}.png")
    return path


PEOPLE = [f"S{number:02}" for number in range(20)]


def of_people(*people: str, usages: Sequence[int] = ()) -> Dataset:
    """A data set of an image a name, each another one, the classes in turn."""
    count = len(people)
    images = np.zeros((count, 8, 8), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = np.arange(count) % 251, np.arange(count) // 251
    usage = np.array(usages or [TRAINING] * count, np.uint8)
    labels = np.arange(count, dtype=np.uint8) % 3
    return Dataset("people", images, labels, usage, COLOURS, np.array(people))


# Reading


def test_a_subject_is_what_the_pattern_finds_in_the_name_of_a_file() -> None:
    names = ["S010_004_17.png", "S011_001_02.png", "S010_002_14.png"]
    assert from_names(names, r"^S\d+").tolist() == ["S010", "S011", "S010"]
    assert from_names(["AF01ANS.JPG", "BF01HAS.JPG", "AM02ANS.JPG"], r"^[AB](..)").tolist() == ["F0", "F0", "M0"]
    either = from_names(["KA.AN1.tiff", "x-7.png", "KA.DI1.tiff"], r"^([A-Z]+)\.|-(\d)")
    assert either.tolist() == ["KA", "7", "KA"]


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        (r"^S(\d", r"not a regular expression \(missing \)"),
        (r"^T\d+", r"does not match the name of the file S1_a\.png"),
        (r"^S", r"finds one subject, 'S', in all 3 images"),
        (r"^.*", r"finds another subject in each of the 3 images, such as 'S1_a\.png'"),
    ],
)
def test_a_pattern_that_finds_no_subjects_is_refused(pattern: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        from_names(["S1_a.png", "S1_b.png", "S2_a.png"], pattern)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FER_STUDY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_folder_is_read_with_its_subjects_and_again_from_the_cache(tmp_path: Path, cache: Path) -> None:
    folder = write_people(tmp_path / "tints", PEOPLE[:3])
    source = find_source(str(folder), subjects=PATTERN)
    first, second = read(source, SMALL), read(source, SMALL)
    assert first.subjects is not None
    assert first.subjects.tolist() == [person for _ in COLOURS for person in PEOPLE[:3] for _ in range(2)]
    np.testing.assert_array_equal(second.subjects, first.subjects)
    assert read(find_source(str(folder)), SMALL).subjects is None
    other = read(find_source(str(folder), subjects=r"^S0(\d)"), SMALL)
    assert len({first.fingerprint(), second.fingerprint(), other.fingerprint()}) == 2
    assert len(list(cache.iterdir())) == 3  # by the subjects that were asked for


@pytest.mark.parametrize("name", ["person_{}", "{}_person"])
def test_arrays_are_read_with_their_subjects(name: str, tmp_path: Path, cache: Path) -> None:
    people = {"train": np.array([3, 3, 12]), "test": np.array(["12", "x"])}
    arrays = {
        key: value
        for part, who in people.items()
        for key, value in (
            (f"x_{part}", np.zeros((len(who), 8, 8), np.uint8)),
            (f"y_{part}", np.arange(len(who))),
            (name.format(part), who),
        )
    }
    path = tmp_path / "people.npz"
    np.savez(path, **arrays)
    source = find_source(str(path), subjects="person")
    for _ in range(2):  # the second time from the cache
        got = read(source, SMALL)
        assert got.subjects is not None
        assert got.subjects.tolist() == ["3", "3", "12", "12", "x"]
    listing = list_images(source)
    assert listing is not None
    assert subjects_by_part(listing, "paper")["known"] == 1
    for wrong, complaint in (
        ({name.format("test"): np.zeros((2, 2))}, r"test.* is float64 \(2, 2\), expected \(2,\) of text or whole"),
        ({name.format("test"): np.array(["a"])}, r"is <U1 \(1,\), expected \(2,\)"),
    ):
        np.savez(path, **(arrays | wrong))
        with pytest.raises(InputError, match=complaint):
            read(source, SMALL)
    with pytest.raises(InputError, match=r"--subjects who: .*people\.npz has no array who_train or train_who"):
        read(find_source(str(path), subjects="who"), SMALL)


def test_without_subjects_fingerprints_are_as_they_were() -> None:
    assert replace(of_people("a", "b", "a"), subjects=None).fingerprint() == "aa2555719160130e"


def test_files_that_cannot_be_read_are_left_out_with_their_subjects(tmp_path: Path) -> None:
    folder = write_people(tmp_path / "tints", PEOPLE[:3])
    (folder / "red" / "S01_0.png").write_bytes(b"no image")
    unreadable: list[str] = []
    got = read(find_source(str(folder), subjects=PATTERN), SMALL, unreadable=unreadable)
    assert got.subjects is not None
    assert len(unreadable) == 1
    assert got.subjects[got.labels == got.classes.index("red")].tolist() == ["S00", "S00", "S01", "S02", "S02"]


def test_a_parquet_file_says_it_in_a_column(tmp_path: Path) -> None:
    file = write_hub(tmp_path / "tints.parquet", 2)
    table = pq.read_table(file)
    pq.write_table(table.append_column("person", pa.array([7, 7, 8, 8, 9, 9])), file)
    got = read(find_source(str(file), subjects="person"), SMALL)
    assert got.subjects is not None
    assert got.subjects.tolist() == ["7", "7", "8", "8", "9", "9"]
    with pytest.raises(InputError, match=r"--subjects who: .*tints\.parquet has the columns image, label, person"):
        read(find_source(str(file), subjects="who"), SMALL)
    pq.write_table(table.append_column("person", pa.array([7, None, 8, 8, 9, 9])), file)
    with pytest.raises(InputError, match=r"tints\.parquet, row 2: person is None, expected a name or a number"):
        read(find_source(str(file), subjects="person"), SMALL)


def test_what_names_nobody_takes_no_pattern(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is for data in a file or a folder, --data is synthetic"):
        find_source("synthetic", subjects="person")
    table = pa.table({"usage": ["Training"], "emotion": [1], "pixels": [bytes(2304)]})
    pq.write_table(table, tmp_path / "fer2013.parquet")
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n")
    for file in ("fer2013.parquet", "fer2013.csv"):
        with pytest.raises(InputError, match=rf"{file} has pixels as FER2013, which names nobody"):
            read(find_source(str(tmp_path / file), subjects="person"))


def test_tiff_and_bmp_files_are_images(tmp_path: Path) -> None:
    folder = write_people(tmp_path / "tints", PEOPLE[:2])
    before = read(find_source(str(folder)), SMALL)
    for number, file in enumerate(sorted(folder.rglob("*.png"))):
        Image.open(file).save(file.with_suffix((".tiff", ".bmp", ".TIF")[number % 3]))
        file.unlink()
    assert read(find_source(str(folder)), SMALL).fingerprint() == before.fingerprint()


# Parts


@pytest.mark.parametrize("people", [3, 7, 40])
def test_in_a_holdout_nobody_is_in_two_parts(people: int) -> None:
    data = of_people(*[f"p{n}" for n in np.random.default_rng(people).permutation(np.arange(12 * people) % people)])
    assert data.subjects is not None
    learning, testing = split(data, "holdout")
    counts = [len(learning.train_labels), len(learning.val_labels), len(testing.labels)]
    assert sum(counts) == len(data.labels)
    assert counts[1] / len(data.labels) == pytest.approx(max(1 / people, 0.1), abs=0.05)
    assert testing.subjects is not None
    who = [{*data.subjects[_found(data, part)]} for part in (learning.train_images, learning.val_images)]
    who.append({*testing.subjects})
    assert not any(one & other for one, other in itertools.combinations(who, 2))
    assert subjects_by_part(data, "holdout")["known"] == 0
    np.testing.assert_array_equal(split(data, "holdout")[1].rows, testing.rows)


def _found(data: Dataset, images: np.ndarray) -> list[int]:
    rows = {image.tobytes(): row for row, image in enumerate(data.images)}
    return [rows[image.tobytes()] for image in images]


def test_too_few_people_cannot_be_divided() -> None:
    with pytest.raises(InputError, match="2 subjects among the training images, the protocol holdout needs 3"):
        split(of_people(*"ab" * 20), "holdout")


def test_it_is_said_who_is_tested_and_was_seen_before() -> None:
    data = of_people(*"aabbccadd", usages=[TRAINING] * 6 + [TEST] * 3)
    counts = subjects_by_part(data, "paper")
    assert counts == {"train": 3, "validate": 2, "tested": 2, "known": 1}
    assert subjects_text(counts) == (
        "3 train, 2 validate, 2 are tested, 1 of them seen before: people who were not will be harder"
    )
    held_out = subjects_by_part(data, "holdout")
    assert held_out["train"] + held_out["validate"] == 3
    assert held_out["known"] == 1
    assert subjects_by_part(replace(data, subjects=None), "paper") == {}


def test_an_audit_counts_subjects_and_who_is_in_two_parts() -> None:
    found = audit(of_people(*"aabbccadd", usages=[TRAINING] * 6 + [TEST] * 3))
    assert found.subjects == {"Training": 3, "Test": 2}
    assert found.shared == {"Training -> Test": ["a"]}
    assert "subjects: 3 in Training, 2 in Test:\n  1 are in both Training and Test" in audit_text(found)
    assert "subjects" not in audit_text(audit(replace(of_people(*"aab"), subjects=None)))


# Intervals


def drawn(random: np.random.Generator, people: np.ndarray, seeds: int = 3) -> list[Answers]:
    """Answers to an image of each of the `people` by some seeds, which agree on most of them."""
    labels = random.integers(0, 7, len(people))
    common, found = random.dirichlet(np.ones(7), len(people)), []
    for _ in range(seeds):
        probabilities = (0.8 * common + 0.2 * random.dirichlet(np.ones(7), len(people))).astype(np.float32)
        distinct = np.arange(len(people)) % 5 > 0
        predicted = probabilities.argmax(axis=1)
        found.append(Answers(np.arange(len(people)), labels, predicted, probabilities, distinct, people))
    return found


def repeated(one: Answers, times: int) -> Answers:
    """Every image so often, of one subject."""
    names = ("labels", "predicted", "probabilities", "distinct", "subjects")
    parts = {name: np.repeat(getattr(one, name), times, axis=0) for name in names}
    return replace(one, images=np.arange(len(one.images) * times), **parts)


@pytest.mark.parametrize("measure", MEASURES)
def test_more_images_that_say_the_same_of_the_same_people_tell_nothing_more(
    measure: str, random: np.random.Generator
) -> None:
    once = drawn(random, np.arange(40))
    often = [repeated(one, 6) for one in once]
    observe = MEASURES[measure].observe
    few, many = estimate(observe(once)), estimate(observe(often))
    assert (many.value, many.standard_error, many.margin()) == pytest.approx(
        (few.value, few.standard_error, few.margin())
    )
    unaware = estimate(observe([replace(one, subjects=None) for one in often]))
    assert unaware.margin() < many.margin()


def test_of_one_image_each_the_accuracies_are_as_without_subjects(random: np.random.Generator) -> None:
    answers = drawn(random, np.random.default_rng(1).permutation(50))
    alone = [replace(one, subjects=None) for one in answers]
    for name in ("accuracy", "accuracy_distinct"):
        people, images = (MEASURES[name].observe(given) for given in (answers, alone))
        assert people.answers is not None
        assert images.answers is not None
        np.testing.assert_allclose(people.by_seed, images.by_seed)
        np.testing.assert_allclose(np.sort(people.answers[0]), np.sort(images.answers[0]), atol=1e-12)


def test_the_jackknife_leaves_out_a_subject_at_a_time(random: np.random.Generator) -> None:
    people = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 3] * 5)
    (one,) = drawn(random, people, seeds=1)

    def accuracy(kept: np.ndarray) -> float:
        return one.correct[kept].mean()

    def f1(kept: np.ndarray) -> float:
        return f1_score(one.labels[kept], one.predicted[kept], labels=range(7), average="macro", zero_division=0)

    for name, value in (("accuracy", accuracy), ("macro_f1", f1)):
        got = MEASURES[name].observe([one])
        whole = value(np.ones(50, bool))
        assert got.by_seed[0] == pytest.approx(whole)
        assert got.answers is not None
        expected = [4 * whole - 3 * value(people != person) for person in range(4)]
        np.testing.assert_allclose(got.answers[0], expected)


def test_of_many_people_the_images_of_one_stay_in_one_group(random: np.random.Generator) -> None:
    people = np.repeat(np.arange(250), 2)
    got = estimate(MEASURES["macro_f1"].observe(drawn(random, people)))
    assert got.subjects == 100
    assert estimate(MEASURES["accuracy"].observe(drawn(random, people))).subjects == 250


@pytest.mark.parametrize("measure", MEASURES)
def test_of_one_person_an_interval_is_over_seeds_alone(measure: str, random: np.random.Generator) -> None:
    got = estimate(MEASURES[measure].observe(drawn(random, np.zeros(30, int))))
    assert not got.over_images
    assert got.subjects is None
    assert got.image_variance == 0


@pytest.mark.parametrize("people", [5, 12, 40])
def test_intervals_over_few_people_cover_the_truth_in_93_to_98_per_cent(people: int) -> None:
    """People differ more than seeds do, as they do in small sets of faces. Counted as if there were many, they do not
    cover it often enough.
    """
    random = np.random.default_rng(people)
    covered, as_many = [], []
    for _ in range(2000):
        table = random.normal(0, 0.01, (5, 1)) + random.normal(0, 0.1, people) + random.normal(0, 0.05, (5, people))
        seen = Observed(table.mean(axis=1), table, few_units=True)
        one, many = estimate(seen), estimate(replace(seen, few_units=False))
        covered.append(one.low <= 0 <= one.high)
        as_many.append(many.low <= 0 <= many.high)
    print(f"{people} people: {np.mean(covered):.3f}, taken as many {np.mean(as_many):.3f}")
    assert 0.93 <= np.mean(covered) <= 0.98
    assert np.mean(as_many) < np.mean(covered)
    if people == 5:
        assert np.mean(as_many) < 0.93


def test_an_interval_of_a_share_ends_at_none_and_all() -> None:
    """Student's t of a share near its end reaches beyond; the tables keep it, people are shown what can be."""
    wide = Estimate(0.87, 5, 0.02**2, 0.07**2, subjects=10)
    assert wide.high > 1
    assert interval(wide) == f"{100 * wide.low:.2f} to 100.00"
    assert interval(replace(wide, value=0.13)).startswith("0.00 to ")
    assert interval(wide, signed=True).endswith(f"{100 * wide.high:+.2f}")


def test_subjects_come_back_from_the_table_and_an_older_one_has_none(random: np.random.Generator) -> None:
    (one,) = drawn(random, np.array([4, 4, 2, 0]), seeds=1)
    assert one.distinct is not None
    names = np.array(["p4", "p4", "p2", "p0"])
    columns = (one.images, one.labels, one.probabilities, one.distinct)
    table = prediction_rows("a-1", *columns, names)
    assert table["subject"].to_pylist() == names.tolist()
    got = answers_by_trial(table)["a-1"]
    assert got.subjects is not None
    assert [got.subjects[0] == who for who in got.subjects] == [True, True, False, False]
    assert answers_by_trial(prediction_rows("a-1", *columns))["a-1"].subjects is None


def test_a_report_of_people_says_so_and_leaves_mcnemar_out(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "study", {"none": 0.5, "block": 0.6}, images=350)
    (before,) = find([folder])
    assert before.evidence.units == "test images"
    table = read_parquet(folder, "predictions")
    people = pa.array([f"p{image // 10}" for image in table["image"].to_pylist()])
    column = table.schema.get_field_index("subject")
    pq.write_table(table.set_column(column, table.schema.field(column), people), folder / "predictions.parquet")
    (after,) = find([folder])
    assert after.evidence.units == "test subjects"
    assert after.comparisons[0].difference.subjects == 35
    assert after.comparisons[0].difference.value == pytest.approx(before.comparisons[0].difference.value)
    assert before.comparisons[0].mcnemar
    assert not after.comparisons[0].mcnemar
    assert comparison_rows([after])[0]["mcnemar_p"] == []
    page = write_report(Request([folder], tmp_path / "report")).page.read_text()
    assert "intervals over seeds and test subjects" in page
    assert "McNemar's test is left out" in unescape(page)


# A study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    """A study of twenty people, its folder beside that of their images."""
    folder = tmp_path_factory.mktemp("people")
    write_people(folder / "tints", PEOPLE, each=3)
    settings = ("model.width=0.0625", "data.side=16", "data.train_images=none", "data.val_images=none")
    done = run_module(
        "study.run", "--space", "se_placement", "--data", folder / "tints", "--subjects", PATTERN,
        "--budget", "quick", "--trials", "1", "--epochs", "2", "--seeds", "2",
        *(f"--set={setting}" for setting in settings), *ONE_WORKER, "--out", folder / "study",
    )  # fmt: skip
    return folder, done


def test_a_study_divides_by_subject_and_records_whom_it_tested(study: tuple[Path, Finished]) -> None:
    folder, done = study
    assert done.status == 0, done.err
    assert "subjects: 16 train, 2 validate, 2 are tested, none seen before" in done.out
    assert "95 % intervals over seeds and test subjects" in done.out
    record = json.loads((folder / "study" / "study.json").read_text())
    assert record["subjects"] == {"train": 16, "validate": 2, "tested": 2, "known": 0}
    predictions = pd.read_parquet(folder / "study" / "predictions.parquet")
    assert predictions["subject"].nunique() == 2
    assert set(predictions.groupby("subject")["image"].nunique()) == {9}


def test_a_dry_run_counts_its_images_without_decoding_them(study: tuple[Path, Finished]) -> None:
    folder, _ = study
    command = ("study.run", "--space", "se_placement", "--dry-run", "--data", folder / "tints", "--subjects", PATTERN)
    small = run_module(*command)
    assert "protocol holdout" in small.out
    assert "all 144 images train, all 18 images validate, 18 are tested, 3 classes" in small.out
    record = json.loads(run_module(*command, "--json", "--set", "data.train_images=100").out)
    counts = {"train": 144, "validate": 18, "tested": 18}
    assert record["images"] == {**counts, "classes": 3, "features": None, "targets": []}
    (folder / "tints" / "red" / "who.png").touch()
    bad = run_module(*command)
    (folder / "tints" / "red" / "who.png").unlink()
    assert bad.status == 2
    assert r"--subjects ^S\d+: does not match the name of the file who.png" in bad.err


def test_its_report_finds_its_images_and_says_who_was_tested(study: tuple[Path, Finished], tmp_path: Path) -> None:
    folder, _ = study
    page = write_report(Request([folder / "study"], tmp_path / "report")).page.read_text()
    assert "16 train, 2 validate, 2 are tested, none seen before" in page
    assert "images are not at hand" not in page
    assert "holds other images" not in page


def test_it_goes_on_with_the_same_people(study: tuple[Path, Finished]) -> None:
    folder, _ = study
    more = run_module("study.run", "--resume", "--out", folder / "study")
    assert more.status == 0, more.err
    assert "16 train, 2 validate, 2 are tested" in more.out
    other = run_module("study.run", "--resume", "--out", folder / "study", "--subjects", r"^S\d(\d)")
    assert other.status == 2
    assert "holds a study with fingerprint" in other.err
