"""From a space and a budget to trials: arms on like terms, the paper's configuration among them."""

import json
from pathlib import Path

import numpy as np
import pytest

from fer_core.config import TrialConfig, Value
from fer_core.errors import InputError
from search_spaces.catalogue import load_space, space_names
from search_spaces.space import Float
from study.plan import BUDGETS, Plan, make_plan, study_seed
from study.run import main
from study.search.pruning import survives
from study.search.sampler import starting_point


def plan(space: str = "se_placement", **changes: object) -> Plan:
    arguments = {"budget": "standard", "protocol": "challenge", "data_name": "fer2013", **changes}
    return make_plan(load_space(space), **arguments)  # type: ignore[arg-type]


def test_a_space_may_compare_and_tune_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--space", "docs/examples/one.py", "--data", "synthetic", "--seeds", "7", "--dry-run"]) == 0
    assert "8 trials of at most 5 epochs; nothing is tuned\n" in capsys.readouterr().out


def test_the_budget_decides_what_the_command_does_not() -> None:
    standard = BUDGETS["standard"]
    assert (plan().trials, plan().epochs, plan().seeds) == (standard.trials, standard.epochs, standard.seeds)
    assert (plan(trials=3).trials, plan(epochs=2).epochs, plan(seeds=0).seeds) == (3, 2, 0)


def test_every_arm_gets_the_same_number_of_trials_and_the_same_seeds() -> None:
    p = plan()
    assert p.trial_count == 2 + 3 * (p.trials + p.seeds)
    seeds = {*p.confirm_seeds, *map(p.search_seed, range(p.trials)), *(s.seed for s in p.fixed_trials())}
    assert len(seeds) == p.seeds + p.trials + 1  # no phase repeats a seed of another


@pytest.mark.parametrize("seed", [0, 1, 17])
def test_studies_with_other_seeds_share_none(seed: int) -> None:
    ours, theirs = plan(seed=seed), plan(seed=seed + 1)
    assert not set(ours.confirm_seeds) & set(theirs.confirm_seeds)


def test_searches_share_no_seed_and_no_starting_point_but_the_papers() -> None:
    p = plan(searches=3, trials=8)
    assert p.trial_count == 2 + 3 * 3 * (8 + p.seeds)
    assert [p.of_search(n).seed for n in range(3)] == [0, 100, 200]
    every = [p.of_search(n) for n in range(3)]
    seeds = [seed for one in every for seed in (*one.confirm_seeds, *map(one.search_seed, range(8)))]
    assert len(set(seeds)) == 3 * (8 + p.seeds)
    assert [study_seed(seed) for seed in seeds[:: 8 + p.seeds]] == [0, 100, 200]
    starts = [[starting_point(one, p.arms[1], n) for n in range(4)] for one in every]
    assert starts[0][0] == starts[1][0] == starts[2][0]
    assert len({str(point) for points in starts for point in points}) == 1 + 3 * 3


def test_what_cannot_be_searched_again_is_refused() -> None:
    with pytest.raises(InputError, match="--searches 2: the space paper tunes nothing"):
        plan("paper", searches=2)
    with pytest.raises(InputError, match="--seed 4294: must be less than 4294"):
        plan(seed=4294)
    with pytest.raises(InputError, match="--searches 2148: expected at most 2147"):
        plan(searches=2148)


@pytest.mark.parametrize("seed", [0, 95, 4293])
def test_every_one_of_many_searches_has_seeds_of_its_own(seed: int) -> None:
    p = plan(seed=seed, searches=2147)
    own = [p.of_search(n).seed for n in range(2147)]
    assert len(set(own)) == 2147
    assert max(p.of_search(n).confirm_seeds[-1] for n in range(2147)) < 2**32
    assert [p.of_search(n).seed for n in range(40)] == [(seed + 100 * n) % 4294 for n in range(40)]


def test_the_full_budget_trains_the_papers_configuration_as_it_stands() -> None:
    fixed = {spec.arm: spec.config.flat() for spec in plan(budget="full").fixed_trials()}
    assert set(fixed) == {"none", "block"}
    for values in fixed.values():
        assert values["train.learning_rate"] == 0.002
        assert values["train.epochs"] == 100
        assert values["train.batch_size"] == 64
        assert values["model.width"] == 1.0


def test_the_paper_space_trains_the_papers_models_as_stated_over_the_same_seeds_in_both_protocols() -> None:
    p = plan(space="paper", budget="full")
    assert p.protocols == ("paper", "challenge")
    assert [p.trials_in(arm) for arm in p.arms] == [0, 0, 0, 0]
    assert p.trial_count == 2 + 4 * p.seeds
    stated = {"train.learning_rate": 0.002, "train.epochs": 100, "train.batch_size": 64, "model.width": 1.0}
    for arm in p.arms:
        values = p.arm_config(arm, {}).flat()
        assert stated.items() <= values.items()
        assert values["data.val_images"] is None
    assert {spec.config.data.protocol for spec in p.fixed_trials()} == {"paper"}


def test_a_setting_is_overridden_unless_the_space_varies_it() -> None:
    assert plan(settings={"model.width": "0.5"}).base.model.width == 0.5
    for name in ("model.se_placement", "train.learning_rate"):
        with pytest.raises(InputError, match="varies it"):
            plan(settings={name: "1"})
    with pytest.raises(InputError, match="no such setting"):
        plan(settings={"model.depth": "1"})


