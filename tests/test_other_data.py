"""Data sets with other classes, sizes and colours than FER2013's: in every form in which people hold them."""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from fer_core.data.audit import audit
from fer_core.data.audit_text import audit_text
from fer_core.data.dataset import EMOTIONS, PRIVATE_TEST, PUBLIC_TEST, TEST, TRAINING, USAGES, Dataset
from fer_core.data.ferplus import CLASSES, EMOTION_COLUMNS, OTHER_COLUMNS
from fer_core.data.protocols import default_protocol, split
from fer_core.data.sheet import contact_sheet
from fer_core.data.sources import find_source, list_images, read
from fer_core.errors import InputError
from fer_core.form import PAPERS, Form
from tests.test_readers import write_csv, write_folder, write_parquet

COLOURS = ("red", "green", "blue")
SMALL = Form(16, colour=True, interpolation="bilinear")


def tinted(label: int, count: int, side: int = 20) -> np.ndarray:
    """(count, side, side, 3): noise, brighter in one of the three colours."""
    images = np.random.default_rng(label).integers(0, 90, (count, side, side, 3), np.uint8)
    images[..., label] += 120
    return images


def write_classes(path: Path, classes: Sequence[str], splits: Mapping[str, int], write: Callable = tinted) -> Path:
    """A folder of PNG files, so many of each class in each split; the split "" is the folder itself."""
    for split_name, count in splits.items():
        for label, name in enumerate(classes):
            folder = path / split_name / name
            folder.mkdir(parents=True)
            for number, image in enumerate(write(label % 3, count)):
                Image.fromarray(image).save(folder / f"{number}.png")
    return path


def read_path(path: Path, form: Form = SMALL, **options: Any) -> Dataset:
    return read(find_source(str(path)), form, **options)


def test_class_folders_of_any_names_are_classes_in_the_order_of_their_names(tmp_path: Path) -> None:
    got = read_path(write_classes(tmp_path / "c", ("cat 10", "cat 2", "bird"), {"train": 2, "test": 1}))
    assert got.classes == ("bird", "cat 2", "cat 10")
    assert got.labels[got.usages == TRAINING].tolist() == [0, 0, 1, 1, 2, 2]
    assert got.counts() == {"Training": 6, "Test": 3}
    assert got.images.shape == (9, 16, 16, 3)
    assert got.images[0].mean(axis=(0, 1)).argmax() == 2  # "bird" was written with the tint of label 2


def test_numbered_folders_beyond_fer2013s_are_no_emotions(tmp_path: Path) -> None:
    """RAF-DB's 1 is surprise, FER2013's is disgust."""
    numbers = [str(number) for number in range(1, 8)]
    assert read_path(write_classes(tmp_path / "raf", numbers, {"train": 1, "test": 1})).classes == tuple(numbers)


def test_a_folder_without_splits_is_all_training(tmp_path: Path) -> None:
    got = read_path(write_classes(tmp_path / "c", COLOURS, {"": 10}))
    assert got.counts() == {"Training": 30}
    assert default_protocol(got) == "holdout"
    learning, testing = split(got, "holdout")
    assert sorted(testing.labels) == sorted(learning.val_labels) == [0, 1, 2]
    assert learning.classes == ("blue", "green", "red")


def test_a_file_says_what_class_folders_are(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "six", ("1", "2", "happy"), {"train": 1, "test": 1})
    (folder / "classes.txt").write_text("happy\n\n2: cross\n1 : sad\n")
    got = read_path(folder)
    assert got.classes == ("happy", "cross", "sad")
    assert got.labels.tolist() == [0, 1, 2, 0, 1, 2]
    (folder / "train" / "3").mkdir()
    with pytest.raises(InputError, match=r"train/3: unknown class\. .*classes\.txt lists happy, 2, 1"):
        read_path(folder)


@pytest.mark.parametrize(
    ("classes", "complaint"),
    [
        (("happy", "sad", "bored"), r"bored: unknown class\. Expected one of angry.*classes\.txt"),
        (("happy", "sad"), "no images of the class 'angry'.*list their folders"),
        (("one",), "1 classes, expected 2 to 127"),
        ([f"class {number}" for number in range(128)], "128 classes, expected 2 to 127"),
    ],
)
def test_folders_that_say_neither_fer2013_nor_other_classes_are_refused(
    classes: Sequence[str], complaint: str, tmp_path: Path
) -> None:
    write_classes(tmp_path / "c", classes, {"train": 1})
    with pytest.raises(InputError, match=complaint):
        read_path(tmp_path / "c")


