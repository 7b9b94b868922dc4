"""Spaces: arms, what is tuned in each, and clear words for a mistake."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_core.errors import InputError
from search_spaces.catalogue import load_space, space_names
from search_spaces.space import Choice, Float, Int, Space
from study import spaces


@pytest.mark.parametrize("name", space_names())
def test_every_space_is_a_question_with_its_command(name: str) -> None:
    space = load_space(name)
    module = __import__(f"search_spaces.{name}", fromlist=["SPACE"])
    assert space.name == name
    assert space.question.endswith("?")
    assert f"--space {name}" in module.__doc__
    assert {"Command:", "Cost:", "Outcome:"} <= set(module.__doc__.split())


def test_se_placement_tunes_the_reduction_only_where_there_is_an_se_block() -> None:
    space = load_space("se_placement")
    assert [arm.name for arm in space.arms] == ["none", "block", "conv"]
    tuned = {arm.name: set(space.tuned_in(arm)) for arm in space.arms}
    assert tuned["none"] == {"train.learning_rate", "augment.shift"}
    assert tuned["block"] == tuned["conv"] == {*tuned["none"], "model.se_reduction"}


def test_the_papers_two_models_lie_in_their_arms() -> None:
    found = {title: arm.name for title, arm in load_space("se_placement").paper_trials()}
    assert found == {"original CNN": "none", "CNN with SE blocks": "block"}


def test_the_paper_space_compares_protocols_and_holds_the_papers_models_in_its_own() -> None:
    space = load_space("paper")
    assert [arm.name for arm in space.arms] == ["none-paper", "none-challenge", "block-paper", "block-challenge"]
    assert space.protocols("holdout") == ("paper", "challenge")
    found = {title: arm.name for title, arm in space.paper_trials()}
    assert found == {"original CNN": "none-paper", "CNN with SE blocks": "block-paper"}
    assert not any(space.tuned_in(arm) for arm in space.arms)


def test_a_configuration_outside_the_ranges_is_not_in_the_space() -> None:
    far = Space("far", "Far?", {"model.se_placement": ("none", "block")}, {"train.learning_rate": Float(0.01, 0.1)})
    assert far.paper_trials() == []


def test_arms_are_all_combinations_of_the_factors() -> None:
    factors = {"model.se_placement": ("none", "block"), "model.batch_norm": (True, False)}
    space = Space("two", "Two?", factors, {"augment.shift": Float(0, 0.1)})
    assert [arm.name for arm in space.arms] == ["none-True", "none-False", "block-True", "block-False"]


@given(st.floats(0, 1), st.floats(1e-6, 1), st.floats(1.1, 100), st.booleans())
def test_a_float_stays_within_its_range(unit: float, low: float, ratio: float, log: bool) -> None:
    parameter = Float(low, low * ratio, log=log)
    assert all(parameter.contains(parameter.at(u)) for u in (0.0, unit, 1.0))


@given(st.floats(0, 1), st.integers(-5, 5), st.integers(0, 9))
def test_an_int_and_a_choice_give_only_their_values(unit: float, low: int, size: int) -> None:
    assert Int(low, low + size).contains(Int(low, low + size).at(unit))
    choice = Choice(tuple(range(size + 1)))
    assert choice.contains(choice.at(unit))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"scientific": {"model.depth": (1, 2)}}, "model.depth: no such setting"),
        ({"scientific": {"model.se_placement": ("none", "here")}}, "model.se_placement=here"),
        ({"nuisance": {"augment.shift": Float(0, 0.9)}}, "augment.shift=0.9: expected a number"),
        ({"fixed": {"model.se_placement": "none"}}, "model.se_placement stands in it twice"),
        (
            {"nuisance": {"augment.shift": Float(0, 0.1, when={"model.width": (1.0,)})}},
            "depends on model.width, which is no scientific factor",
        ),
        ({"variants": {"a": {"model.se_placement": "none"}}}, "model.se_placement stands in it twice"),
        ({"variants": {"a": {"model.width": "wide"}}}, "model.width=wide"),
        (
            {"variants": {"a": {"augment.shift": 0.1}}, "nuisance": {"augment.shift": Float(0, 0.1)}},
            "augment.shift is both given and tuned in the arm none-a",
        ),
        ({"measure": "recall"}, "measure recall, expected accuracy, macro_f1, balanced_accuracy"),
    ],
)
def test_a_mistake_in_a_space_is_named(arguments: dict, complaint: str) -> None:
    parts = {"scientific": {"model.se_placement": ("none", "block")}, "nuisance": {}, **arguments}
    with pytest.raises(InputError, match=complaint):
        Space("wrong", "Wrong?", **parts)


def test_variants_are_crossed_with_the_factors_and_compared_within_one() -> None:
    space = load_space("paper_gaps")
    assert len(space.arms) == 2 * len(space.variants)
    groups = [[arm.name for arm in group] for group in space.comparable()]
    assert groups[0] == ["none-as_assumed", "block-as_assumed"]
    assert all(len(group) == 2 for group in groups)


def test_variants_without_factors_are_the_alternatives() -> None:
    space = load_space("regularisation")
    assert [[arm.name for arm in group] for group in space.comparable()] == [list(space.variants)]
    tuned = {arm.name: set(space.tuned_in(arm)) for arm in space.arms}
    assert tuned["none"] == tuned["flip"] == {"train.learning_rate"}
    assert tuned["dropout"] == {"train.learning_rate", "model.dropout", "model.dense_dropout"}
    assert [(title, arm.name) for title, arm in space.paper_trials()] == [("original CNN", "dropout")]


def test_a_hyperparameter_may_depend_on_another() -> None:
    space = load_space("best")
    (arm,) = space.arms
    assert arm.name == "all"
    highest = space.draw(arm, lambda name, parameter: parameter.at(0.999))
    assert highest["model.se_placement"] == "conv"
    assert "model.se_reduction" in highest
    assert "train.weight_decay" not in highest  # the optimiser is the last of its choices, SGD
    lowest = space.draw(arm, lambda name, parameter: parameter.at(0.0))
    assert "model.se_reduction" not in lowest
    assert "train.weight_decay" in lowest
    assert {title for title, _ in space.paper_trials()} == {"original CNN", "CNN with SE blocks"}


@pytest.mark.parametrize("name", space_names())
def test_every_space_can_be_shown(name: str, capsys: pytest.CaptureFixture) -> None:
    assert spaces.main([name]) == 0
    out = capsys.readouterr().out
    space = load_space(name)
    assert all(arm.name in out for arm in space.arms)
    assert all(setting in out for setting in space.nuisance)
    assert spaces.main([]) == 0
    assert space.question in capsys.readouterr().out


def test_an_installed_package_can_offer_a_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theirs.py").write_text(OWN_SPACE)
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[fer_study.spaces]\nown = theirs:SPACE\nbroken = theirs:nothing\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert {"own", "broken"} <= set(space_names())
    assert load_space("own").question == "Does the shift help?"
    with pytest.raises(InputError, match=r"space broken \(theirs:nothing, of theirs\): AttributeError"):
        load_space("broken")


OWN_SPACE = """
from search_spaces.space import Float, Space

SPACE = Space(
    name="own",
    question="Does the shift help?",
    scientific={"augment.shift": (0.0, 0.1)},
    nuisance={"train.learning_rate": Float(1e-4, 1e-2, log=True)},
)
"""


def test_a_users_own_space_is_a_python_file(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(OWN_SPACE)
    assert [arm.name for arm in load_space(str(path)).arms] == ["0.0", "0.1"]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("augment.shift", "augment.shfit", r"own\.py, line 4: InputError: augment\.shfit: no such setting"),
        ("Float(1e-4", "Float(1e-4,", r"own\.py, line 8: SyntaxError"),
        ("SPACE =", "space =", "defines no SPACE"),
    ],
)
def test_a_mistake_in_a_users_space_is_reported_with_its_line(
    old: str, new: str, complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "own.py"
    path.write_text(OWN_SPACE.replace(old, new))
    with pytest.raises(InputError, match=complaint):
        load_space(str(path))


def test_an_unknown_space_is_answered_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such space\. There are: best, epoch_choice, imbalance, learning_rate"):
        load_space("se_placment")
    with pytest.raises(InputError, match="no such file"):
        load_space(str(tmp_path / "missing.py"))
