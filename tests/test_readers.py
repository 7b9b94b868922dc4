"""Every form of the data gives the same images, and what is wrong in a file is named."""

import csv
import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from fer_core.data.dataset import EMOTIONS, PRIVATE_TEST, PUBLIC_TEST, TEST, TRAINING, USAGES, Dataset
from fer_core.data.folder_reader import read_folder
from fer_core.data.protocols import split
from fer_core.data.sources import Source, find_source, read
from fer_core.data.synthetic import synthetic_faces
from fer_core.errors import InputError
from fer_core.form import PAPERS

PIXELS = 48 * 48


@pytest.fixture(scope="module")
def few() -> Dataset:
    """Every class in every usage."""
    return synthetic_faces({TRAINING: 14, PUBLIC_TEST: 7, PRIVATE_TEST: 7})


def write_csv(
    path: Path, faces: Dataset, columns: tuple[str, ...] = ("emotion", "pixels", "Usage"), end: str = "\n"
) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator=end)
        writer.writerow(columns)
        for image, label, usage in zip(faces.images, faces.labels, faces.usages, strict=True):
            cells = {"emotion": label, "pixels": " ".join(map(str, image.ravel())), "Usage": USAGES[usage]}
            writer.writerow([cells[column.strip()] for column in columns])
    return path


def write_folder(path: Path, faces: Dataset, suffix: str = "png") -> Path:
    for row, (image, label, usage) in enumerate(zip(faces.images, faces.labels, faces.usages, strict=True)):
        part = path / ("train" if usage == TRAINING else "test") / EMOTIONS[label]
        part.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(part / f"{USAGES[usage]}_{row:05}.{suffix}")
    return path


def write_parquet(path: Path, faces: Dataset) -> Path:
    columns = {
        "usage": pa.array([USAGES[usage] for usage in faces.usages]),
        "emotion": pa.array(faces.labels.astype(np.int8)),
        "pixels": pa.array([image.tobytes() for image in faces.images]),
    }
    pq.write_table(pa.table(columns), path)
    return path


def read_path(path: Path) -> Dataset:
    return read(find_source(str(path)))


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("fer2013.csv", write_csv),
        ("icml_face_data.csv", lambda p, f: write_csv(p, f, ("emotion", " Usage", " pixels"))),
        ("windows.csv", lambda p, f: write_csv(p, f, end="\r\n")),
        ("archive", write_folder),
        ("fer2013.parquet", write_parquet),
    ],
)
def test_every_form_holds_the_same_images(
    name: str, write: Callable[[Path, Dataset], Path], few: Dataset, tmp_path: Path
) -> None:
    got = read_path(write(tmp_path / name, few))
    assert got.fingerprint() == few.fingerprint()
    assert got.counts() == few.counts()


def test_the_fingerprint_does_not_depend_on_the_order_of_rows(few: Dataset, random: np.random.Generator) -> None:
    order = random.permutation(len(few.labels))
    shuffled = Dataset("other", few.images[order], few.labels[order], few.usages[order])
    assert shuffled.fingerprint() == few.fingerprint()


@pytest.mark.parametrize("part", ["images", "labels", "usages"])
def test_the_fingerprint_changes_with_any_image_label_or_usage(part: str, few: Dataset) -> None:
    arrays = {"images": few.images.copy(), "labels": few.labels.copy(), "usages": few.usages.copy()}
    arrays[part].flat[0] = (arrays[part].flat[0] + 1) % 3
    assert Dataset("other", **arrays).fingerprint() != few.fingerprint()


def replace_cell(text: str, row: int, column: int, value: str) -> str:
    lines = text.splitlines()
    cells = lines[row].split(",")
    cells[column] = value
    lines[row] = ",".join(cells)
    return "\n".join(lines) + "\n"


def pixels(count: int = PIXELS, last: str = "0") -> str:
    return " ".join(["7"] * (count - 1) + [last])