def test_grey_and_colour_of_one_image_agree(tmp_path: Path) -> None:
    """Pillow's L is 0.299 red, 0.587 green and 0.114 blue (ITU-R 601)."""
    folder = write_classes(tmp_path / "c", COLOURS, {"train": 2})
    colour, grey = read_path(folder, Form(20, colour=True)), read_path(folder, Form(20))
    assert grey.images.shape == (6, 20, 20)
    np.testing.assert_allclose(grey.images, colour.images @ [0.299, 0.587, 0.114], atol=1)


def test_pixels_that_are_brought_to_half_the_side_are_means_or_taken_from_the_middle(tmp_path: Path) -> None:
    checks = np.kron(np.indices((4, 4)).sum(axis=0) % 2, np.array([[0, 80], [120, 200]])).astype(np.uint8)
    np.savez(tmp_path / "checks.npz", x_train=np.stack([checks, checks]), y_train=[0, 1])
    nearest = read_path(tmp_path / "checks.npz", Form(4)).images[0]
    assert set(np.unique(nearest)) == {0, 200}
    smooth = read_path(tmp_path / "checks.npz", Form(4, interpolation="bilinear")).images[0]
    assert 60 < smooth[1, 2] < nearest[1, 2]


def arrays(names: tuple[str, str], parts: Mapping[str, int], **others: Any) -> dict[str, Any]:
    """For `np.savez`: the tinted images of all three classes in each part."""
    found: dict[str, Any] = dict(others)
    for part, count in parts.items():
        found[names[0].format(part)] = np.concatenate([tinted(label, count) for label in range(3)])
        found[names[1].format(part)] = np.repeat(np.arange(3), count)
    return found


def write_arrays(path: Path, parts: Mapping[str, int]) -> Path:
    np.savez(path, **arrays(("x_{}", "y_{}"), parts))
    return path


@pytest.mark.parametrize("names", [("x_{}", "y_{}"), ("{}_images", "{}_labels")], ids=["Keras", "MedMNIST"])
def test_arrays_are_read_under_the_usual_names(names: tuple[str, str], tmp_path: Path) -> None:
    given = arrays(names, {"train": 4, "val": 2, "test": 3}, classes=np.array(COLOURS))
    given[names[1].format("train")] = given[names[1].format("train")][:, None]  # as MedMNIST has it
    np.savez(tmp_path / "tints.npz", **given)
    got = read_path(tmp_path / "tints.npz", Form(20, colour=True))
    assert (got.name, got.classes) == ("tints", COLOURS)
    assert got.counts() == {"Training": 12, "PublicTest": 6, "PrivateTest": 9}
    np.testing.assert_array_equal(got.images[:12], given[names[0].format("train")])


def test_grey_arrays_with_an_axis_of_channels_are_grey_and_unnamed_classes_numbers(tmp_path: Path) -> None:
    images = np.arange(2 * 20 * 20, dtype=np.uint8).reshape(2, 20, 20, 1)
    np.savez(tmp_path / "grey.npz", x_train=images, y_train=[0, 2])
    got = read_path(tmp_path / "grey.npz", Form(20))
    np.testing.assert_array_equal(got.images, images[..., 0])
    assert got.classes == ("0", "1", "2")


def test_seven_numbered_classes_are_no_emotions(tmp_path: Path) -> None:
    np.savez(tmp_path / "seven.npz", x_train=np.zeros((7, 8, 8), np.uint8), y_train=np.arange(7))
    assert read_path(tmp_path / "seven.npz", Form(8)).classes == tuple("0123456")


