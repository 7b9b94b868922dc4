"""A study whose folder lies on an object store: the S3 of a real server on this machine."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_core.errors import InputError
from study.records.find_place import find_place
from study.records.object_store import ObjectStore, below
from study.records.parquet import read_table
from study.records.place import Place
from study.records.store_place import RECORDS, StorePlace
from study.records.tables import Tables
from tests.conftest import Finished, FinishedStudy, run_module
from tests.made import make_study
from tests.test_faults import driver, same_as
from tests.test_tables import epoch, row


@dataclass(frozen=True)
class Moved:
    """A study that was killed on one machine and ended on another. `refused`: a second driver beside the first."""

    uri: str
    refused: Finished
    ended: Finished


@pytest.fixture(scope="module")
def moved(bucket: str, tmp_path_factory: pytest.TempPathFactory) -> Moved:
    uri = below(bucket, "deep/se")
    here, there = (str(tmp_path_factory.mktemp(name)) for name in ("here", "there"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FER_STUDY_CACHE", here)
        folder = StorePlace(uri).for_driver().folder
    with driver(folder, out=uri, FER_STUDY_CACHE=here) as study:
        study.until(lambda: study.epochs() >= 5)
        refused = run_module("study.run", "--resume", "--out", uri, FER_STUDY_CACHE=there)
        study.kill()
    return Moved(uri, refused, run_module("study.run", "--resume", "--out", uri, FER_STUDY_CACHE=there))


def objects(uri: str) -> list[str]:
    """Of everything in the folder, the path below it."""
    from pyarrow import fs

    store = ObjectStore(uri)
    infos = store.file_system.get_file_info(fs.FileSelector(store.root, recursive=True))
    return sorted(info.path.removeprefix(f"{store.root}/") for info in infos if info.is_file)


@pytest.mark.faults
def test_a_study_on_an_object_store_goes_on_elsewhere_as_if_nothing_had_happened(
    moved: Moved, finished_study: FinishedStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert moved.ended.status == 0, moved.ended.err
    assert moved.ended.out.splitlines()[-1] == f"results: {moved.uri}"
    monkeypatch.setenv("FER_STUDY_CACHE", str(tmp_path))
    same_as(find_place(moved.uri).folder, finished_study.folder)


@pytest.mark.faults
def test_nothing_but_records_and_the_winners_networks_stays_there(moved: Moved) -> None:
    tables = ["epochs.parquet", "optuna.log", "pending.jsonl", "predictions.parquet", "study.json", "trials.parquet"]
    found = objects(moved.uri)
    networks = [path for path in found if path.startswith("models/")]
    assert len(networks) == 3
    assert [path for path in found if path not in networks] == tables


@pytest.mark.faults
def test_a_second_driver_is_refused_and_told_who_holds_the_study(moved: Moved) -> None:
    assert moved.refused.status == 2
    assert "another driver runs this study (process " in moved.refused.err
    assert "heard of " in moved.refused.err


@pytest.mark.faults
def test_its_report_and_its_networks_are_read_from_there(moved: Moved, tmp_path: Path) -> None:
    report = run_module("study.report", moved.uri, "--out", tmp_path / "report", FER_STUDY_CACHE=str(tmp_path))
    assert report.status == 0, report.err
    assert (tmp_path / "report" / "index.html").exists()
    export = ("study.export", moved.uri, "--arm", "block", "--out", tmp_path / "export")
    assert run_module(*export, FER_STUDY_CACHE=str(tmp_path)).status == 0
    assert (tmp_path / "export.keras").exists()


@pytest.mark.faults
def test_it_is_tested_on_other_data_later_with_the_networks_that_are_there(moved: Moved, tmp_path: Path) -> None:
    faces = np.random.default_rng(3).integers(0, 256, (2, 10, 48, 48), np.uint8)
    for name, images in zip(("happy", "sad"), faces, strict=True):
        folder = tmp_path / "wild" / "test" / name
        folder.mkdir(parents=True)
        for number, image in enumerate(images):
            Image.fromarray(image).save(folder / f"{number}.png")
    (tmp_path / "wild" / "classes.txt").write_text("happy\nsad")
    given = ("--resume", "--out", moved.uri, "--also-test", tmp_path / "wild")
    ended = run_module("study.run", *given, FER_STUDY_CACHE=str(tmp_path / "cache"))
    assert ended.status == 0, ended.err
    assert ended.out.count("  tested on wild, too\n") == 8
    assert "3 networks that were kept, 5 that are trained again" in ended.out
    found = objects(moved.uri)
    assert "elsewhere.parquet" in found
    assert sum(path.startswith("models/") for path in found) == 3
    assert not [path for path in found if path.startswith("checkpoints/")]


def test_a_file_uri_names_a_folder_on_a_disk(tmp_path: Path) -> None:
    place = find_place(f"file://{tmp_path}/study")
    assert (type(place), place.folder) == (Place, tmp_path / "study")


@pytest.mark.parametrize("uri", ["nonsense://bucket/study", "s3://", "gs//x://"])
def test_a_place_that_does_not_exist_is_an_error(uri: str) -> None:
    with pytest.raises(InputError, match=f"{uri}: "):
        find_place(uri)


def test_a_store_that_does_not_answer_is_an_error(bucket: str) -> None:
    with pytest.raises(InputError, match=r"s3://nothing/study.*cannot be read"):
        find_place("s3://nothing/study?endpoint_override=127.0.0.1:1&scheme=http")


def test_a_bucket_that_does_not_exist_is_an_error(bucket: str) -> None:
    place = find_place(below(bucket.replace("s3://studies", "s3://misspelt"), "se").partition("&allow")[0])
    with pytest.raises(InputError, match=r"--out s3://misspelt/se.*: cannot be written"), place.leased():
        pass


class Failing(ObjectStore):
    """Takes so many objects, and then none."""

    left = 0

    def put(self, content: bytes, name: str) -> None:
        if not self.left:
            raise OSError("the store has gone")
        self.left -= 1
        super().put(content, name)


@pytest.mark.parametrize("sent", range(1, 5))
def test_a_trial_is_never_there_without_its_answers_and_epochs(
    sent: int, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many of the records a driver had sent when it was killed."""
    monkeypatch.setenv("FER_STUDY_CACHE", str(tmp_path / "cache"))
    uri = below(bucket, f"killed-{sent}")
    place, store = StorePlace(uri), Failing(uri)
    make_study(place.folder, {"none": 0.4}, elsewhere={"wild": 20})
    store.left = sent
    place.store = store
    with pytest.raises(OSError, match="the store has gone"):
        place.send()
    known = set(objects(uri))
    assert len(known) == sent
    if "trials.parquet" in known:
        assert {"predictions.parquet", "elsewhere.parquet", "epochs.parquet"} <= known