def test_arms_share_their_starting_points() -> None:
    p = plan()
    for number in range(p.window):
        points = {arm.name: starting_point(p, arm, number) for arm in p.arms}
        assert points["block"] == points["conv"]
        assert points["none"].items() <= points["block"].items()


def test_the_first_starting_point_is_the_papers_and_the_others_cover_the_space() -> None:
    p = plan()
    points = [starting_point(p, p.arms[1], number) for number in range(9)]
    assert points[0] == {"train.learning_rate": 0.002, "augment.shift": 0.1, "model.se_reduction": 16}
    rate = p.space.nuisance["train.learning_rate"]
    assert isinstance(rate, Float)
    middle = rate.at(0.5)
    below = sum(float(point["train.learning_rate"] or 0) < middle for point in points[1:])
    assert 3 <= below <= 5  # quasi-random: even, not lucky


def test_a_search_of_what_the_budget_scales_begins_at_its_scale() -> None:
    p = plan("best", budget="quick")
    first = p.arm_config(p.arms[0], starting_point(p, p.arms[0], 0))
    assert first in [spec.config for spec in p.fixed_trials()]
    # A range that has no room for the budget's value begins with the paper's.
    p = plan("regularisation", budget="quick")
    dropout = next(arm for arm in p.arms if arm.name == "dropout")
    assert p.base.model.dropout == 0
    assert starting_point(p, dropout, 0)["model.dropout"] == TrialConfig().model.dropout


def test_another_study_seed_starts_elsewhere() -> None:

    def second(seed: int) -> dict[str, Value]:
        return starting_point(plan(seed=seed), plan().arms[1], 1)

    assert second(1) == second(1)
    assert second(1) != second(2)


@pytest.mark.parametrize(
    ("scheduler", "value", "earlier", "expected"),
    [
        ("none", 0.1, [0.9, 0.9, 0.9], True),
        ("asha", 0.1, [], True),
        ("asha", 0.5, [0.6, 0.4], False),  # the best of three goes on
        ("asha", 0.6, [0.6, 0.4], True),  # a tie is not worse
        ("asha", 0.5, [0.6, 0.4, 0.3], True),  # two of four
        ("median", 0.5, [0.6, 0.4], True),
        ("median", 0.49, [0.6, 0.4], False),
    ],
)
def test_a_trial_goes_on_by_its_rank_among_earlier_ones(
    scheduler: str, value: float, earlier: list[float], expected: bool
) -> None:
    assert survives(scheduler, value, np.array(earlier), 3) is expected


def test_a_study_is_judged_by_the_measure_that_is_asked_for(capsys: pytest.CaptureFixture) -> None:
    for space, asked, expected in (
        ("se_placement", [], "accuracy"),
        ("imbalance", [], "macro_f1"),
        ("imbalance", ["--measure", "balanced_accuracy"], "balanced_accuracy"),
    ):
        assert main(["--space", space, "--data", "synthetic", "--dry-run", "--json", *asked]) == 0
        assert json.loads(capsys.readouterr().out)["measure"] == expected


def test_the_measure_also_says_which_epoch_is_tested_unless_a_setting_does() -> None:
    assert plan("se_placement").base.train.monitor == "accuracy"
    assert plan("imbalance").base.train.monitor == "macro_f1"
    assert plan("imbalance", settings={"train.monitor": "last"}).base.train.monitor == "last"
    arms = plan("epoch_choice").arms
    monitors = [plan("epoch_choice").arm_config(arm, {}).train.monitor for arm in arms]
    assert monitors == [arm.name for arm in arms] == ["accuracy", "loss", "last"]


@pytest.mark.parametrize("name", space_names())
@pytest.mark.parametrize("budget", list(BUDGETS))
def test_every_space_can_be_planned(name: str, budget: str, capsys: pytest.CaptureFixture) -> None:
    dry = ["--space", name, "--data", "synthetic", "--budget", budget, "--dry-run"]
    assert main([*dry, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    space = load_space(name)
    assert [arm["arm"] for arm in shown["arms"]] == [arm.name for arm in space.arms]
    fixed = sum(arm["fixed"] for arm in shown["arms"])
    assert fixed == len(space.paper_trials())
    assert shown["trials"] == sum(arm[phase] for arm in shown["arms"] for phase in ("fixed", "search", "confirm"))
    searched = {arm["search"] for arm in shown["arms"] if arm["tuned"]}
    assert searched <= {BUDGETS[budget].trials}  # equal effort
    assert shown["cost"]["trial_hours"] > 0
    assert main(dry) == 0
    assert space.question.split()[0] in capsys.readouterr().out


def test_arms_that_are_the_same_at_a_budget_are_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """At `quick` the budget gives no dropout after the blocks."""
    path = tmp_path / "dropout.py"
    variants = '{"as_it_is": {}, "without": {"model.dropout": 0.0}}'
    path.write_text(f"from search_spaces.space import Space\nSPACE = Space('dropout', 'Any?', variants={variants})\n")
    dry = ["--space", str(path), "--data", "synthetic", "--dry-run", "--budget"]
    assert main([*dry, "quick"]) == 0
    assert "without is the same as as_it_is at this budget" in capsys.readouterr().out
    assert main([*dry, "standard"]) == 0
    assert "is the same" not in capsys.readouterr().out


def test_rungs_lie_within_the_training() -> None:
    assert plan(epochs=60).rungs == (20,)
    assert plan(epochs=2).rungs == ()
    assert plan(epochs=3).rungs == (2,)
    assert plan(epochs=5).rungs == (2,)
    assert plan(epochs=60, scheduler="none").rungs == ()
