"""Other data that a study is tested on when it has run."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from study.engine import Engine
from study.plan import TrialSpec
from study.records.parquet import read_table
from study.records.tables import Tables
from study.search.sampler import Sampler
from study.watching.watcher import Watcher
from tests.driven import TEST_IMAGES, KilledError, plan, results_of, run, trials


class Heard(Watcher):
    """Which trials ended, and which were tested on what later."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.tested: dict[str, tuple[list[str], bool, str | None]] = {}

    def on_end(self, spec: TrialSpec, row: dict[str, Any]) -> None:
        self.ended.append(spec.trial)

    def on_tested(self, spec: TrialSpec, names: Sequence[str], *, as_before: bool, error: str | None) -> None:
        assert spec.trial not in self.tested
        self.tested[spec.trial] = list(names), as_before, error


def those_tested(folder: Path) -> set[str]:
    every = trials(folder)
    return set(every.loc[every["phase"] != "search", "trial"])


def answered(folder: Path) -> dict[str, set[str]]:
    """The names of the other data that every trial has answered, every image once."""
    rows = read_table(folder, "elsewhere")
    assert len(rows) == len(TEST_IMAGES) * len(rows.drop_duplicates(["trial", "data"]))
    return rows.groupby("trial")["data"].agg(set).to_dict()


def test_what_has_ended_is_handed_out_again_for_what_it_lacks_of_other_data_alone(tmp_path: Path) -> None:
    run(plan(), tmp_path)
    before = {name: read_table(tmp_path, name) for name in ("trials", "epochs", "predictions")}
    for others, new in ((["lab"], ["lab"]), (["lab", "wild"], ["wild"]), (["lab", "wild"], None)):
        heard = Heard()
        run(plan(), tmp_path, others=others, watchers=[heard])
        wanted = those_tested(tmp_path) if new else set()
        assert heard.tested == dict.fromkeys(wanted, (new, True, None))
        assert heard.ended == []
        assert answered(tmp_path) == {key: set(others) for key in those_tested(tmp_path)}
    for name, table in before.items():
        pd.testing.assert_frame_equal(read_table(tmp_path, name), table)


def test_a_study_that_grows_is_tested_as_a_whole(tmp_path: Path) -> None:
    run(plan(), tmp_path)
    heard, before = Heard(), those_tested(tmp_path)
    run(plan(seeds=3), tmp_path, others=["lab"], watchers=[heard])
    assert set(heard.tested) == before
    assert set(heard.ended) == those_tested(tmp_path) - before
    assert answered(tmp_path) == {key: {"lab"} for key in those_tested(tmp_path)}


def test_what_cannot_be_tested_later_keeps_its_row_and_is_tried_again(tmp_path: Path) -> None:
    run(plan(), tmp_path)
    rows = trials(tmp_path)
    broken = sorted(those_tested(tmp_path))[:2]
    outcomes = dict(zip(broken, ("failed", "diverged"), strict=True))
    heard = Heard()
    run(plan(), tmp_path, others=["lab"], watchers=[heard], ending=lambda spec: outcomes.get(spec.trial, "completed"))
    assert [heard.tested[trial] for trial in broken] == [([], False, "boom"), ([], False, "diverged")]
    assert set(answered(tmp_path)) == those_tested(tmp_path) - set(broken)
    pd.testing.assert_frame_equal(trials(tmp_path), rows)
    again = Heard()
    run(plan(), tmp_path, others=["lab"], watchers=[again])
    assert again.tested == {trial: (["lab"], True, None) for trial in broken}


def test_a_driver_killed_while_it_tests_later_asks_nothing_twice(tmp_path: Path) -> None:
    run(plan(), tmp_path)
    heard: list[Heard] = []
    for steps in (40, 40, None):
        heard.append(Heard())
        try:
            run(plan(), tmp_path, others=["lab"], watchers=heard[-1:], steps=steps)
        except KilledError:
            assert steps is not None
    counts = Counter(trial for one in heard for trial in one.tested)
    assert counts == dict.fromkeys(those_tested(tmp_path), 1)
    assert all(one.tested for one in heard)


def test_a_network_that_answers_otherwise_than_before_is_called_another(tmp_path: Path) -> None:
    engine = run(plan(), tmp_path)
    heard = Heard()
    tables = Tables(tmp_path, others=["lab"])
    engine = Engine(plan(), Sampler(plan(), tmp_path / "optuna.log"), tables, [heard])
    for change, as_before in ((1 + 1e-6, True), (1.01, False)):  # another rounding, another training
        spec = engine.next()
        assert spec is not None
        assert engine.has_ended(spec)
        results = results_of(spec, ["lab"])
        assert results is not None
        engine.on_end(spec, "completed", test=results | {"test_loss": results["test_loss"] * change})
        assert heard.tested[spec.trial] == (["lab"], as_before, None)
