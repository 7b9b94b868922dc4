"""The decoded images on disk: the same as read anew, whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_core.data.cache import MOST_ENTRIES, VARIABLE, cached
from fer_core.data.dataset import PRIVATE_TEST, PUBLIC_TEST, TRAINING, Dataset
from fer_core.data.sources import find_source, read
from fer_core.data.synthetic import synthetic_faces
from fer_core.errors import InputError
from fer_core.form import PAPERS
from tests.test_readers import write_csv, write_folder


@pytest.fixture(scope="module")
def few() -> Dataset:
    return synthetic_faces({TRAINING: 14, PUBLIC_TEST: 7, PRIVATE_TEST: 7})


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def never() -> Dataset:
    raise AssertionError("decoded although it stands in the cache")


@pytest.mark.parametrize("write", [write_csv, write_folder])
def test_the_second_start_decodes_nothing(write, few: Dataset, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = write(tmp_path / "faces", few)
    first = read(find_source(str(path)))
    second = cached(path, PAPERS, never)
    assert second.name == first.name
    for part in ("images", "labels", "usages"):
        np.testing.assert_array_equal(getattr(second, part), getattr(first, part))


def test_a_changed_file_is_read_anew(few: Dataset, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "faces.csv", few)
    before = read(find_source(str(path)))
    times = path.stat()
    path.write_text(path.read_text().replace("Training", "PublicTest", 1))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert read(find_source(str(path))).fingerprint() != before.fingerprint()


def test_a_changed_image_in_a_folder_is_seen_though_size_and_time_are_kept(few: Dataset, tmp_path: Path) -> None:
    path = write_folder(tmp_path / "faces", few)
    image = next(path.glob("train/happy/*"))
    Image.new("L", (48, 48), 10).save(image)
    before, times = read(find_source(str(path))), image.stat()
    Image.new("L", (48, 48), 11).save(image)
    os.utime(image, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert image.stat().st_size == times.st_size
    assert read(find_source(str(path))).fingerprint() != before.fingerprint()


@pytest.mark.parametrize("keep", [0.0, 0.01, 0.5, 0.999])
def test_a_damaged_entry_is_as_good_as_none(keep: float, few: Dataset, cache: Path, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "faces.csv", few)
    read(find_source(str(path)))
    (entry,) = cache.iterdir()
    whole = entry.read_bytes()
    entry.write_bytes(whole[: int(keep * len(whole))])
    assert read(find_source(str(path))).fingerprint() == few.fingerprint()
    assert cached(path, PAPERS, never).fingerprint() == few.fingerprint()


def test_a_flipped_bit_is_noticed(few: Dataset, cache: Path, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "faces.csv", few)
    read(find_source(str(path)))
    (entry,) = cache.iterdir()
    content = bytearray(entry.read_bytes())
    content[len(content) // 2] ^= 1  # amid the images
    entry.write_bytes(content)
    assert read(find_source(str(path))).fingerprint() == few.fingerprint()


def test_processes_that_make_an_entry_at_once_do_no_harm(few: Dataset, cache: Path, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "faces.csv", few)
    code = "import sys; from fer_core.data.sources import find_source, read; "
    code += "print(read(find_source(sys.argv[1])).fingerprint())"
    command = [sys.executable, "-c", code, str(path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert {process.communicate()[0].strip() for process in running} == {few.fingerprint()}
    assert [entry.suffix for entry in cache.iterdir()] == [".npz"]


def test_wrong_input_leaves_nothing_in_the_cache(cache: Path, tmp_path: Path) -> None:
    path = tmp_path / "faces.csv"
    path.write_text("emotion,pixels\n0,1 2 3\n")
    with pytest.raises(InputError, match="row 1: 3 pixel values"):
        read(find_source(str(path)))
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_does_no_harm(few: Dataset, cache: Path, tmp_path: Path) -> None:
    cache.write_text("a file where the folder should be")
    assert read(find_source(str(write_csv(tmp_path / "faces.csv", few)))).fingerprint() == few.fingerprint()


def test_an_empty_variable_turns_it_off(few: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    read(find_source(str(write_csv(tmp_path / "faces.csv", few))))
    assert not (tmp_path / "home").exists()


def test_the_cache_does_not_grow_for_ever(few: Dataset, cache: Path, tmp_path: Path) -> None:
    for number in range(MOST_ENTRIES + 3):
        read(find_source(str(write_csv(tmp_path / f"faces{number}.csv", few))))
    assert len(list(cache.iterdir())) == MOST_ENTRIES