def test_arrays_of_votes_are_labels_and_their_distributions(tmp_path: Path) -> None:
    votes = np.array([[6, 2, 0], [1, 1, 2], [0, 0, 9], [3, 5, 2]])
    given = {"x_train": tinted(0, 3), "y_train": votes[:3], "x_test": tinted(1, 1), "y_test": votes[3:]}
    np.savez(tmp_path / "votes.npz", **given, classes=np.array(COLOURS))
    path, cache = tmp_path / "votes.npz", tmp_path / "cache"
    for _ in range(2):  # the second time from the cache
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FER_STUDY_CACHE", str(cache))
            got = read_path(path)
        assert got.labels.tolist() == [0, 2, 2, 1]
        assert got.distributions is not None
        np.testing.assert_allclose(got.distributions, votes / votes.sum(axis=1, keepdims=True))
        assert got.distributions.dtype == np.float32
    assert list_images(find_source(str(path))).labels.tolist() == got.labels.tolist()
    found = audit(got)
    assert (found.agreement, found.unanimous) == (pytest.approx(np.mean([0.75, 0.5, 1, 0.5])), 1)
    assert "votes: 68.8 % are for the label; 1 images (25.0 %) have no others." in audit_text(found)
    turned, unvoted = (replace(got, distributions=of) for of in (got.distributions[::-1], None))
    assert got.fingerprint() == turned.fingerprint() == unvoted.fingerprint()
    assert len({got.votes_fingerprint(), turned.votes_fingerprint(), unvoted.votes_fingerprint()}) == 3


def test_votes_follow_emotions_into_the_order_of_fer2013(tmp_path: Path) -> None:
    names = EMOTIONS[::-1]
    np.savez(tmp_path / "v.npz", x_train=np.zeros((7, 8, 8), np.uint8), y_train=np.eye(7) + 0.1, classes=names)
    got = read_path(tmp_path / "v.npz", Form(8))
    assert got.classes == EMOTIONS
    assert got.labels.tolist() == [6, 5, 4, 3, 2, 1, 0]
    assert got.distributions is not None
    assert got.distributions.argmax(axis=1).tolist() == got.labels.tolist()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"x_train": np.zeros((3, 20, 20), complex)}, r"x_train is complex128 \(3, 20, 20\)\. Expected images"),
        ({"x_train": np.zeros((0, 20, 20), np.uint8)}, r"x_train is uint8 \(0, 20, 20\)\. Expected images, uint8"),
        ({"y_train": np.ones((2, 3))}, r"labels of train are float64 \(2, 3\), expected \(3, 3\) of votes"),
        ({"y_train": np.diag([1, 1, 0])}, r"labels of train are int64 \(3, 3\), expected \(3, 3\) of votes"),
        ({"y_train": np.eye(3) - 0.1}, "expected .* of votes for each class, not negative"),
        (
            {"y_train": np.eye(3), "x_val": np.zeros((1, 20, 20), np.uint8), "y_val": [1]},
            r"val are int64 \(1,\), exp",
        ),
        ({"y_train": np.full((3, 2), np.nan)}, "expected .* of votes"),
        ({"y_train": ["a", "b", "c"]}, r"labels of train are <U1 \(3,\), expected \(3,\) of whole numbers"),
        ({"y_train": [0.5, np.nan, 1.0]}, r"targets of train are float64 \(3,\), expected .* of finite numbers"),
        ({"y_train": [0, 1, 2], "targets": ["v", "a"]}, "names the targets v, a, but has 1 of them"),
        (
            {"y_train": np.zeros((2, 2)), "targets": ["v", "a"]},
            r"targets of train are float64 \(2, 2\), expected \(3,",
        ),
        ({"y_train": [0, 1, 127]}, "expected .* of whole numbers from 0, below 127"),
        ({"y_train": [0, 1, -1]}, "labels of train are int64"),
        ({"classes": np.array(["a", "b"])}, "names 2 classes, but has labels up to 2"),
    ],
)
def test_arrays_of_another_kind_are_refused(change: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **(arrays(("x_{}", "y_{}"), {"train": 1}) | change))
    with pytest.raises(InputError, match=complaint):
        read_path(tmp_path / "a.npz")


def test_a_file_without_training_arrays_or_cut_off_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_test=tinted(0, 1), y_test=[0])
    with pytest.raises(InputError, match=r"no training images \(found x_test, y_test\)"):
        read_path(tmp_path / "a.npz")
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"a\.npz: not arrays as \.npz"):
        read_path(tmp_path / "a.npz")


