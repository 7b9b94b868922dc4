"""What a driver leaves that died in the middle of a write, at any byte of it."""

import json
import shutil
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from study.records.mending import mend
from study.records.schemas import PENDING
from study.records.tables import Tables
from tests.driven import KilledError, content, journal, plan, run, trials

SMALL = {"trials": 3, "epochs": 3, "seeds": 1}


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose driver was killed among its last trials."""
    folder = tmp_path_factory.mktemp("killed")
    with pytest.raises(KilledError):
        run(plan(**SMALL), folder, steps=25)
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    run(plan(**SMALL), folder)
    return folder


def cut(folder: Path, to: Path, name: str, size: int) -> Path:
    """A copy of `folder` in which the file `name` ends after `size` bytes."""
    shutil.copytree(folder, to, dirs_exist_ok=True)
    (to / name).write_bytes((folder / name).read_bytes()[:size])
    return to


def test_a_journal_cut_at_any_byte_of_its_last_lines_can_be_read_and_written(killed: Path, tmp_path: Path) -> None:
    lines = (killed / "optuna.log").read_bytes().splitlines(keepends=True)
    size, kept = sum(map(len, lines)), sum(map(len, lines[:-3]))
    for end in range(kept, size):
        copy = tmp_path / "cut"
        copy.mkdir(exist_ok=True)
        (copy / "optuna.log").write_bytes(b"".join(lines)[:end])
        said = mend(copy)
        whole_lines = (copy / "optuna.log").read_bytes()
        assert whole_lines.endswith(b"\n")
        dropped = end - len(whole_lines)
        assert said == ([f"optuna.log: its last line was cut off; {dropped} bytes dropped."] if dropped else [])
        storage = JournalStorage(JournalFileBackend(str(copy / "optuna.log")))
        optuna.create_study(storage=storage, study_name="another")  # appends, and reads all of it back
        assert set(journal(copy)) == {"none", "block", "conv", "another"}


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.8, 0.95, 0.999])
def test_a_study_whose_journal_lost_its_end_comes_to_the_same_end(
    share: float, killed: Path, whole: Path, tmp_path: Path
) -> None:
    """The tables come first: what the journal lacks is told to it again."""
    size = (killed / "optuna.log").stat().st_size
    folder = cut(killed, tmp_path / "cut", "optuna.log", int(share * size))
    mend(folder)
    run(plan(**SMALL), folder, order=1)
    assert content(trials(folder)) == content(trials(whole))


def test_pending_rows_cut_at_any_byte_keep_their_whole_lines(tmp_path: Path) -> None:
    lines = [json.dumps(["epochs", {"trial": "a", "epoch": n, "val_loss": 0.5}]) + "\n" for n in (1, 2)]
    for end in range(len(lines[0]), len("".join(lines))):
        folder = tmp_path / str(end)
        folder.mkdir()
        (folder / PENDING).write_text("".join(lines)[:end])
        said = mend(folder)
        assert len(said) == (end > len(lines[0]))
        tables = Tables(folder)
        assert len(tables.all_epochs()) == 1
        tables.close()


def test_the_journals_lock_of_a_dead_driver_is_removed(tmp_path: Path) -> None:
    (tmp_path / "optuna.log").write_text("")
    (tmp_path / "optuna.log.lock").symlink_to("optuna.log")
    assert mend(tmp_path) == []
    assert not (tmp_path / "optuna.log.lock").is_symlink()
    assert (tmp_path / "optuna.log").exists()


def test_a_whole_folder_is_left_as_it_is(whole: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(whole, tmp_path / "copy")
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    assert mend(copy) == []
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before
