"""Accuracy by what was there to learn from, by a table of likeness that the report makes where it has the images."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_core.config import FOLDS
from fer_core.data.dataset import PRIVATE_TEST, PUBLIC_TEST, TRAINING, Dataset
from fer_core.data.likeness import SAME_PHOTOGRAPH
from study.analysis.findings import Findings, find
from study.analysis.likeness import FILE, read_likeness
from study.report.__main__ import main
from study.report.likeness import measure_likeness
from study.report.summary import SEEN
from tests.made import make_study
from tests.test_likeness import SCENES, cut
from tests.test_readers import write_csv

ARMS = {"none": 0.4, "block": 0.7}
IMAGES = 140
# Image n is as alike as n / 140. Of the made studies every seventh one, the last of seven, is in training, too.
ALIKE = {image: image / IMAGES for image in range(IMAGES)}
TWIN = np.arange(IMAGES) % 7 == 6
SAME = ~TWIN & (np.arange(IMAGES) >= SAME_PHOTOGRAPH * IMAGES)
PARTS = {"the same image": TWIN, "the same photograph": SAME, "neither": ~TWIN & ~SAME}


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    folder = tmp_path_factory.mktemp("known") / "study"
    return find([make_study(folder, ARMS, likeness=ALIKE, elsewhere={"wild": 70})])[0]


def correct(found: Findings, arm: str) -> np.ndarray:
    """(seeds, images): the arm's right answers."""
    (of_arm,) = (one for one in found.arms if one.arm == arm)
    return np.array([found.evidence.answers[trial].correct for trial in of_arm.confirmations["trial"]])


def test_test_images_are_parted_by_what_was_there_to_learn_from(known: Findings) -> None:
    assert {part.title: part.images for part in known.seen} == {name: of.sum() for name, of in PARTS.items()}
    for part in known.seen:
        for arm in ARMS:
            seeds = correct(known, arm)[:, PARTS[part.title]].mean(axis=1)
            assert part.arms[arm].by_repeat == pytest.approx(tuple(seeds))
        gap = (correct(known, "block") - correct(known, "none").astype(int))[:, PARTS[part.title]]
        assert part.differences["block", "none"].value == pytest.approx(gap.mean())
        assert part.differences["block", "none"].over_images


def test_the_parts_together_are_the_whole(known: Findings) -> None:
    whole = sum(part.images * part.differences["block", "none"].value for part in known.seen) / IMAGES
    assert whole == pytest.approx(known.comparisons[0].difference.value)


def test_nothing_is_said_where_likeness_or_twins_are_not_known_nor_of_other_data(
    known: Findings, tmp_path: Path
) -> None:
    assert not known.elsewhere["wild"].seen
    study = make_study(tmp_path / "study", ARMS)
    assert not find([study])[0].seen
    without = make_study(tmp_path / "without", ARMS, likeness=ALIKE)
    answers = pd.read_parquet(without / "predictions.parquet")
    answers.drop(columns="distinct").to_parquet(without / "predictions.parquet")
    assert not find([without])[0].seen


