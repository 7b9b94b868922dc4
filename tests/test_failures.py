"""Trials that fail, and studies that cannot go on."""

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from optuna.trial import TrialState

from study.engine import Engine, StudyFailedError
from study.plan import TrialSpec
from study.records.parquet import read_table
from study.records.tables import Tables
from study.search.sampler import Sampler
from tests.driven import content, journal, plan, run, trials


def test_a_study_in_which_nothing_can_go_on_fails_instead_of_waiting(tmp_path: Path) -> None:
    the_plan = plan()
    engine = Engine(the_plan, Sampler(the_plan, tmp_path / "optuna.log"), Tables(tmp_path))

    def lose_everything() -> None:
        while (spec := engine.next()) is not None:
            engine._running.discard(spec.trial)  # it ended, and nobody told

    with pytest.raises(StudyFailedError, match="none of them can go on"):
        lose_everything()


def test_a_failed_trial_is_recorded_and_the_study_goes_on(tmp_path: Path) -> None:
    def ending(spec: TrialSpec) -> str:
        return {1: "failed", 2: "diverged"}.get(spec.number or 0, "completed")

    run(plan(), tmp_path, ending=ending)
    table = trials(tmp_path).query("phase == 'search'")
    assert Counter(table["status"])["failed"] == Counter(table["status"])["diverged"] == 3
    assert set(table.query("status == 'failed'")["error"]) == {"boom"}
    for study in journal(tmp_path).values():
        assert study.trials[1].state == TrialState.FAIL
        assert study.trials[2].state == TrialState.PRUNED


def test_failed_trials_that_are_tried_again_leave_a_study_as_if_they_had_not_failed(tmp_path: Path) -> None:
    undisturbed, folder = tmp_path / "undisturbed", tmp_path / "study"
    for path in (undisturbed, folder):
        path.mkdir()
    run(plan(), undisturbed)

    def broken(spec: TrialSpec) -> str:
        """A node that fails one of the paper's trials, and one of two confirmations."""
        lost = spec.arm == "none" if spec.phase == "fixed" else spec.phase == "confirm" and spec.seed % 2 == 1
        return "failed" if lost else "completed"

    run(plan(), folder, ending=broken)
    failed = trials(folder).query("status == 'failed'")
    assert Counter(failed["phase"]) == {"fixed": 1, "confirm": 3}
    run(plan(), folder)
    assert len(trials(folder).query("status == 'failed'")) == 4, "by itself nothing is tried again"
    tables = Tables(folder)
    assert tables.forget_failed() == 4
    assert not set(failed["trial"]) & {*read_table(folder, "trials")["trial"], *read_table(folder, "epochs")["trial"]}
    assert tables.forget_failed() == 0
    tables.close()
    run(plan(), folder)
    assert content(trials(folder)) == content(trials(undisturbed))
    for name in ("epochs", "predictions"):
        assert set(read_table(folder, name)["trial"]) == set(read_table(undisturbed, name)["trial"])


def test_a_search_keeps_its_failed_trials(tmp_path: Path) -> None:
    run(plan(), tmp_path, ending=lambda spec: "failed" if spec.number == 1 else "completed")
    tables, before = Tables(tmp_path), trials(tmp_path)
    assert tables.forget_failed() == 0
    tables.close()
    pd.testing.assert_frame_equal(trials(tmp_path), before)


def test_many_failures_in_a_row_stop_the_study_with_the_cause(tmp_path: Path) -> None:
    with pytest.raises(StudyFailedError, match="6 trials in a row failed, the last with: boom"):
        run(plan(), tmp_path, ending=lambda spec: "failed")


def test_an_arm_without_a_good_trial_stops_the_study(tmp_path: Path) -> None:
    with pytest.raises(StudyFailedError, match="arm conv: no search trial ended well"):
        run(plan(), tmp_path, ending=lambda spec: "diverged" if spec.arm == "conv" else "completed")


def test_a_trial_that_could_not_run_is_handed_out_again(tmp_path: Path) -> None:
    p = plan(trials=2, epochs=2, seeds=1)
    engine = Engine(p, Sampler(p, tmp_path / "optuna.log"), Tables(tmp_path))
    first = engine.next()
    assert first is not None
    engine.put_back(first)
    handed_out = []
    while (spec := engine.next()) is not None:
        handed_out.append(spec.trial)
    assert handed_out.count(first.trial) == 1
    engine.tables.close()
