"""Folders of images whose names tell the class, as JAFFE and KDEF come."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_core.data.dataset import Dataset
from fer_core.data.sources import find_source, list_images, read
from fer_core.errors import InputError
from fer_core.form import Form

SMALL = Form(8)
JAFFE = "*.HA*: happy\n*.AN*: angry\n*.NE*: neutral\n"
KDEF = "*HAS.JPG: happy\n*ANS.JPG: angry\n"


def write(folder: Path, names: Sequence[str], classes: str) -> Path:
    """Images of these names below `folder`, each of another grey, and their `classes.txt`."""
    for grey, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), grey).save(folder / name)
    (folder / "classes.txt").write_text(classes)
    return folder


def read_path(folder: Path, subjects: str | None = None) -> Dataset:
    return read(find_source(str(folder), subjects=subjects), SMALL)


def test_the_code_in_a_files_name_is_its_class(tmp_path: Path) -> None:
    names = ["KA.AN1.39.tiff", "KA.HA1.29.tiff", "KL.HA3.160.tiff", "KL.NE1.155.tiff", "YM.AN2.62.tiff"]
    folder = write(tmp_path / "jaffe", names, JAFFE)
    (folder / "README_FIRST.txt").write_text("who was asked what")
    got = read_path(folder, "^[A-Z]+")
    assert got.classes == ("happy", "angry", "neutral")  # as the file has them
    assert [got.classes[label] for label in got.labels] == ["angry", "happy", "happy", "neutral", "angry"]
    assert got.images[:, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert got.subjects is not None
    assert got.subjects.tolist() == ["KA", "KA", "KL", "KL", "YM"]
    assert got.counts() == {"Training": 5}
    assert got.name == "jaffe"


def test_names_are_looked_for_below_and_those_that_fit_no_pattern_are_left_out(tmp_path: Path) -> None:
    names = ["AF01/AF01ANFL.JPG", "AF01/AF01ANS.JPG", "AF01/AF01HAS.JPG", "BM02/BM02HAHR.JPG", "BM02/BM02HAS.JPG"]
    litter = ["AF01/.thumbnails/AF01ANS.JPG", "AF01/._AF01HAS.JPG"]
    got = read_path(write(tmp_path / "kdef", [*names, *litter], KDEF), "^[AB]([FM][0-9]+)")
    assert got.labels.tolist() == [1, 0, 0]
    assert got.subjects is not None
    assert got.subjects.tolist() == ["F01", "F01", "M02"]


def test_what_there_is_is_known_before_anything_is_decoded(tmp_path: Path) -> None:
    names = ["train/a.HA1.png", "train/b.AN1.png", "test/c.HA2.png", "val/d.AN4.png", "train/e.NE1.png"]
    folder = write(tmp_path / "parts", names, JAFFE)
    listing, got = list_images(find_source(str(folder))), read_path(folder)
    assert listing is not None
    assert got.counts() == listing.counts() == {"Training": 3, "PublicTest": 1, "PrivateTest": 1}
    np.testing.assert_array_equal(listing.labels, got.labels)
    assert listing.classes == got.classes


def test_a_folder_with_brackets_in_its_name_is_no_pattern(tmp_path: Path) -> None:
    got = read_path(write(tmp_path / "old", ["happy [1]/a.png", "sad [2]/b.png"], "happy [1]: happy\nsad [2]: sad"))
    assert (got.classes, got.labels.tolist()) == (("happy", "sad"), [0, 1])


def test_several_patterns_may_be_one_class(tmp_path: Path) -> None:
    got = read_path(
        write(
            tmp_path / "both", ["a_hap.png", "b_joy.png", "c_ang.png"], "*_hap*: happy\n*_joy*: happy\n*_ang*: angry"
        )
    )
    assert (got.classes, got.labels.tolist()) == (("happy", "angry"), [0, 0, 1])


@pytest.mark.parametrize(
    ("names", "classes", "complaint"),
    [
        (["KA.HA1.png", "KA.AN1.png"], JAFFE, r"no image whose name fits \*\.NE\*, of 2 images"),
        (
            ["KA.HA1.AN2.png", "b.AN1.png", "c.NE1.png"],
            JAFFE,
            r"KA\.HA1\.AN2\.png: fits \*\.HA\* and \*\.AN\*, which are",
        ),
        (["a.HA1.png"], "*.HA*: happy\n", "1 classes, expected 2 to 127"),
        (["ka.ha1.png"], "*.HA*: happy\n*.ha*: angry", r"no image whose name fits \*\.HA\*"),  # in their own case
    ],
)
def test_patterns_that_cannot_be_meant_are_refused(
    names: list[str], classes: str, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=complaint):
        read_path(write(tmp_path / "faces", names, classes))


def test_whoever_has_such_images_and_no_classes_is_told_how(tmp_path: Path) -> None:
    folder = write(tmp_path / "jaffe", ["KA.AN1.png", "KA.HA1.png"], "")
    (folder / "classes.txt").unlink()
    with pytest.raises(InputError, match=r"or a file classes\.txt that says which names of files are which class"):
        read_path(folder)


def test_a_changed_pattern_is_other_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the images are read from the cache."""
    monkeypatch.setenv("FER_STUDY_CACHE", str(tmp_path / "cache"))
    folder = write(tmp_path / "jaffe", ["KA.AN1.png", "KA.HA1.png", "KA.NE1.png"], JAFFE)
    before, again = read_path(folder), read_path(folder)
    (folder / "classes.txt").write_text(JAFFE.replace("*.NE*: neutral", "*.NE*: calm"))
    assert before.classes == again.classes == ("happy", "angry", "neutral")
    assert read_path(folder).classes == ("happy", "angry", "calm")
