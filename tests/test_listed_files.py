"""Image files that a table names: CSV or parquet, a row an image."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fer_core.data.__main__ import main as audit
from fer_core.data.dataset import PRIVATE_TEST, PUBLIC_TEST, TRAINING, Dataset
from fer_core.data.sources import find_source, list_images, read
from fer_core.errors import InputError
from fer_core.form import Form
from tests.conftest import run_module

ROWS = 60
CLASSES = ("calm", "glad", "tired")
PARTS = ("train", "val", "test")


def face(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (12, 12, 3)).astype(np.uint8)


@pytest.fixture
def frame(tmp_path: Path) -> pd.DataFrame:
    """A table of images in a folder, in no order, with more columns than are needed."""
    rows = []
    for number in np.random.default_rng(0).permutation(ROWS):
        file = f"faces/{number:03}.png"
        (tmp_path / file).parent.mkdir(exist_ok=True)
        Image.fromarray(face(int(number))).save(tmp_path / file)
        rows.append((file, CLASSES[number % 3], PARTS[number // 20], f"S{number // 2:02}", number, "beside"))
    return pd.DataFrame(rows, columns=["image", "label", "split", "person", "box", "remark"])


def written(folder: Path, frame: pd.DataFrame, name: str = "faces.csv") -> Path:
    path = folder / name
    frame.to_parquet(path, index=False) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return path


def read_path(path: Path, subjects: str | None = None, form: Form | None = None) -> Dataset:
    return read(find_source(str(path), subjects=subjects), form or Form(12, colour=True))


@pytest.mark.parametrize("name", ["faces.csv", "faces.parquet"])
def test_a_row_is_an_image(name: str, frame: pd.DataFrame, tmp_path: Path) -> None:
    data = read_path(written(tmp_path, frame, name), "person")
    numbers = frame["box"].tolist()
    np.testing.assert_array_equal(data.images, np.stack([face(number) for number in numbers]))
    assert (data.classes, data.features) == (CLASSES, None)
    assert [data.classes[label] for label in data.labels] == frame["label"].tolist()
    assert data.subjects is not None
    assert data.subjects.tolist() == frame["person"].tolist()
    codes = dict(zip(PARTS, (TRAINING, PUBLIC_TEST, PRIVATE_TEST), strict=True))
    assert data.usages.tolist() == [codes[part] for part in frame["split"]]


@pytest.mark.parametrize("name", ["faces.csv", "faces.parquet"])
def test_it_is_the_data_of_a_folder_of_the_same_images(name: str, frame: pd.DataFrame, tmp_path: Path) -> None:
    for row in frame.itertuples():
        to = tmp_path / "folder" / row.split / row.label / Path(row.image).name
        to.parent.mkdir(parents=True, exist_ok=True)
        to.symlink_to(tmp_path / row.image)
    assert read_path(written(tmp_path, frame, name)).fingerprint() == read_path(tmp_path / "folder").fingerprint()


def test_names_may_be_absolute_and_numbers_be_learned(frame: pd.DataFrame, tmp_path: Path) -> None:
    told = frame.rename(columns={"image": "File_Path"}).drop(columns="label")
    told["File_Path"] = [str(tmp_path / name) for name in frame["image"]]
    told["target.valence"], told["target.arousal"] = frame["box"] / 60, -0.5
    (tmp_path / "elsewhere").mkdir()
    data = read_path(written(tmp_path / "elsewhere", told))
    assert data.listing.target_names == ("valence", "arousal")
    assert data.targets is not None
    np.testing.assert_allclose(data.targets[:, 0], frame["box"] / 60, rtol=1e-6)
    np.testing.assert_array_equal(data.images[0], face(frame["box"][0]))


@pytest.mark.parametrize("name", ["faces.csv", "faces.parquet"])
def test_what_there_is_is_known_without_an_image(name: str, frame: pd.DataFrame, tmp_path: Path) -> None:
    path = written(tmp_path, frame, name)
    for file in frame["image"]:
        (tmp_path / file).write_bytes(b"none")
    listing = list_images(find_source(str(path), subjects="person"))
    assert listing is not None
    assert listing.counts() == {"Training": 20, "PublicTest": 20, "PrivateTest": 20}
    assert (listing.classes, listing.features) == (CLASSES, None)


def test_the_cache_knows_when_an_image_changes(
    frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_STUDY_CACHE", str(tmp_path / "cache"))
    path = written(tmp_path, frame)
    first = read_path(path)
    assert len(list((tmp_path / "cache").iterdir())) == 1
    changed = tmp_path / frame["image"][7]
    before = changed.stat()
    Image.fromarray(face(1000)).save(changed)
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))
    second = read_path(path)
    np.testing.assert_array_equal(second.images[7], face(1000))
    np.testing.assert_array_equal(second.images[:7], first.images[:7])
    assert read_path(path).fingerprint() == second.fingerprint()
    assert len(list((tmp_path / "cache").iterdir())) == 2


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda f: f.assign(image=["faces/none.png", *f["image"][1:]]), r"row 1: .*none\.png: not a readable image"),
        (lambda f: f.assign(image=[*f["image"][:5], None, *f["image"][6:]]), "row 6: image is empty"),
        (
            lambda f: f.assign(image=[*f["image"][:5], f["image"][0], *f["image"][6:]]),
            "row 6: .* a second time",
        ),
        (lambda f: f.assign(split=["nowhere", *f["split"][1:]]), "row 1: split is 'nowhere'"),
        (lambda f: f.assign(label="calm"), "1 classes in label"),
    ],
)
def test_what_is_wrong_is_named_by_its_row(
    change: object, complaint: str, frame: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=complaint):
        read_path(written(tmp_path, change(frame)))  # type: ignore[operator]


def test_files_are_named_by_text_and_beside_the_table(frame: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"faces\.csv\.gz: names image files \(column image\)\. Unpack it"):
        read_path(written(tmp_path, frame, "faces.csv.gz"))
    numbered = frame.drop(columns="image").rename(columns={"box": "file"})
    with pytest.raises(InputError, match="the column file is int64, expected names of image files"):
        read_path(written(tmp_path, numbered, "faces.parquet"))


def test_the_audit_leaves_out_what_cannot_be_read(
    frame: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / frame["image"][3]).write_bytes(b"none")
    assert audit([str(written(tmp_path, frame)), "--set", "data.side=12"]) in (0, 1)
    out = capsys.readouterr().out
    assert "1 unreadable files:" in out
    assert "row 4: " in out


def test_a_study_of_them_is_planned(frame: pd.DataFrame, tmp_path: Path) -> None:
    arguments = ("--space", "se_placement", "--data", written(tmp_path, frame), "--subjects", "person")
    planned = run_module("study.run", *arguments, "--dry-run")
    assert "all 20 images train, all 20 images validate, 20 are tested, 3 classes, 48 x 48 in grey" in planned.out
