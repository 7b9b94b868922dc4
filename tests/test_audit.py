"""The audit: its counts on faces made for it, on the real data where there are any, and the command."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_core.data.audit import audit
from fer_core.data.dataset import PRIVATE_TEST, PUBLIC_TEST, TRAINING, Dataset
from fer_core.data.photographs import photographs
from fer_core.data.sources import find_source, read
from fer_core.data.synthetic import synthetic_faces
from tests.conftest import ROOT, run_module


@pytest.fixture(scope="module")
def flawed() -> Dataset:
    """Twenty-one faces, of which rows 0, 7 and 14 are one image with two labels, and row 3 is black."""
    faces = synthetic_faces({TRAINING: 7, PUBLIC_TEST: 7, PRIVATE_TEST: 7})
    images, labels = faces.images.copy(), faces.labels.copy()
    images[[7, 14]] = images[0]
    labels[[0, 7]], labels[14] = 3, 4
    images[3] = 0
    return Dataset("flawed", images, labels, faces.usages)


def test_identical_images_are_found_within_and_across_splits(flawed: Dataset) -> None:
    found = audit(flawed)
    assert found.groups == found.contradicting == [[0, 7, 14]]
    assert found.distinct == 19
    assert found.across == {
        "Training -> PublicTest": [7],
        "Training -> PrivateTest": [14],
        "PublicTest -> PrivateTest": [14],
    }
    assert found.constant == [3]
    assert not found.is_fer2013


def test_faces_without_flaws_have_no_findings() -> None:
    found = audit(synthetic_faces({TRAINING: 14}))
    assert (found.groups, found.contradicting, found.across, found.constant) == ([], [], {}, [])
    assert found.counts["Training"]["happy"] >= 1
    assert sum(found.counts["Training"].values()) == found.images == found.distinct == 14


def real_data() -> Path | None:
    """FER2013 where the machine has it: the variable FER2013, or the folder beside the checkout."""
    places = [Path(os.environ["FER2013"])] if os.environ.get("FER2013") else []
    places.append(ROOT.parent / "shared" / "data" / "fer2013.parquet")
    return next((place for place in places if place.exists()), None)


@pytest.mark.skipif(real_data() is None, reason="no FER2013 here: set the variable FER2013 to its path")
def test_the_audit_of_the_real_data_gives_the_known_numbers() -> None:
    faces = read(find_source(str(real_data())))
    found = audit(faces)
    assert found.is_fer2013
    assert (found.images, found.distinct, len(found.groups)) == (35_887, 34_034, 1_516)
    assert (len(found.contradicting), sum(map(len, found.contradicting))) == (57, 160)
    across = {pair: len(rows) for pair, rows in found.across.items()}
    assert across == {
        "Training -> PublicTest": 280,
        "Training -> PrivateTest": 288,
        "PublicTest -> PrivateTest": 44,
    }
    in_both = [g for g in found.groups if {PUBLIC_TEST, PRIVATE_TEST} <= set(faces.usages[g].tolist())]
    assert len(in_both) == 43  # images that stand in both halves; one of them twice in PrivateTest
    assert len(found.constant) == 12
    tested = faces.listing.with_images(faces.images, faces.usages != TRAINING)
    (shared,) = photographs(tested).values()
    assert (len(shared), sum(one.likeness == 1 for one in shared)) == (204, 44)
    assert sum(not one.same_label for one in shared if one.likeness < 1) == 32


def write_flawed(folder: Path, flawed: Dataset) -> Path:
    names = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    for label in range(7):
        for part in ("train", "test"):
            (folder / part / names[label]).mkdir(parents=True)
            Image.fromarray(flawed.images[0] + label).save(folder / part / names[label] / "a.png")
    return folder


def test_the_command_prints_text_json_and_a_sheet(flawed: Dataset, tmp_path: Path) -> None:
    folder = write_flawed(tmp_path / "faces", flawed)
    for name in ("cut.png", "empty.jpg"):
        (folder / "train" / "sad" / name).write_bytes(
            (folder / "train" / "sad" / "a.png").read_bytes()[: len(name) % 8]
        )
    text = run_module("fer_core.data", folder)
    assert text.status == 0, text.err
    assert "The counts are not those of the original FER2013" in text.out
    assert "2 unreadable files:" in text.out
    assert "7 Test images have an identical twin in Training" in text.out
    sheet = tmp_path / "sheet.png"
    as_json = run_module("fer_core.data", folder, "--json", "--sheet", sheet)
    found = json.loads(as_json.out)
    assert found["across"] == {"Training -> Test": list(range(7))}
    assert [problem.partition(":")[0].rpartition("/")[2] for problem in found["unreadable"]] == [
        "cut.png",
        "empty.jpg",
    ]
    with Image.open(sheet) as image:
        assert image.size == (16 * 48 * 2, 7 * (48 + 14) * 2)
        assert np.asarray(image).std() > 10


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("/nowhere",), "no such file or folder"),
        (("synthetic", "--sheet", "/nowhere/sheet.png"), "there is no folder /nowhere"),
        ((), "the following arguments are required: path"),
    ],
)
def test_a_wrong_command_is_refused(arguments: tuple[str, ...], complaint: str) -> None:
    done = run_module("fer_core.data", *arguments)
    assert done.status == 2
    assert complaint in done.err
    assert len(done.err.splitlines()) == 1