@pytest.mark.parametrize(
    ("column", "value", "complaint"),
    [
        (1, pixels(2303), "row 3: 2,303 pixel values, expected 2,304"),
        (1, pixels(2305), "row 3: 2,305 pixel values, expected 2,304"),
        (1, "", "row 3: 0 pixel values"),
        (1, pixels(last="256"), "row 3: pixel value '256'"),
        (1, pixels(last="-1"), "row 3: pixel value '-1'"),
        (1, pixels(last="nan"), "row 3: pixel value 'nan'"),
        (1, pixels(last="12.5"), "row 3: pixel value '12.5'"),
        (1, pixels(last="1234"), "row 3: pixel value '1234'"),
        (0, "7", "row 3: emotion is '7', expected 0 to 6"),
        (0, "happy", "row 3: emotion is 'happy', expected 0 to 6"),
        (2, "Validation", "row 3: Usage is 'Validation', expected Training, PublicTest or PrivateTest"),
    ],
)
def test_a_wrong_cell_is_named_with_its_row(
    column: int, value: str, complaint: str, few: Dataset, tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "fer2013.csv", few)
    path.write_text(replace_cell(path.read_text(), 3, column, value))
    with pytest.raises(InputError) as raised:
        read_path(path)
    assert str(path) in str(raised.value)
    assert complaint in str(raised.value)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "the file is empty"),
        ("emotion,pixels,Usage\n", "a header and no rows"),
        ("emotion,Usage\n0,Training\n", "no column 'pixels'"),
        ("<!DOCTYPE html>\n<html></html>\n", "no column 'emotion'"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "no column 'emotion'"),
    ],
)
def test_a_file_that_is_no_fer2013_is_refused(content: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "fer2013.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=complaint):
        read_path(path)


def write_gzip(path: Path, text: bytes) -> None:
    path.write_bytes(gzip.compress(text))


def write_zip(path: Path, *texts: bytes, folder: str = "", name: str = "fer2013") -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", "not the CSV")
        for number, text in enumerate(texts):
            archive.writestr(f"{folder}{name}{number or ''}.csv", text)


def write_tar(path: Path, text: bytes, folder: str = "fer2013/") -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in ((f"{folder}README", b"not the CSV"), (f"{folder}fer2013.csv", text)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize(
    ("name", "write"),
    [("fer2013.csv.gz", write_gzip), ("fer2013.zip", write_zip), ("fer2013.tar.gz", write_tar), ("data", write_tar)],
)
def test_a_packed_csv_is_found_by_its_content(name: str, write: Callable, few: Dataset, tmp_path: Path) -> None:
    write(tmp_path / name, write_csv(tmp_path / "plain.csv", few).read_bytes())
    got = read_path(tmp_path / name)
    assert got.fingerprint() == few.fingerprint()
    assert got.name == "fer2013"


@pytest.mark.parametrize("write", [write_gzip, write_zip, write_tar])
def test_an_archive_cut_anywhere_is_refused(write: Callable, few: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "fer2013.archive"
    write(path, write_csv(tmp_path / "plain.csv", few).read_bytes())
    whole = path.read_bytes()
    for kept in (3, 20, len(whole) // 2, len(whole) - 9):
        path.write_bytes(whole[:kept])
        with pytest.raises(InputError, match=r"fer2013\.archive"):
            read_path(path)


def test_an_archive_must_hold_one_csv_and_no_path_out_of_it(few: Dataset, tmp_path: Path) -> None:
    text = write_csv(tmp_path / "plain.csv", few).read_bytes()
    path = tmp_path / "fer2013.zip"
    write_zip(path, text, text)
    with pytest.raises(InputError, match=r"holds 2 CSVs \(fer2013\.csv, fer20131\.csv\)"):
        read_path(path)
    write_zip(path)
    with pytest.raises(InputError, match="holds no CSV"):
        read_path(path)
    write_zip(path, text, folder="../")
    with pytest.raises(InputError, match="leads out of the archive"):
        read_path(path)
    write_tar(path, text, folder="/etc/")
    with pytest.raises(InputError, match="leads out of the archive"):
        read_path(path)


def test_a_csv_without_usage_is_all_training(few: Dataset, tmp_path: Path) -> None:
    got = read_path(write_csv(tmp_path / "train.csv", few, ("emotion", "pixels")))
    assert set(got.usages) == {TRAINING}
    assert (got.images == few.images).all()


def test_a_byte_order_mark_does_no_harm(few: Dataset, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "fer2013.csv", few)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_path(path).fingerprint() == few.fingerprint()


def test_class_folders_go_by_their_usual_names(few: Dataset, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "faces", few)
    for part in ("train", "test"):
        names = {"happy": "HAPPY", "disgust": "disgusted", "angry": "0 angry", "surprise": "Surprised"}
        for old, new in names.items():
            (folder / part / old).rename(folder / part / new)
    assert read_path(folder).fingerprint() == few.fingerprint()


def test_colour_images_of_any_size_become_grey_48_by_48(few: Dataset, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "faces", few)
    large = Image.new("RGB", (100, 80), (200, 30, 30))
    large.save(folder / "train" / "happy" / "a.jpg")
    got = read_folder(folder, None, PAPERS)
    assert got.images.shape == (len(few.labels) + 1, 48, 48)
    assert got.images[got.labels == EMOTIONS.index("happy")][-1].std() < 20


def test_test_images_without_marks_belong_to_no_half(few: Dataset, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "faces", few)
    for path in [*folder.glob("test/*/*.png")]:
        path.rename(path.with_name(path.name.partition("_")[2]))
    assert set(read_path(folder).usages) == {TRAINING, TEST}


def test_a_validation_folder_is_the_public_half(few: Dataset, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "faces", few)
    write = few.usages == PUBLIC_TEST
    for path in [*folder.glob("test/*/PublicTest*")]:
        new = folder / "validation" / path.parent.name
        new.mkdir(parents=True, exist_ok=True)
        path.rename(new / path.name)
    got = read_path(folder)
    assert got.fingerprint() == few.fingerprint()
    assert np.count_nonzero(got.usages == PUBLIC_TEST) == np.count_nonzero(write)


def test_a_folder_with_an_unknown_class_is_refused(few: Dataset, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "faces", few)
    (folder / "train" / "contempt").mkdir()
    with pytest.raises(InputError, match=r"contempt: unknown class"):
        read_path(folder)


def test_a_class_without_images_is_refused(few: Dataset, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "faces", few)
    for path in [*(folder / "test" / "fear").iterdir()]:
        path.unlink()
    with pytest.raises(InputError, match="no images of the class 'fear'"):
        read_path(folder)


def jpeg(size: int = 48) -> bytes:
    file = io.BytesIO()
    Image.new("L", (size, size), 90).save(file, "jpeg")
    return file.getvalue()


def animation() -> bytes:
    file = io.BytesIO()
    frames = [Image.new("L", (48, 48), grey) for grey in (10, 200)]
    frames[0].save(file, "png", save_all=True, append_images=frames[1:])
    return file.getvalue()


def png_of_16_bits(channels: int) -> bytes:
    """As no library here writes it in colour."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 48, 48, 16, {1: 0, 3: 2}[channels], 0, 0, 0)
    rows = (b"\0" + bytes(48 * channels * 2)) * 48
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    )


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not a readable image"),
        (b"no image", "not a readable image"),
        (b"\xff\xd8\xff\xe0", "not a readable image"),
        (jpeg()[: len(jpeg()) // 2], "not a readable image"),
        (animation(), "an animation of 2 frames, expected a single image"),
        (png_of_16_bits(1), "16 bits a channel, expected 8"),
        (png_of_16_bits(3), "16 bits a channel, expected 8"),
    ],
)
def test_a_bad_image_is_named(content: bytes, complaint: str, few: Dataset, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "faces", few, suffix="jpg")
    bad = folder / "train" / "sad" / "zz.jpg"
    bad.write_bytes(content)
    with pytest.raises(InputError, match=complaint) as raised:
        read_path(folder)
    assert str(bad) in str(raised.value)
    unreadable: list[str] = []
    rest = read(find_source(str(folder)), unreadable=unreadable)
    assert len(unreadable) == 1
    assert complaint in unreadable[0]
    assert len(rest.labels) == len(few.labels)


def test_a_link_that_leads_nowhere_is_named(few: Dataset, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "faces", few)
    (folder / "train" / "sad" / "zz.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(InputError, match=r"zz\.png: not a readable image \(No such file"):
        read_path(folder)


def test_what_systems_leave_among_the_images_is_ignored(few: Dataset, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "faces", few)
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._happy_1.png"):
        (folder / "train" / "happy" / name).write_bytes(b"not an image")
    (folder / "test" / ".ipynb_checkpoints").mkdir()
    assert read_path(folder).fingerprint() == few.fingerprint()


def test_any_other_file_among_the_images_is_refused(few: Dataset, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "faces", few)
    (folder / "train" / "happy" / "labels.txt").write_text("1")
    with pytest.raises(InputError, match=r"labels\.txt: among the images, but not named as PNG, JPEG, TIFF or BMP"):
        read_path(folder)


def test_a_folder_without_training_images_is_for_tests_alone(few: Dataset, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "faces", few)
    (folder / "train").rename(folder / "elsewhere")
    found = read_path(folder)
    assert TRAINING not in found.usages
    with pytest.raises(InputError, match="faces: the protocol challenge finds no training images"):
        split(found, "challenge")
    (folder / "test").rename(folder / "nowhere")
    with pytest.raises(InputError, match="no folder 'train' or 'test'"):
        read_path(folder)


@pytest.mark.parametrize("kept", [0.3, 0.5, 0.9])
def test_a_csv_cut_off_in_the_middle_is_refused(kept: float, few: Dataset, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "fer2013.csv", few)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    row = path.read_bytes().count(b"\n")
    with pytest.raises(InputError, match=rf"fer2013\.csv, row {row}:"):
        read_path(path)


def test_a_damaged_parquet_file_is_refused(few: Dataset, tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "fer2013.parquet", few)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="not FER2013 as parquet"):
        read_path(path)


def test_data_is_looked_for_in_the_order_that_the_help_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FER2013", raising=False)
    assert find_source(None) == Source(None, "no --data, no variable FER2013, no data/fer2013*")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "fer2013.csv").touch()
    assert find_source(None).path == tmp_path / "data" / "fer2013.csv"
    (tmp_path / "elsewhere.csv").touch()
    monkeypatch.setenv("FER2013", str(tmp_path / "elsewhere.csv"))
    assert find_source(None).path == tmp_path / "elsewhere.csv"
    assert find_source("synthetic").path is None
    with pytest.raises(InputError, match="no such file or folder"):
        find_source("nowhere.csv")