def test_a_part_without_images_is_left_out(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", ARMS, likeness=dict.fromkeys(range(IMAGES), 0.1))
    assert [part.title for part in find([study])[0].seen] == ["the same image", "neither"]


def test_pooled_studies_share_what_one_of_them_knows(tmp_path: Path) -> None:
    one = make_study(tmp_path / "one", ARMS, likeness=ALIKE)
    two = make_study(tmp_path / "two", ARMS, seeds=(200_003, 200_004))
    (found,) = find([two, one])
    assert {part.arms["none"].seeds for part in found.seen} == {5}


def test_folds_are_what_is_counted_where_images_came_in_turn(tmp_path: Path) -> None:
    rows = [fold * 10_000 + image for fold in range(3) for image in range(40 + fold)]
    alike = {row: 0.9 if row % 2 else 0.1 for row in rows}
    study = make_study(tmp_path / "study", ARMS, folds=3, images=40, likeness=alike)
    (found,) = find([study])
    by_title = {part.title: part for part in found.seen}
    assert sum(part.images for part in found.seen) == len(rows)
    for part in by_title.values():
        assert part.arms["none"].folds == 3
        assert part.differences["block", "none"].folds == 3
    answers = [found.evidence.answers[trial] for arm in found.arms[:1] for trial in arm.confirmations["trial"]]
    right = np.concatenate([one.correct[one.distinct & (one.images % 2 == 0)] for one in answers])  # type: ignore[operator]
    assert by_title["neither"].arms["none"].value == pytest.approx(right.mean())


def test_a_broken_table_is_named_and_nothing_else_is_lost(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", ARMS)
    (study / FILE).write_bytes(b"no parquet")
    (found,) = find([study])
    assert any(FILE in text for text in found.evidence.missing)
    assert found.comparisons


# Measured on the images


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Twelve tested images, then twelve that train, of which rows 12 to 14 show the photographs of rows 0 to 2."""
    images = np.concatenate([cut(SCENES[:12], down=1), cut(SCENES[:3]), cut(SCENES[20:29])])
    usages = np.repeat([PRIVATE_TEST, PUBLIC_TEST, TRAINING], (10, 2, 12)).astype(np.uint8)
    return Dataset("data", images, (np.arange(24) % 7).astype(np.uint8), usages)


def test_test_images_are_held_against_all_that_was_given_to_learn_from(data: Dataset) -> None:
    table = measure_likeness(data, ("challenge",), None)
    assert table.index.tolist() == list(range(10))
    assert (table["likeness"] > SAME_PHOTOGRAPH).tolist() == [True] * 3 + [False] * 7
    assert table["most_like"].tolist()[:3] == [12, 13, 14]
    both = measure_likeness(data, ("paper", "challenge"), None)
    assert both.index.tolist() == list(range(12))
    pd.testing.assert_frame_equal(both.loc[:9], table)


def test_in_folds_an_image_is_held_against_those_of_the_other_folds(data: Dataset) -> None:
    table = measure_likeness(data, (FOLDS,), 3)
    assert table.index.tolist() == list(range(24))
    for row, likeness, other in table.reset_index().itertuples(index=False):
        pair = {0: 12, 1: 13, 2: 14, 12: 0, 13: 1, 14: 2}.get(row)
        assert (likeness > SAME_PHOTOGRAPH) == (other == pair)


def test_a_report_measures_it_once_and_a_later_one_needs_no_images(
    data: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_csv(tmp_path / "data.csv", data)
    study = make_study(
        tmp_path / "study", ARMS, images=10, fingerprint=data.fingerprint(), arguments={"data": str(path)}
    )
    assert main([str(study)]) == 0
    table = read_likeness(study)
    assert table is not None
    pd.testing.assert_frame_equal(
        table, measure_likeness(data, ("challenge",), None), check_index_type=False, check_dtype=False
    )
    first = capsys.readouterr().out
    assert SEEN in first
    path.unlink()
    assert main([str(study)]) == 0
    second = capsys.readouterr().out
    assert second == first
    page = (study / "report" / "index.html").read_text(encoding="utf-8")
    assert SEEN in page
    (found,) = find([study])
    rows = pd.read_parquet(study / "seen.parquet")
    assert len(rows) == len(found.seen) * 3
    of_pairs = rows[rows["baseline"].notna()].set_index("seen")["value"]
    assert of_pairs.to_dict() == {part.title: part.differences["block", "none"].value for part in found.seen}
    assert "the same photograph, 3 images" in (study / "report" / "seen.tex").read_text(encoding="utf-8")
    assert (study / "report" / "seen.png").exists()


def test_drawn_faces_are_no_photographs(tmp_path: Path, data: Dataset) -> None:
    path = write_csv(tmp_path / "data.csv", data)
    study = make_study(
        tmp_path / "study",
        ARMS,
        images=10,
        data="synthetic",
        fingerprint=data.fingerprint(),
        arguments={"data": str(path)},
    )
    assert main([str(study)]) == 0
    assert not (study / FILE).exists()
