"""Features that come as one table, a row an example: CSV or parquet."""

import gzip
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from fer_core.data.csv_file import csv_columns
from fer_core.data.dataset import PRIVATE_TEST, PUBLIC_TEST, TRAINING, Dataset
from fer_core.data.protocols import default_protocol, split
from fer_core.data.sources import find_source, list_images, read
from fer_core.errors import InputError
from fer_core.features import Features
from fer_core.own_training import OwnTraining
from search_spaces.catalogue import load_space
from tests.conftest import ROOT

ROWS = 60
UNITS = pd.DataFrame(
    {
        "AU01": np.linspace(0, 5, ROWS),
        "AU02": np.arange(ROWS) % 7,
        "smiles": np.arange(ROWS) % 3 == 0,
        "label": np.resize(["happy", "sad", "anger"], ROWS),
        "split": np.repeat(["train", "val", "test"], ROWS // 3),
        "person": np.resize([f"S{n:02}" for n in range(20)], ROWS),
    }
)
NUMBERS = ["AU01", "AU02", "smiles"]


def written(folder: Path, frame: pd.DataFrame, name: str = "units.csv") -> Path:
    path = folder / name
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False)
    return path


def read_path(path: Path, subjects: str | None = None) -> Dataset:
    return read(find_source(str(path), subjects=subjects))


@pytest.mark.parametrize("name", ["units.csv", "units.parquet", "units.csv.gz"])
def test_every_column_beside_label_part_and_person_is_a_feature(name: str, tmp_path: Path) -> None:
    data = read_path(written(tmp_path, UNITS, name), "person")
    assert data.features == Features((3,), "float64")
    np.testing.assert_array_equal(data.images, UNITS[NUMBERS].astype(float))
    assert data.classes == ("anger", "happy", "sad")
    assert [data.classes[label] for label in data.labels] == list(UNITS["label"])
    assert data.subjects is not None
    assert list(data.subjects) == list(UNITS["person"])
    assert data.usages.tolist() == [TRAINING] * 20 + [PUBLIC_TEST] * 20 + [PRIVATE_TEST] * 20
    assert (data.name, default_protocol(data)) == ("units", "challenge")


def test_a_file_is_what_is_in_it_whatever_it_is_called(tmp_path: Path) -> None:
    path = written(tmp_path, UNITS, "units.parquet")
    renamed = path.rename(tmp_path / "units.table")
    assert read_path(renamed, "person").features == Features((3,), "float64")
    listing = list_images(find_source(str(renamed), subjects="person"))
    assert listing is not None
    assert listing.features == Features((3,), "float64")


@pytest.mark.parametrize("name", ["units.csv", "units.parquet"])
def test_it_is_the_data_of_the_same_arrays(name: str, tmp_path: Path) -> None:
    parts = {"train": slice(0, 20), "val": slice(20, 40), "test": slice(40, 60)}
    codes = UNITS["label"].map({"anger": 0, "happy": 1, "sad": 2}).to_numpy()
    arrays: dict[str, Any] = {"classes": ["anger", "happy", "sad"]}
    for part, rows in parts.items():
        arrays |= {f"x_{part}": UNITS[NUMBERS].astype(float).to_numpy()[rows], f"y_{part}": codes[rows]}
    np.savez(tmp_path / "units.npz", **arrays)
    data = read_path(written(tmp_path, UNITS.drop(columns="person"), name))
    assert data.fingerprint() == read_path(tmp_path / "units.npz").fingerprint()


@pytest.mark.parametrize("name", ["units.csv", "units.parquet", "units.csv.gz"])
def test_what_a_table_holds_is_known_to_a_plan(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, UNITS, name)
    listing = list_images(find_source(str(path), subjects="person"))
    assert listing is not None
    assert listing.counts() == read_path(path, "person").counts()
    assert listing.features == Features((3,), "float64")