def write_hub(
    path: Path, count: int, labels: Sequence[Any] = (0, 1, 2), names: Sequence[str] | None = COLOURS
) -> Path:
    """A parquet file as the library `datasets` writes it: so many images of each class."""
    rows = [(image, labels[label]) for label in range(3) for image in tinted(label, count)]
    cells = [{"bytes": _png(image), "path": None} for image, _ in rows]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})} if names else None
    columns = [pa.array(cells, kind), pa.array([label for _, label in rows])]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns, pa.schema([("image", kind), ("label", columns[1].type)], metadata)), path)
    return path


def _png(image: np.ndarray) -> bytes:
    file = BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    return file.getvalue()


def write_hub_folder(path: Path) -> Path:
    write_hub(path / "data" / "train-00000-of-00002.parquet", 2)
    write_hub(path / "data" / "train-00001-of-00002.parquet", 1)
    write_hub(path / "data" / "validation-00000-of-00001.parquet", 1)
    write_hub(path / "data" / "test-00000-of-00001.parquet", 1)
    return path


def test_the_hubs_parquet_files_are_read_with_their_splits_and_the_names_of_their_labels(tmp_path: Path) -> None:
    got = read_path(write_hub_folder(tmp_path / "tints"), Form(20, colour=True))
    assert (got.name, got.classes) == ("tints", COLOURS)
    assert got.counts() == {"Training": 9, "PublicTest": 3, "PrivateTest": 3}
    np.testing.assert_array_equal(got.images[got.usages == TRAINING][:2], tinted(0, 2))
    assert got.images.mean(axis=(1, 2)).argmax(axis=1).tolist() == got.labels.tolist()


def test_labels_may_be_words_and_those_of_fer2013_come_in_its_order(tmp_path: Path) -> None:
    got = read_path(write_hub(tmp_path / "one.parquet", 1, ("b", "a", "c"), None))
    assert (got.classes, got.labels.tolist(), got.counts()) == (("a", "b", "c"), [1, 0, 2], {"Training": 3})
    names = ["Neutral", "Anger", "Happiness", "Sadness", "Surprise", "Fear", "Disgust"]
    got = read_path(write_hub(tmp_path / "emotions.parquet", 1, (0, 1, 2), names))
    assert got.classes == EMOTIONS
    assert [EMOTIONS[label] for label in got.labels] == ["neutral", "angry", "happy"]


def test_a_bad_row_is_named_and_left_out_of_an_audit(tmp_path: Path) -> None:
    folder = write_hub_folder(tmp_path / "tints")
    file = folder / "data" / "test-00000-of-00001.parquet"
    rows, schema = pq.read_table(file).to_pylist(), pq.read_schema(file)
    rows[1]["image"]["bytes"] = b"no image"
    pq.write_table(pa.Table.from_pylist(rows, schema), file)
    with pytest.raises(InputError, match=r"test-00000-of-00001\.parquet, row 2: not a readable image"):
        read_path(folder)
    unreadable: list[str] = []
    got = read_path(folder, unreadable=unreadable)
    assert len(got.labels) == 14
    assert len(unreadable) == 1


@pytest.mark.parametrize(
    ("labels", "columns", "complaint"),
    [
        ((0, 1, 3), None, "row 3: label 3, expected 0 to 2"),
        ((0, 1, None), None, "row 3: label None, expected 0 to 2"),
        ((0, 1, 2), ["image", "what"], r"has the columns image, what, expected .* and a label \(label,"),
    ],
)
def test_rows_without_a_class_are_refused(
    labels: Sequence[Any], columns: list[str] | None, complaint: str, tmp_path: Path
) -> None:
    file = write_hub(tmp_path / "one.parquet", 1, labels)
    if columns:
        pq.write_table(pq.read_table(file).rename_columns(columns), file)
    with pytest.raises(InputError, match=complaint):
        read_path(file)


def test_files_that_call_their_labels_otherwise_are_refused(tmp_path: Path) -> None:
    """Else red in one file would be green in the other."""
    folder = write_hub_folder(tmp_path / "tints")
    write_hub(folder / "data" / "test-00000-of-00001.parquet", 1, names=COLOURS[::-1])
    with pytest.raises(InputError, match=r"labels are called \['red', 'green', 'blue'\], those of test-00000"):
        read_path(folder)


