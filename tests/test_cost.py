"""What a study will cost: by a usual machine's speed, by what was measured, and by what a study showed."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from fer_core.config import TrialConfig
from fer_core.data.cache import VARIABLE
from search_spaces.catalogue import load_space
from search_spaces.space import Choice, Space
from study.cluster.machines import Cluster, share_out
from study.plan import Plan, make_plan
from study.planning.cost import Speed, estimate, known_speed, learn_from_study, remember
from study.planning.limit import limit_text
from tests.conftest import SMALL_STUDY, run_module

CLUSTER = share_out(2, 0)
VIEW = TrialConfig().data.view


@pytest.fixture(autouse=True)
def speeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "speed.json"


def plan(space: str | Space = "se_placement", **changes: object) -> Plan:
    arguments = {"budget": "quick", "protocol": "challenge", "data_name": "fer2013", **changes}
    return make_plan(load_space(space) if isinstance(space, str) else space, **arguments)  # type: ignore[arg-type]


def measure_all(p: Plan, speed: Speed, cluster: Cluster = CLUSTER) -> None:
    remember({p.arm_config(arm, {}): speed for arm in p.arms}, cluster)


def test_a_measured_speed_gives_the_time_of_all_trials_over_the_slots() -> None:
    p = plan(trials=4, epochs=5, seeds=3)
    before = estimate(p, CLUSTER)
    assert before is not None
    assert not before.measured
    measure_all(p, Speed(seconds_an_image=0.001, seconds_a_trial=2.0))
    cost = estimate(p, CLUSTER)
    assert cost is not None
    assert cost.measured
    seconds = p.trial_count * (2.0 + 5 * 0.001 * (5000 + 1000 / 3))
    assert cost.trial_hours == pytest.approx(seconds / 3600)
    assert cost.minutes == pytest.approx(seconds / 60 / 2)


def test_many_workers_do_not_make_a_trial_shorter() -> None:
    p, crowd = plan(trials=16, epochs=5, seeds=3), share_out(1000, 0)
    measure_all(p, Speed(seconds_an_image=60 / (5000 + 1000 / 3), seconds_a_trial=0.0), crowd)
    cost = estimate(p, crowd)
    assert cost is not None
    assert cost.trial_hours == pytest.approx(p.trial_count * 5 / 60)
    assert cost.confirm_minutes == pytest.approx(5)
    assert cost.search_minutes == pytest.approx(5 * math.ceil(16 / p.window))
    assert cost.minutes == pytest.approx(cost.search_minutes + cost.confirm_minutes)


def test_a_speed_is_that_of_its_shape_and_share(speeds: Path) -> None:
    p = plan()
    config = p.arm_config(p.arms[0], {})
    remember({config: Speed(0.001, 2.0)}, CLUSTER)
    assert known_speed(config.override({"train.learning_rate": 0.1}), CLUSTER) == Speed(0.001, 2.0)
    assert known_speed(config.override({"model.width": 0.5}), CLUSTER) is None
    assert known_speed(config, share_out(2, 0, cpus_per_trial=2)) is None
    speeds.write_text("{")  # damaged: as if nothing were known
    assert known_speed(config, CLUSTER) is None


@pytest.mark.parametrize(
    ("minutes", "searches", "said"),
    [
        (100, 1, "is enough"),
        (12, 1, "leaves no time to search: the confirmation is kept 13 minutes"),
        (
            20,
            1,
            "the confirmation is kept 13 minutes, which leaves the search 5 minutes of the 12 minutes that it takes",
        ),
        (20, 3, "which leaves the first search 5 minutes of the 12 minutes"),
        (60, 3, "enough for about 2 of the 3 searches"),
        (100, 3, "is enough"),
    ],
)
def test_what_a_time_limit_leaves_is_known_before(minutes: float, searches: int, said: str) -> None:
    """Two at a time, five epochs of 20 s a trial."""
    p = plan(budget="quick", trials=5, seeds=4, searches=searches)
    measure_all(p, Speed(seconds_an_image=20 / (5000 + 1000 / 3), seconds_a_trial=0.0))
    cost = estimate(p, CLUSTER)
    assert cost is not None
    assert cost.search_minutes == pytest.approx(3 * 5 * 100 / 60 / 2)
    assert cost.confirm_minutes == pytest.approx(3 * 4 * 100 / 60 / 2)
    assert cost.minutes == pytest.approx(cost.fixed_minutes + searches * (cost.search_minutes + cost.confirm_minutes))
    text = limit_text(p, cost, 60 * minutes)
    assert said in text
    assert "usual machine" not in text
    assert limit_text(p, replace(cost, measured=False), 60 * minutes) == f"{text} (by the speed of a usual machine)"


@pytest.mark.parametrize("measured", [True, False])
def test_a_search_over_widths_is_priced_by_the_networks_that_it_proposes(measured: bool) -> None:
    """The plan's own network, as wide as the budget has it, would say little."""

    def an_epoch(widths: tuple[float, ...]) -> float:
        p = plan(Space("widths", "", nuisance={"model.width": Choice(widths)}))
        if measured:
            measure_all(p, Speed(seconds_an_image=0.01, seconds_a_trial=0.0))
        cost = estimate(p, CLUSTER)
        assert cost is not None
        return cost.trial_hours / p.most_epochs

    narrow, either, wide = an_epoch((0.25,)), an_epoch((0.25, 1.0)), an_epoch((1.0,))
    assert wide > 5 * narrow
    assert either == pytest.approx((narrow + wide) / 2, rel=0.2)


def test_on_gpus_nothing_is_guessed() -> None:
    cluster = share_out(16, 2)
    assert estimate(plan(budget="full"), cluster) is None
    measure_all(plan(budget="full"), Speed(0.0001, 5.0), cluster)
    assert estimate(plan(budget="full"), cluster) is not None


def test_a_study_that_ran_is_a_measurement() -> None:
    p = plan()
    trials = pd.DataFrame({"trial": ["a", "b", "c"], "arm": ["none", "block", "conv"]})
    epochs = pd.DataFrame(
        [(trial, epoch, 10.0 if epoch == 1 else 4.0) for trial in "abc" for epoch in (1, 2, 3)],
        columns=["trial", "epoch", "seconds"],
    )
    learn_from_study(p, trials, epochs, {VIEW: (2000, 9000)}, CLUSTER)  # fewer than the budget would take
    assert known_speed(p.arm_config(p.arms[0], {}), CLUSTER) == Speed(4.0 / (2000 + 1000 / 3), 6.0)


def test_a_study_that_tunes_the_width_is_none(speeds: Path) -> None:
    epochs = pd.DataFrame({"trial": ["a", "a"], "epoch": [1, 2], "seconds": [9.0, 4.0]})
    learn_from_study(plan("best"), pd.DataFrame({"trial": ["a"], "arm": ["all"]}), epochs, {VIEW: (9, 9)}, CLUSTER)
    assert not speeds.exists()


def test_the_command_measures_this_machine() -> None:
    dry = ("study.run", *SMALL_STUDY, "--dry-run", "--json", "--max-concurrent", "1")
    guessed = json.loads(run_module(*dry).out)
    assert not guessed["cost"]["measured"]
    measured = json.loads(run_module(*dry, "--calibrate").out)
    assert measured["cost"]["measured"]
    assert measured["cost"]["minutes"] > 0
    again = json.loads(run_module(*dry).out)
    assert again["cost"] == measured["cost"]
    assert [arm["arm"] for arm in again["arms"]] == ["none", "block", "conv"]
    assert again["trials"] == 17
