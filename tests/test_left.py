"""What is left of a study: found without touching it, and what then runs."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fer_core.data.dataset import EMOTIONS
from fer_core.errors import InputError
from study.analysis.looks import SIZES
from study.engine import StudyFailedError
from study.plan import Plan, TrialSpec
from study.planning.left import Left, what_is_left
from study.records.folder import MODELS, network_file
from study.records.place import Place
from study.search.deadline import Deadline
from tests.conftest import run_module
from tests.driven import Clock, Engine, KilledError, plan, run, trials
from tests.made import make_study

PHASES = ("fixed", "search", "confirm")
SEVERAL = ({}, {"trials": 4, "searches": 3}, {"folds": 3, "protocol": "folds", "trials": 3})


def record_of(the_plan: Plan) -> dict[str, Any]:
    sizes = {name: getattr(the_plan, name) for name in SIZES}
    return {"class_names": EMOTIONS, "budget": the_plan.budget, "arguments": {}, **sizes}


def left_of(the_plan: Plan, folder: Path, others: tuple[str, ...] = (), retry_failed: bool = False) -> Left:
    """What is left, found twice, and the folder as it was."""
    record = record_of(plan())
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    found, again = (what_is_left(the_plan, Place(folder), record, others, retry_failed) for _ in range(2))
    assert found.counts == again.counts
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    return found


def by_phase(left: Left) -> Counter[str]:
    return Counter({phase: left.counts[phase] for phase in PHASES})


def ended_in(folder: Path) -> Counter[str]:
    return Counter(trials(folder)["phase"])


@pytest.mark.parametrize("changes", SEVERAL, ids=["a search", "searches", "folds"])
@pytest.mark.parametrize("steps", [0, 25, 90, 150])
def test_what_is_left_of_a_killed_study_is_what_then_runs(steps: int, changes: dict, tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        run(plan(**changes), tmp_path, steps=steps)
    left, before = left_of(plan(**changes), tmp_path), ended_in(tmp_path)
    run(plan(**changes), tmp_path)
    assert by_phase(left) == ended_in(tmp_path) - before
    assert not sum(by_phase(left_of(plan(**changes), tmp_path)).values())


def test_of_a_study_that_grows_the_new_ones_are_left(tmp_path: Path) -> None:
    run(plan(), tmp_path)
    assert left_of(plan(seeds=5), tmp_path).confirm == {"none": 3, "block": 3, "conv": 3}
    assert left_of(plan(searches=2), tmp_path).search == {"none": 9, "block": 9, "conv": 9}


def test_what_is_left_says_that_the_study_could_be_answered_before_it_grew(tmp_path: Path) -> None:
    run(plan(), tmp_path)
    assert left_of(plan(), tmp_path).looks == 1
    (text,) = [text for text in left_of(plan(seeds=5), tmp_path).texts if "enlarged" in text]
    assert "had been tested with 2 seeds: p is multiplied by 4" in text


def test_trials_that_a_time_limit_has_ended_are_left(tmp_path: Path) -> None:
    clock, p = Clock(), plan(scheduler="none", trials=21)

    class Ticking(Engine):
        def on_epochs(self, spec: TrialSpec, epochs: list[dict]) -> bool:
            clock.now += len(epochs) / 3
            return super().on_epochs(spec, epochs)

    run(p, tmp_path, deadline=Deadline(100, 3, clock), engine_class=Ticking)
    left, before = left_of(p, tmp_path), trials(tmp_path)
    run(p, tmp_path)
    after = trials(tmp_path)
    whole = after[after["phase"] == "search"].set_index("trial")["epochs"]
    so_far = before[before["phase"] == "search"].set_index("trial")["epochs"]
    went_on = whole - so_far.reindex(whole.index, fill_value=0) > 0
    assert left.counts["search"] == went_on.sum() > 63 - len(so_far)


def test_failed_trials_are_left_where_they_are_tried_again(tmp_path: Path) -> None:
    run(plan(), tmp_path, ending=lambda spec: "failed" if spec.phase == "fixed" else "completed")
    assert left_of(plan(), tmp_path).counts["fixed"] == 0
    again = left_of(plan(), tmp_path, retry_failed=True)
    assert [spec.arm for spec in again.fixed] == ["none", "block"]


def test_networks_that_were_not_kept_are_trained_again(tmp_path: Path) -> None:
    run(plan(), tmp_path)
    tested = trials(tmp_path).dropna(subset="test_accuracy")
    (tmp_path / MODELS).mkdir()
    kept = tested.groupby("arm")["trial"].first()
    for trial in kept:
        (tmp_path / MODELS / network_file(trial, by_trainer=False)).touch()
    left = left_of(plan(), tmp_path, others=("lab",))
    assert set(left.lacking) == set(tested["trial"])
    pd.testing.assert_series_equal(
        pd.Series(left.again).value_counts(), tested["arm"].value_counts() - 1, check_names=False, check_like=True
    )
    assert left.texts == [
        "left of them: none, all have ended",
        "trained before, and now tested on lab, too: 3 networks that were kept, 5 that are trained again",
    ]


def test_what_an_older_version_began_is_refused_in_a_dry_run_as_in_a_run(tmp_path: Path) -> None:
    make_study(tmp_path / "study", {"none": 0.4})
    record = json.loads((tmp_path / "study" / "study.json").read_text())
    record.pop("window", None)
    (tmp_path / "study" / "study.json").write_text(json.dumps(record))
    given = ("--space", "se_placement", "--data", "synthetic", "--out", tmp_path / "study")
    done = run_module("study.run", "--resume", "--dry-run", *given)
    assert done.status == 2
    assert "holds a study of an earlier version, which cannot go on" in done.err
    assert "Traceback" not in done.err


def test_a_study_that_cannot_go_on_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(StudyFailedError):
        run(plan(trials=2), tmp_path, ending=lambda spec: "diverged")
    with pytest.raises(InputError, match=r"cannot go on: arm \w+: no search trial ended well"):
        what_is_left(plan(trials=2), Place(tmp_path), record_of(plan(trials=2)), (), retry_failed=False)