def test_progress_is_told_of_every_kind_of_file(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    read_path(write_hub_folder(tmp_path / "tints"), progress=lambda done, total: told.append((done, total)))
    assert told[0] == (0, 15)


def write_votes(path: Path, faces: Dataset, votes: Sequence[Mapping[str, int]], names: bool = True) -> Path:
    columns = (*EMOTION_COLUMNS, *OTHER_COLUMNS)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Usage", "Image name", *columns])
        for row, (usage, one) in enumerate(zip(faces.usages, votes, strict=True)):
            name = f"fer{row:07}.png" if names else ""
            writer.writerow([USAGES[usage], name, *(one.get(column, 0) for column in columns)])
    return path


VOTES: list[tuple[dict[str, int], str | None]] = [
    ({"anger": 6, "neutral": 4}, "angry"),
    ({"contempt": 7, "happiness": 2}, "contempt"),
    ({"neutral": 5, "sadness": 5}, None),  # half of them is no majority
    ({"neutral": 4, "sadness": 3, "anger": 1, "fear": 1, "disgust": 1}, "neutral"),  # single votes do not count
    ({"NF": 9, "neutral": 1}, None),
    ({"unknown": 6, "neutral": 4}, None),
    ({"surprise": 1, "fear": 1}, None),  # none that counts
    ({"surprise": 10}, "surprise"),
]


@pytest.fixture
def labelled(faces: Dataset, tmp_path: Path) -> tuple[Path, Dataset]:
    """Eight faces as FER2013's CSV."""
    few = Dataset("fer2013", faces.images[:8], faces.labels[:8], np.array([0, 0, 0, 0, 1, 1, 2, 2], np.uint8))
    return write_csv(tmp_path / "fer2013.csv", few), few


def test_what_most_of_ferplus_voters_saw_is_the_label(labelled: tuple[Path, Dataset], tmp_path: Path) -> None:
    path, few = labelled
    votes = write_votes(tmp_path / "fer2013new.csv", few, [votes for votes, _ in VOTES])
    got = read(find_source(str(path), str(votes)), PAPERS)
    kept = [row for row, (_, label) in enumerate(VOTES) if label is not None]
    assert (got.name, got.classes) == ("ferplus", CLASSES)
    assert [CLASSES[label] for label in got.labels] == [label for _, label in VOTES if label]
    np.testing.assert_array_equal(got.images, few.images[kept])
    assert got.usages.tolist() == few.usages[kept].tolist()
    shares = [dict(zip(CLASSES, row, strict=True)) for row in got.distributions]
    assert [{name: round(float(share), 3) for name, share in row.items() if share} for row in shares] == [
        {"angry": 0.6, "neutral": 0.4},
        {"happy": 0.222, "contempt": 0.778},
        {"sad": 0.429, "neutral": 0.571},  # its single votes are not counted
        {"surprise": 1.0},
    ]
    unnamed = write_votes(tmp_path / "unnamed.csv", few, [votes for votes, _ in VOTES], names=False)
    assert not len(read(find_source(str(path), str(unnamed)), PAPERS).labels)


def test_votes_of_other_rows_are_refused(labelled: tuple[Path, Dataset], tmp_path: Path) -> None:
    path, few = labelled
    votes = [votes for votes, _ in VOTES]
    turned = replace(few, usages=few.usages[::-1])
    short = Dataset("short", few.images[:7], few.labels[:7], few.usages[:7])
    for wrong, complaint in (
        (write_votes(tmp_path / "turned.csv", turned, votes), "row 1: another usage than that row of fer2013"),
        (write_votes(tmp_path / "short.csv", short, votes[:7]), "7 rows of votes for 8 images"),
        (path, "no column 'Image name'"),
    ):
        with pytest.raises(InputError, match=complaint):
            read(find_source(str(path), str(wrong)), PAPERS)
    with pytest.raises(InputError, match="are for FER2013 as one CSV or parquet file, --data is synthetic"):
        find_source("synthetic", str(path))
    with pytest.raises(InputError, match="no such file"):
        find_source(str(path), str(tmp_path / "nothing.csv"))


def test_an_audit_speaks_of_the_classes_that_there_are(tmp_path: Path) -> None:
    got = read_path(write_classes(tmp_path / "c", COLOURS, {"train": 5}))
    got.images[0] = got.images[6]
    got.images[1] = (0, 0, 255)
    found = audit(got)
    assert found.counts["Training"] == {"blue": 5, "green": 5, "red": 5}
    assert (found.form, len(found.groups), len(found.contradicting), found.constant) == (
        "16 x 16 in colour",
        1,
        1,
        [1],
    )
    text = audit_text(found)
    assert "FER2013" not in text
    assert text.splitlines()[2].split() == ["blue", "green", "red", "all"]
    assert contact_sheet(got, found).mode == "RGB"
    many = Dataset("many", got.images, np.arange(15, dtype=np.uint8), got.usages, tuple(f"c{n}" for n in range(15)))
    assert audit_text(audit(many)).splitlines()[3].split() == ["c0", "1"]


def test_one_data_set_is_kept_in_every_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_STUDY_CACHE", str(tmp_path / "cache"))
    folder = write_classes(tmp_path / "c", COLOURS, {"train": 2})
    forms = [Form(20, colour=True), Form(20), Form(16)]
    first = [read_path(folder, form) for form in forms]
    second = [read_path(folder, form) for form in forms]
    assert len(list((tmp_path / "cache").iterdir())) == 3
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.images, other.images)
        assert one.classes == other.classes == ("blue", "green", "red")