class Disturbed(ObjectStore):
    """Before one of the objects is read, a driver moves its pending rows and sends what it has."""

    moment, driver = 0, staticmethod(lambda: None)

    def read(self, name: str) -> bytes | None:
        self.moment -= 1
        if self.moment == 0:
            self.driver()
        return super().read(name)


@pytest.mark.parametrize("moment", range(1, len(RECORDS) + 1))
def test_who_looks_while_a_driver_sends_misses_nothing(
    moment: int, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_STUDY_CACHE", str(tmp_path / "cache"))
    uri = below(bucket, f"seen-{moment}")
    driven, seen = StorePlace(uri).for_driver(), StorePlace(uri)
    driven.fetch()
    tables, store = Tables(driven.folder), Disturbed(uri)
    tables.add_trial(row("first"))
    tables.add_trial(row("second"))
    driven.send()

    def drive() -> None:
        tables.write()
        driven.send()

    store.moment, store.driver, seen.store = moment, drive, store
    seen.fetch()
    assert set(read_table(seen.folder, "trials")["trial"]) == {"first", "second"}
    tables.close()


def test_who_looks_leaves_the_drivers_copy_alone(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the driver's own machine: the driver has written what it is yet to send."""
    monkeypatch.setenv("FER_STUDY_CACHE", str(tmp_path / "cache"))
    uri = below(bucket, "looked-at")
    driven = StorePlace(uri).for_driver()
    driven.fetch()
    tables = Tables(driven.folder)
    driven.send()
    tables.add_epoch({"trial": "first", **epoch(1)})
    assert read_table(find_place(uri).folder, "epochs").empty
    assert len(read_table(driven.folder, "epochs")) == 1
    tables.close()


def test_what_another_driver_has_sent_last_is_what_a_driver_goes_on_with(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended between the first look of this one and its lease, as while the images are read."""
    uri = below(bucket, "handed-over")

    def driver_of(cache: str) -> Place:
        monkeypatch.setenv("FER_STUDY_CACHE", str(tmp_path / cache))
        return StorePlace(uri).for_driver()

    first, second = driver_of("first"), driver_of("second")
    second.fetch()
    with first.leased():
        tables = Tables(first.folder)
        tables.add_trial(row("first"))
        tables.close()
        first.send()
    with second.leased():
        assert list(read_table(second.folder, "trials")["trial"]) == ["first"]


def test_on_a_disk_nothing_is_sent(tmp_path: Path) -> None:
    place = find_place(str(tmp_path))
    assert type(place) is Place
    place.send()
    assert list(tmp_path.iterdir()) == []