def test_texts_are_read_with_all_that_stands_between_quotation_marks(tmp_path: Path) -> None:
    texts = [f'He said: "no, {n}",\nand left. ' for n in range(ROWS)]
    frame = UNITS[["label", "split"]].assign(text=texts)
    for name in ("texts.csv", "texts.parquet"):
        data = read_path(written(tmp_path, frame, name))
        assert data.features == Features((), "text")
        assert list(data.images) == texts


def test_lists_of_numbers_are_features(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(ROWS, 8)).astype(np.float32)
    frame = UNITS[["label"]].assign(embedding=list(vectors))
    data = read_path(written(tmp_path, frame, "embeddings.parquet"))
    assert data.features == Features((8,), "float32")
    np.testing.assert_array_equal(data.images, vectors)


@pytest.mark.parametrize("labels", ["emotion", " Class", "TARGET"])
def test_a_label_may_be_a_number_under_the_usual_names_and_parts_be_the_challenges(
    labels: str, tmp_path: Path
) -> None:
    parts = np.repeat(["Training", "PublicTest", "PrivateTest"], ROWS // 3)
    frame = UNITS[["AU01", "AU02"]].assign(**{labels: np.resize([10, 2, 3], ROWS), "Usage": parts})
    data = read_path(written(tmp_path, frame))
    assert data.classes == ("2", "3", "10")
    assert data.labels.tolist()[:3] == [2, 0, 1]
    assert data.counts() == {"Training": 20, "PublicTest": 20, "PrivateTest": 20}


def test_whole_numbers_stay_whole_and_missing_ones_are_none(tmp_path: Path) -> None:
    frame = UNITS[["AU02", "smiles", "label"]]
    assert read_path(written(tmp_path, frame)).features == Features((2,), "int64")
    holes = frame.assign(AU02=frame["AU02"].where(frame["AU02"] > 0))
    data = read_path(written(tmp_path, holes))
    assert data.features == Features((2,), "float64")
    assert data.finite.tolist() == (frame["AU02"] > 0).tolist()
    assert data.counts() == {"Training": ROWS}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"person": UNITS["person"]}, r"the column person is text, in row 1 'S00'\. .* name it by --subjects"),
        ({"AU02": ["1"] * 4 + ["?"] + ["2"] * 55}, r"the column AU02 is text, in row 5 '\?'"),
        ({"AU02": [None] * ROWS}, "the column AU02 is empty"),
        ({"AU02": pd.Timestamp("2026-01-01")}, "the column AU02 is (date|timestamp)"),
        ({"label": ["happy"] * 9 + [None] + ["sad"] * 50}, "row 10: label is empty"),
        ({"label": "happy"}, "1 classes in label, expected 2 to 127"),
        ({"split": ["train"] * 59 + ["spare"]}, "row 60: split is 'spare', expected train, val or test"),
        ({"split": "test"}, "no row whose split is train"),
        ({"target": [0, 1] * 30}, "has the columns label and target"),  # of which one would give the other away
        ({"usage": "train"}, "has the columns split and usage"),
    ],
)
@pytest.mark.parametrize("name", ["units.csv", "units.parquet"])
def test_what_is_wrong_in_a_table_is_named(name: str, changed: dict[str, Any], message: str, tmp_path: Path) -> None:
    frame = UNITS.drop(columns="person").assign(**changed)
    with pytest.raises(InputError, match=rf"units\.\w+.*{message}"):
        read_path(written(tmp_path, frame, name))


def test_an_index_of_pandas_is_not_learned_from(tmp_path: Path) -> None:
    frame = UNITS[["AU01", "AU02", "label"]].sample(frac=1, random_state=0)
    frame.to_csv(tmp_path / "units.csv")
    with pytest.raises(InputError, match=r"column 1 has no name, as an index that pandas has written"):
        read_path(tmp_path / "units.csv")
    pd.read_csv(tmp_path / "units.csv").to_csv(tmp_path / "again.csv", index=False)
    with pytest.raises(InputError, match=r"column 1 has no name"):
        read_path(tmp_path / "again.csv")
    frame.to_parquet(tmp_path / "units.parquet")
    data = read_path(tmp_path / "units.parquet")
    np.testing.assert_array_equal(data.images, frame[["AU01", "AU02"]])