def test_fer2013_in_another_form_is_itself_brought_there(faces: Dataset, tmp_path: Path) -> None:
    few = Dataset("few", faces.images[:40], np.arange(40, dtype=np.uint8) % 7, np.repeat([0, 1], 20).astype(np.uint8))
    usages = np.where(few.usages == PUBLIC_TEST, PRIVATE_TEST, TRAINING).astype(np.uint8)
    folder = write_folder(tmp_path / "folder", Dataset("few", few.images, few.labels, usages))
    in_rows, in_files = read_path(write_csv(tmp_path / "a.csv", few)), read_path(folder)
    order = np.lexsort((np.arange(40), few.labels, -usages.astype(int)))  # the reader takes test before train
    np.testing.assert_array_equal(in_rows.images[order], in_files.images)
    assert np.count_nonzero(in_files.usages == TEST) == 20


@pytest.mark.parametrize("kind", ["folder", "splits", "hub", "hub file", "arrays", "fer2013", "drawn faces"])
def test_what_there_is_is_known_without_decoding_an_image(kind: str, tmp_path: Path, faces: Dataset) -> None:
    splits = {"train": 3, "test": 2, "val": 1} if kind == "splits" else {"": 4}
    write: dict[str, Callable[[], Path | str]] = {
        "folder": lambda: write_classes(tmp_path / "tints", COLOURS, splits),
        "splits": lambda: write_classes(tmp_path / "tints", COLOURS, splits),
        "hub": lambda: write_hub_folder(tmp_path / "tints"),
        "hub file": lambda: write_hub(tmp_path / "tints.parquet", 2, ("b", "a", "c"), None),
        "arrays": lambda: write_arrays(tmp_path / "tints.npz", {"train": 4, "val": 2, "test": 3}),
        "fer2013": lambda: write_parquet(tmp_path / "fer2013.parquet", faces),
        "drawn faces": lambda: "synthetic",
    }
    source = find_source(str(write[kind]()))
    listing, dataset = list_images(source), read(source, SMALL)
    assert listing is not None
    assert (listing.name, listing.classes) == (dataset.name, dataset.classes)
    np.testing.assert_array_equal(listing.labels, dataset.labels)
    np.testing.assert_array_equal(listing.usages, dataset.usages)


def test_of_a_csv_it_takes_longer_and_of_nothing_there_is_nothing(tmp_path: Path, faces: Dataset) -> None:
    assert list_images(find_source(str(write_csv(tmp_path / "fer2013.csv", faces)))) is None
    with pytest.raises(InputError, match="no folder 'train' or 'test' in it"):
        list_images(find_source(str(tmp_path)))


def test_votes_are_counted_without_an_image(labelled: tuple[Path, Dataset], tmp_path: Path) -> None:
    _, few = labelled
    votes = write_votes(tmp_path / "votes.csv", few, [votes for votes, _ in VOTES])
    source = find_source(str(write_parquet(tmp_path / "fer2013.parquet", few)), str(votes))
    listing, dataset = list_images(source), read(source)
    assert listing is not None
    assert (listing.name, listing.classes) == (dataset.name, dataset.classes) == ("ferplus", CLASSES)
    np.testing.assert_array_equal(listing.labels, dataset.labels)
    np.testing.assert_array_equal(listing.usages, dataset.usages)
