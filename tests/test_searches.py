"""Arms that are searched more than once."""

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from study.engine import PHASES
from study.plan import TrialSpec
from study.records.schemas import VERSION_KEY
from study.watching.watcher import Watcher
from tests.driven import KilledError, content, journal, plan, run, same_study, trials


@pytest.fixture(scope="module")
def whole_study_of_searches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("searches")
    run(plan(trials=4, searches=3), folder)
    return folder


@pytest.mark.parametrize("steps", [20, 90, 200])
def test_a_killed_driver_of_several_searches_comes_back_to_the_same_study(
    steps: int, whole_study_of_searches: Path, tmp_path: Path
) -> None:
    checkpoints: dict[str, int] = {}
    with pytest.raises(KilledError):
        run(plan(trials=4, searches=3), tmp_path, slots=9, steps=steps, checkpoints=checkpoints)
    run(plan(trials=4, searches=3), tmp_path, order=1, checkpoints=checkpoints)
    same_study(tmp_path, whole_study_of_searches)


def test_every_search_is_one_of_its_own_and_its_winner_is_confirmed(tmp_path: Path) -> None:
    p = plan(searches=3, trials=4)
    engine = run(p, tmp_path)
    table = trials(tmp_path)
    assert len(table) == table["trial"].nunique() == p.trial_count
    assert table[table["phase"] == "fixed"]["search"].isna().all()
    assert set(journal(tmp_path)) == {
        name for arm in ("none", "block", "conv") for name in (arm, f"{arm}, search 1", f"{arm}, search 2")
    }
    for arm, search in p.search_keys:
        rows = table[(table["arm"] == arm) & (table["search"] == search)]
        assert Counter(rows["phase"]) == {"search": 4, "confirm": 2}
        chosen = engine.winner(arm, search)
        assert chosen is not None
        completed = rows[(rows["phase"] == "search") & (rows["status"] == "completed")]
        assert chosen.trial == completed.sort_values("val_accuracy").iloc[-1]["trial"]
        confirmed = rows[rows["phase"] == "confirm"]
        assert sorted(confirmed["seed"]) == p.of_search(search).confirm_seeds
        assert set(confirmed["config.train.learning_rate"]) == {chosen.config.train.learning_rate}
        assert engine.best_network(arm, search) in set(confirmed["trial"])
        assert engine.confirmations(arm, search) == confirmed["trial"].tolist()


def test_a_further_search_is_that_of_the_study_with_its_seed(tmp_path: Path) -> None:
    """So a study that is given further searches keeps what it has, and one alone has the same."""
    whole, alone = tmp_path / "whole", tmp_path / "alone"
    whole.mkdir()
    alone.mkdir()
    p = plan(trials=6)
    run(p, whole)
    before = content(trials(whole))
    run(plan(trials=6, searches=2), whole, slots=7, order=1)
    after = {row["trial"]: row for row in content(trials(whole))}
    assert [after[row["trial"]] for row in before] == before
    run(plan(trials=6, seed=100), alone)
    theirs = trials(alone).query("phase != 'fixed'")
    assert len(after) == len(before) + len(theirs)
    for row in content(theirs.drop(columns="search")):
        there = after[row["trial"]]
        assert {name: there[name] for name in row} == row
        assert there["search"] == 1


def test_a_study_that_an_older_version_began_can_be_given_further_searches(tmp_path: Path) -> None:
    run(plan(trials=4), tmp_path)
    before, path = trials(tmp_path), tmp_path / "trials.parquet"
    table = pq.read_table(path).drop_columns(["search"]).replace_schema_metadata({VERSION_KEY: b"3"})
    pq.write_table(table, path)
    p = plan(trials=4, searches=2)
    run(p, tmp_path)
    after = trials(tmp_path)
    assert len(after) == p.trial_count
    assert set(before["trial"]) < set(after["trial"])
    assert Counter(after.query("phase != 'fixed'")["search"]) == {0: 18, 1: 18}


def test_an_earlier_search_and_its_confirmation_come_first(tmp_path: Path) -> None:
    order = []

    class Listener(Watcher):
        def on_end(self, spec: TrialSpec, row: dict[str, Any]) -> None:
            order.append((spec.search, PHASES.index(spec.phase)))

    run(plan(searches=2, trials=4), tmp_path, slots=1, watchers=[Listener()])
    assert order == sorted(order)