def test_a_column_that_is_there_twice_is_named(tmp_path: Path) -> None:
    (tmp_path / "units.csv").write_text("label,a,a\nx,1,2\ny,1,2\n")
    with pytest.raises(InputError, match="has the column a twice"):
        read_path(tmp_path / "units.csv")


def test_categories_are_what_they_say(tmp_path: Path) -> None:
    frame = UNITS[["AU01", "label", "split"]].astype({"label": "category", "split": "category"})
    data = read_path(written(tmp_path, frame, "units.parquet"))
    assert [data.classes[label] for label in data.labels] == list(UNITS["label"])


def test_a_label_that_is_no_class_is_named(tmp_path: Path) -> None:
    frame = UNITS[["AU01"]].assign(label=np.arange(ROWS) / 3)
    with pytest.raises(InputError, match="the column label is double, expected text or whole numbers"):
        read_path(written(tmp_path, frame, "units.parquet"))


def test_lists_of_other_lengths_are_named(tmp_path: Path) -> None:
    frame = UNITS[["label"]].assign(embedding=[[1.0, 2.0]] * 4 + [[1.0]] + [[1.0, 2.0]] * 55)
    with pytest.raises(InputError, match=r"row 5: embedding has 1 numbers, the first 2"):
        read_path(written(tmp_path, frame, "embeddings.parquet"))


def test_a_column_that_names_nobody_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--subjects who: .* has the columns AU01, AU02, smiles, label"):
        read_path(written(tmp_path, UNITS), "who")


def test_a_table_without_anything_to_learn_from_is_taken_for_fer2013(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column 'pixels'"):
        read_path(written(tmp_path, UNITS[["label", "split"]].rename(columns={"label": "emotion"})))


def test_a_broken_line_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "units.csv.gz"
    path.write_bytes(gzip.compress(b"label,a,b\nx,1,2\ny,1,2\nx,1\n"))
    with pytest.raises(InputError, match="row 3: 2 columns, the header has 3"):
        read_path(path)


def test_a_trainer_learns_real_digits_from_a_table(tmp_path: Path) -> None:
    """Those of Alpaydin and Kaynak (1998), 8 x 8 pixels, which come with scikit-learn."""
    digits = load_digits()
    frame = pd.DataFrame(digits.data, columns=[f"pixel_{n}" for n in range(64)]).assign(target=digits.target)
    data = read_path(written(tmp_path, frame, "digits.csv"))
    assert data.classes == tuple(map(str, range(10)))
    learning, testing = split(data, default_protocol(data))
    space = load_space(str(ROOT / "docs" / "examples" / "another_python.py"))
    settings = {"layers": 1, "units": 32, "rate": 0.01, "decay": 1e-3, "train.epochs": 8}
    assert space.trainer is not None
    training = OwnTraining(space.trainer, space.start.override(settings), 1, learning)
    while not training.finished:
        training.run_epoch()
    assert training.test(testing).accuracy > 0.93


@pytest.mark.parametrize("packed", ["gz", "zip", "tar.gz"])
def test_what_is_packed_is_known_by_its_first_line_alone(packed: str, tmp_path: Path) -> None:
    """An archive that breaks off after it tells its columns, but cannot be read."""
    rows = b"AU01,label\n" + np.random.default_rng(0).bytes(1 << 20)
    path = tmp_path / f"units.csv.{packed}"
    (tmp_path / "units.csv").write_bytes(rows)
    if packed == "gz":
        path.write_bytes(gzip.compress(rows)[: 1 << 19])
    elif packed == "tar.gz":
        with tarfile.open(path, "w:gz") as archive:
            archive.add(tmp_path / "units.csv", "units/units.csv")
        path.write_bytes(path.read_bytes()[: 1 << 19])
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(tmp_path / "units.csv", "units.csv")
        broken = bytearray(path.read_bytes())
        broken[1 << 19] ^= 0xFF
        path.write_bytes(broken)
    assert csv_columns(path) == ["AU01", "label"]
    with pytest.raises(InputError, match="a broken archive"):
        read_path(path)
