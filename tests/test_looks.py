"""A study that is enlarged after it could be answered is judged as at a further look, and says so."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from study.analysis.findings import Findings, find
from study.analysis.looks import LOOKS, looks_before, looks_text
from study.plan import Plan
from study.records.parquet import read_table
from study.report.summary import print_summary
from study.report.write import Request, write_report
from tests.driven import KilledError, plan, run
from tests.made import make_study

SEARCH_STEPS = 150  # of an engine's run, in which no arm has been confirmed yet


def record(of: Plan, **more: Any) -> dict[str, Any]:
    """What a study's record says of its plan."""
    sizes = {"trials": of.trials, "searches": of.searches, "seeds": of.seeds}
    return {"arguments": {}, "budget": of.budget, **sizes, **more}


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of a study that has run to its end, with `plan()`."""
    folder = tmp_path_factory.mktemp("tested")
    run(plan(), folder)
    return folder


@pytest.mark.parametrize("more", [{"seeds": 5}, {"searches": 2}, {"trials": 12}], ids=lambda more: next(iter(more)))
def test_a_study_that_is_enlarged_after_it_was_tested_has_been_looked_at(more: dict, tested: Path) -> None:
    (look,) = looks_before(record(plan()), plan(**more), tested)
    assert look.pop("time")
    assert look == {"trials": 9, "searches": 1, "seeds": 2, "confirmed": 6}


def test_a_new_study_and_one_that_goes_on_as_planned_have_not(tested: Path, tmp_path: Path) -> None:
    assert looks_before(None, plan(), tmp_path) == []
    assert looks_before(record(plan()), plan(), tested) == []


def test_more_search_trials_are_no_look_where_nothing_is_tuned(tmp_path: Path) -> None:
    run(plan("paper"), tmp_path)
    assert looks_before(record(plan("paper")), plan("paper", trials=12), tmp_path) == []
    assert len(looks_before(record(plan("paper")), plan("paper", trials=12, seeds=3), tmp_path)) == 1


def test_to_enlarge_a_study_before_its_arms_were_tested_is_no_look(tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        run(plan(), tmp_path, steps=SEARCH_STEPS)
    assert (read_table(tmp_path, "trials")["phase"] == "search").any()
    assert looks_before(record(plan()), plan(seeds=5), tmp_path) == []


def test_one_seed_decides_nothing_so_that_to_give_more_is_no_look(tmp_path: Path) -> None:
    run(plan(seeds=1), tmp_path)
    assert looks_before(record(plan(seeds=1)), plan(seeds=5), tmp_path) == []


def test_to_enlarge_it_again_is_a_look_only_where_more_was_tested(tmp_path: Path) -> None:
    run(plan(), tmp_path)
    looks = looks_before(record(plan()), plan(seeds=3), tmp_path)
    enlarged = record(plan(seeds=3), looks=looks)
    assert looks_before(enlarged, plan(seeds=5), tmp_path) == looks
    run(plan(seeds=3), tmp_path)
    first, second = looks_before(enlarged, plan(seeds=5), tmp_path)
    assert [first] == looks
    assert (second["seeds"], second["confirmed"]) == (3, 9)


@pytest.mark.parametrize(("asked", "seeds"), [({}, 5), ({"seeds": 2}, 2)])
def test_of_an_older_record_the_command_or_the_budget_says_how_many_seeds_there_were(
    asked: dict, seeds: int, tested: Path
) -> None:
    older = {**record(plan(budget="standard")), "arguments": asked}
    del older["seeds"], older["searches"]
    assert looks_before(older, plan(seeds=seeds), tested) == []
    (look,) = looks_before(older, plan(seeds=seeds + 1), tested)
    assert (look["seeds"], look["searches"]) == (seeds, 1)


LOOK = {"trials": 3, "searches": 1, "seeds": 2, "confirmed": 4, "time": "2026-01-01T00:00:00+00:00"}


def test_what_it_means_is_said() -> None:
    once = looks_text([LOOK])
    assert "with 2 seeds: p is multiplied by 4, and the intervals of differences are of 98.75 %" in once
    twice = looks_text([LOOK, {**LOOK, "searches": 3, "seeds": 1}])
    assert "with 2 seeds, then 3 searches of 1 seed: p is multiplied by 9" in twice
    assert "99.44 %" in twice


def test_differences_are_judged_more_strictly_and_arms_are_not(tmp_path: Path) -> None:
    arms = {"none": 0.5, "block": 0.6, "conv": 0.61}
    (once,) = find([make_study(tmp_path / "once", arms)])
    (again,) = find([make_study(tmp_path / "again", arms, looks=[LOOK, LOOK])])
    assert [arm.estimates for arm in again.arms] == [arm.estimates for arm in once.arms]
    for ours, theirs in zip(again.comparisons, once.comparisons, strict=True):
        assert ours.difference == replace(theirs.difference, looks=3)
        assert ours.difference.margin() == theirs.difference.margin(1 - 0.05 / 9)
        assert ours.difference.p_value == min(1.0, 9 * theirs.difference.p_value)


def test_the_report_names_the_level_of_its_intervals(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "study", {"none": 0.5, "block": 0.6}, looks=[LOOK])
    (found,) = write_report(Request([folder], tmp_path / "report")).findings
    with Console(file=StringIO(), width=200) as console:
        print_summary(console, found)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    html, latex = ((tmp_path / "report" / name).read_text() for name in ("index.html", "comparisons.tex"))
    for text in (said, html, latex.replace(r"\%", "%")):
        assert "98.75 % interval" in text
    for text in (said, html):
        assert "had been tested with 2 seeds: p is multiplied by 4" in text


def pooled(folder: Path, one: dict[str, Any], two: dict[str, Any]) -> Findings:
    """Two studies with other seeds, of whose records so much is known."""
    arms, folders = {"none": 0.5, "block": 0.6}, []
    for which, (name, known) in enumerate({"one": one, "two": two}.items()):
        folders.append(make_study(folder / name, arms, searches=2, **known))
        trials = pd.read_parquet(folders[-1] / "trials.parquet")
        trials[trials["search"] == which].assign(search=0).to_parquet(folders[-1] / "trials.parquet")
    (found,) = find(folders)
    return found


def test_looks_at_studies_that_are_pooled_add_up(tmp_path: Path) -> None:
    found = pooled(tmp_path, {"looks": [LOOK]}, {"looks": [LOOK]})
    assert found.comparisons[0].difference.looks == 3


@pytest.mark.parametrize(
    ("one", "two", "later"),
    [
        ({}, {}, None),
        ({}, {"start": "2026-01-01T00:59:00+00:00", "end": None, "status": "running"}, None),
        ({}, {"start": "2026-01-01T02:00:00+00:00", "end": "2026-01-01T03:00:00+00:00"}, "two"),
        ({"start": "2026-01-01T02:00:00+00:00", "end": None, "status": "running"}, {}, "one"),
        ({"looks": [LOOK]}, {"start": "2026-01-01T02:00:00+00:00"}, "two"),
    ],
    ids=["side by side", "begun before the end", "one after the other", "the first later", "one looked at before"],
)
def test_a_study_that_was_begun_when_another_had_ended_is_said_to_be(
    one: dict, two: dict, later: str | None, tmp_path: Path
) -> None:
    notes = [text for text in pooled(tmp_path, one, two).evidence.missing if "planned together" in text]
    assert [text.partition(":")[0] for text in notes] == ([later] if later else [])
    told = "look 3, of which every p is 2.25 times" if "looks" in one else "look 2, of which every p is 4 times"
    assert all(told in text for text in notes)


def test_a_record_without_looks_has_none(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "study", {"none": 0.5, "block": 0.6})
    assert LOOKS not in json.loads((folder / "study.json").read_text())
    (found,) = find([folder])
    assert found.comparisons[0].difference.looks == 1
