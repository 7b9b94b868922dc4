"""Numbers in the place of classes: how data with targets is read, audited, divided and kept."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from fer_core.data.__main__ import main as audit
from fer_core.data.array_writer import write_arrays as write_npz
from fer_core.data.cache import VARIABLE
from fer_core.data.dataset import Dataset
from fer_core.data.protocols import FOLDS, Fold, split
from fer_core.data.sources import find_source, list_images, read
from fer_core.errors import InputError
from fer_core.form import Form
from search_spaces.catalogue import load_space
from study.plan import make_plan
from study.planning.inputs import check_inputs

PLACES = np.linspace(-1, 1, 30).reshape(15, 2).astype(np.float32)  # of 15 images: valence and arousal
PARTS = {"train": slice(0, 9), "val": slice(9, 12), "test": slice(12, 15)}
SIDE = 8


def drawn() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (15, SIDE, SIDE), np.uint8)


def write_arrays(folder: Path, **changes: Any) -> Path:
    """The images with their places as one .npz file."""
    arrays: dict[str, Any] = {"targets": ["valence", "arousal"]}
    for part, rows in PARTS.items():
        arrays |= {f"x_{part}": drawn()[rows], f"y_{part}": PLACES[rows]}
    np.savez(folder / "places.npz", **(arrays | changes))
    return folder / "places.npz"


def write_hub(folder: Path, **columns: Any) -> Path:
    """The same as parquet files with images, in a folder."""
    (folder / "places").mkdir()
    for part, rows in PARTS.items():
        files = []
        for image in drawn()[rows]:
            file = io.BytesIO()
            Image.fromarray(image).save(file, "PNG")
            files.append({"bytes": file.getvalue()})
        targets = {"target.valence": PLACES[rows, 0], "target.arousal": PLACES[rows, 1].astype(float)}
        table = {"image": files, **targets, **{name: given[rows] for name, given in columns.items()}}
        pq.write_table(pa.table(table), folder / "places" / f"{part}.parquet")
    return folder / "places"


def frame() -> pd.DataFrame:
    """Features of the same images instead, with the same places."""
    numbers = drawn().reshape(15, -1)[:, :3].astype(np.float32)
    of = pd.DataFrame(numbers, columns=["a", "b", "c"])
    parts = [part for part, rows in PARTS.items() for _ in range(rows.start, rows.stop)]
    return of.assign(**{"target.valence": PLACES[:, 0], "split": parts, "target.arousal": PLACES[:, 1]})


def read_path(path: Path, form: Form = Form(SIDE)) -> Dataset:  # noqa: B008  # a constant
    return read(find_source(str(path)), form)


def test_images_with_places_are_the_same_data_as_arrays_and_as_the_hub_keeps_them(tmp_path: Path) -> None:
    data = read_path(write_arrays(tmp_path))
    np.testing.assert_array_equal(data.targets, PLACES)
    assert (data.classes, data.labels.tolist()) == (("valence", "arousal"), [0] * 15)
    assert data.counts() == {"Training": 9, "PublicTest": 3, "PrivateTest": 3}
    assert read_path(write_hub(tmp_path)).fingerprint() == data.fingerprint()


@pytest.mark.parametrize("name", ["faces.csv", "faces.parquet"])
def test_a_table_may_have_targets_among_its_features(name: str, tmp_path: Path) -> None:
    write = frame().to_csv if name.endswith("csv") else frame().to_parquet
    write(tmp_path / name, index=False)
    data = read_path(tmp_path / name)
    assert data.classes == ("valence", "arousal")
    np.testing.assert_allclose(data.targets, PLACES, atol=1e-6)
    np.testing.assert_array_equal(data.images, frame()[["a", "b", "c"]])


def test_one_target_needs_no_name(tmp_path: Path) -> None:
    ages = {f"y_{part}": np.arange(15.5)[rows] for part, rows in PARTS.items()}
    arrays = {f"x_{part}": drawn()[rows] for part, rows in PARTS.items()}
    np.savez(tmp_path / "ages.npz", **arrays, **ages)
    data = read_path(tmp_path / "ages.npz")
    assert data.classes == ("target",)
    assert data.targets is not None
    assert data.targets[:, 0].tolist() == list(range(15))
    whole = {name: given.astype(int) for name, given in ages.items()}
    np.savez(tmp_path / "whole.npz", **arrays, **whole, targets=["age"])  # else they would be classes
    assert read_path(tmp_path / "whole.npz").classes == ("age",)


def test_another_target_makes_other_data(tmp_path: Path) -> None:
    before = read_path(write_arrays(tmp_path)).fingerprint()
    assert read_path(write_arrays(tmp_path, y_test=-PLACES[PARTS["test"]])).fingerprint() != before


def test_what_is_written_is_the_same_data(tmp_path: Path) -> None:
    data = read_path(write_arrays(tmp_path))
    write_npz(data, tmp_path / "copy.npz")
    copy = read_path(tmp_path / "copy.npz")
    assert (copy.fingerprint(), copy.classes) == (data.fingerprint(), data.classes)


def test_what_is_listed_is_what_will_be_read(tmp_path: Path) -> None:
    frame().to_csv(tmp_path / "faces.csv", index=False)
    for path in (write_arrays(tmp_path), write_hub(tmp_path), tmp_path / "faces.csv"):
        listing = list_images(find_source(str(path)))
        assert listing is not None
        assert listing.target_names == ("valence", "arousal")
        assert listing.counts() == read_path(path).counts()


def test_the_cache_keeps_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    first = read_path(write_arrays(tmp_path))
    assert len(list((tmp_path / "cache").glob("*.npz"))) == 1
    again = read_path(tmp_path / "places.npz")
    np.testing.assert_array_equal(again.targets, first.targets)
    assert again.fingerprint() == first.fingerprint()


def test_they_follow_their_images_through_every_protocol(tmp_path: Path) -> None:
    data = read_path(write_arrays(tmp_path))
    of = {image.tobytes(): place.tolist() for image, place in zip(data.images, PLACES, strict=True)}
    for protocol, fold in (("challenge", None), ("paper", None), ("holdout", None), (FOLDS, Fold(1, 5))):
        learning, testing = split(data, protocol, fold)
        for images, places in (
            (learning.train_images, learning.towards),
            (learning.val_images, learning.val_towards),
            (testing.images, testing.towards),
        ):
            assert len(images)
            assert [of[image.tobytes()] for image in images] == places.tolist()


def test_an_audit_says_what_is_to_be_learned_and_where_twins_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = drawn()[PARTS["train"]]
    images[1] = images[0]
    images[3] = images[2]
    places = PLACES[PARTS["train"]].copy()
    places[3] = places[2]
    audit([str(write_arrays(tmp_path, x_train=images, y_train=places))])
    told = capsys.readouterr().out
    assert "9 Training, 3 PublicTest, 3 PrivateTest; to be learned:" in told
    assert "  valence  -1 to 0.931, mean" in told
    assert "2 groups of identical ones" in told
    assert "1 groups carry more than one target (2 images)." in told


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"label": np.arange(15) % 2}, r"has the columns label and target\.valence and target\.arousal"),
        ({"target.valence": "glad"}, r"the column target\.valence is text, in row 1 'glad', expected numbers"),
        ({"target.valence": [np.nan] + [0.0] * 14}, r"row 1: target\.valence is empty or not finite"),
    ],
)
def test_a_table_whose_targets_are_none_is_refused(change: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    frame().assign(**change).to_csv(tmp_path / "faces.csv", index=False)
    with pytest.raises(InputError, match=complaint):
        read_path(tmp_path / "faces.csv")


def test_numbers_that_are_called_labels_are_refused_with_a_hint(tmp_path: Path) -> None:
    plain = frame().drop(columns=["target.valence", "target.arousal"]).assign(label=PLACES[:, 0])
    plain.to_parquet(tmp_path / "faces.parquet", index=False)
    with pytest.raises(InputError, match=r"label is float, .* columns such as target\.label"):
        read_path(tmp_path / "faces.parquet")


def test_images_of_the_hub_have_a_label_or_targets(tmp_path: Path) -> None:
    path = write_hub(tmp_path, label=np.zeros(15, int))
    with pytest.raises(InputError, match=r"expected an image .* and a label .*, or numbers \(target\.NAME\)"):
        read_path(path)
    for file in path.iterdir():
        file.unlink()
    path.rmdir()
    path = write_hub(tmp_path, **{"target.valence": np.full(15, np.inf)})
    with pytest.raises(InputError, match=r"test\.parquet, row 1: target\.valence is inf, expected a number"):
        read_path(path)


def test_they_are_not_for_a_network_that_tells_classes(tmp_path: Path) -> None:
    listing = list_images(find_source(str(write_arrays(tmp_path))))
    assert listing is not None
    plan = make_plan(load_space("se_placement"), budget="quick", protocol="challenge", data_name="places")
    with pytest.raises(InputError, match=r"numbers to be learned \(valence, arousal\), and no classes.* --measure"):
        check_inputs(plan, listing)
