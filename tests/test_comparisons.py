"""From a study's folder to its comparisons and its answer."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from fer_core.config import TrialConfig
from study.analysis.estimate import Observed, estimate
from study.analysis.findings import Findings, find, findings
from study.report.tables import comparison_rows
from tests.conftest import ROOT
from tests.made import make_study


def found_in(folder: Path) -> Findings:
    (found,) = find([folder])
    return found


def test_every_pair_is_compared_with_the_earlier_arm_as_the_baseline(tmp_path: Path) -> None:
    found = found_in(make_study(tmp_path, {"none": 0.5, "block": 0.6, "conv": 0.7}))
    assert [(one.baseline, one.arm) for one in found.comparisons] == [
        ("none", "block"),
        ("none", "conv"),
        ("block", "conv"),
    ]


def test_a_difference_is_paired_by_seed_and_image(tmp_path: Path) -> None:
    found = found_in(make_study(tmp_path, {"none": 0.5, "block": 0.6}))
    ours, theirs = (arm.confirmations for arm in reversed(found.arms))
    answers = found.evidence.answers
    gaps = np.array(
        [
            answers[a].correct.astype(float) - answers[b].correct
            for a, b in zip(ours["trial"], theirs["trial"], strict=True)
        ]
    )
    expected = estimate(Observed(gaps.mean(axis=1), gaps))
    got = found.comparisons[0].difference
    assert (got.value, got.low, got.high) == (
        pytest.approx(expected.value),
        pytest.approx(expected.low),
        pytest.approx(expected.high),
    )


def test_mcnemar_is_the_binomial_test_of_the_answers_that_differ(tmp_path: Path) -> None:
    found = found_in(make_study(tmp_path, {"none": 0.4, "block": 0.6}))
    (one,) = found.comparisons
    assert len(one.mcnemar) == 3
    for (study, seed), p in one.mcnemar.items():
        pair = [found.evidence.answers[arm.confirmations.at[(study, seed), "trial"]].correct for arm in found.arms]
        only_first, only_second = int((pair[0] & ~pair[1]).sum()), int((~pair[0] & pair[1]).sum())
        assert p == pytest.approx(stats.binomtest(only_first, only_first + only_second).pvalue)


def test_holm_corrects_over_all_pairs(tmp_path: Path) -> None:
    found = found_in(make_study(tmp_path, {"none": 0.5, "block": 0.55, "conv": 0.62}))
    p_values = [one.difference.p_value for one in found.comparisons]
    order = np.argsort(p_values)
    by_hand = np.maximum.accumulate([(3 - rank) * p_values[at] for rank, at in enumerate(order)])
    for rank, at in enumerate(order):
        assert found.comparisons[at].p_corrected == pytest.approx(min(1.0, by_hand[rank]))


def test_holm_is_that_of_a_published_example() -> None:
    """Benjamini and Hochberg (1995), section 4.1: of 15 p-values Holm's procedure rejects three at 0.05."""
    published = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719]
    published += [0.6528, 0.7590, 1.0000]
    assert multipletests(published, alpha=0.05, method="holm")[0].sum() == 3


def test_only_seeds_that_both_arms_have_are_paired(tmp_path: Path) -> None:
    make_study(tmp_path / "a", {"none": 0.5}, seeds=(1, 2, 3))
    make_study(tmp_path / "b", {"block": 0.6}, seeds=(2, 3, 4))
    record = json.loads((tmp_path / "a" / "study.json").read_text()) | {"arms": ["none", "block"]}
    for folder in ("a", "b"):
        (tmp_path / folder / "study.json").write_text(json.dumps(record | {"comparable": [["none", "block"]]}))
    (found,) = find([tmp_path / "a", tmp_path / "b"])
    assert found.comparisons == []  # seeds of different studies are no pairs
    assert [arm.seeds for arm in found.arms] == [3, 3]


def test_a_study_from_before_a_setting_came_is_pooled_with_those_since(tmp_path: Path) -> None:
    """What it had in effect is filled in, in whatever order its record has the settings."""
    arms = {"none": 0.4, "block": 0.6}
    settings = dict(reversed(TrialConfig().flat().items()))
    for name in ("data.side", "train.targets", "data.folds"):
        del settings[name]
    one = make_study(tmp_path / "one", arms, settings=settings)
    two = make_study(tmp_path / "two", arms, seeds=(1_200_000,), seed=1)
    (pooled,) = find([one, two])
    assert [arm.seeds for arm in pooled.arms] == [4, 4]


def test_studies_with_other_code_of_the_users_own_are_not_pooled(tmp_path: Path) -> None:
    for name, code in {"a": ["1"], "b": ["1"], "c": ["2"], "d": ["1", "2"]}.items():
        make_study(tmp_path / name, {"none": 0.5, "block": 0.6}, code=code)
    found = find([tmp_path / name for name in "abcd"])
    assert [len(one.evidence.folders) for one in found] == [2, 1, 1]


def test_studies_with_another_margin_are_not_pooled(tmp_path: Path) -> None:
    for name, said in {"a": {}, "b": {}, "c": {"margin": 0.05}}.items():
        make_study(tmp_path / name, {"none": 0.5, "block": 0.6}, **said)
    found = find([tmp_path / name for name in "abc"])
    assert [len(one.evidence.folders) for one in found] == [2, 1]
    assert [one.evidence.margin for one in found] == [0.0103, 0.05]


def test_a_clear_difference_is_called_better_and_the_answer_says_so(tmp_path: Path) -> None:
    found = found_in(make_study(tmp_path, {"none": 0.3, "block": 0.9}))
    assert found.comparisons[0].verdict == "better"
    assert found.answer.startswith("With 3 seeds, block is better than none (+")
    assert found.claim == "exceeded"  # far beyond the paper's gain


@pytest.mark.parametrize(
    ("names", "compared", "answer"),
    [
        (("0", "1"), ["layers"], "With 3 seeds, layers 1 is better than 0 (+"),
        (("False", "True"), ["mirrored"], "With 3 seeds, mirrored True is better than False (+"),
        (("1e-05", "0.1"), ["decay"], "With 3 seeds, decay 0.1 is better than 1e-05 (+"),
        (("none", "block"), ["model.se_placement"], "With 3 seeds, block is better than none (+"),
        (("1-a", "2-a"), ["layers", "kind"], "With 3 seeds, 2-a is better than 1-a (+"),
    ],
)
def test_an_arm_that_is_called_by_a_bare_number_is_named_with_its_factor(
    names: tuple[str, str], compared: list[str], answer: str, tmp_path: Path
) -> None:
    study = make_study(tmp_path, dict(zip(names, (0.3, 0.9), strict=True)), compared=compared)
    assert found_in(study).answer.startswith(answer)


def test_arms_are_compared_within_their_group_alone(tmp_path: Path) -> None:
    arms = {"none-a": 0.5, "block-a": 0.5, "none-b": 0.5, "block-b": 0.5}
    groups = [["none-a", "block-a"], ["none-b", "block-b"]]
    found = found_in(make_study(tmp_path, arms, comparable=groups))
    assert [(one.baseline, one.arm) for one in found.comparisons] == [("none-a", "block-a"), ("none-b", "block-b")]


def test_a_claim_that_only_its_own_interval_bears_out_is_said_to() -> None:
    found = found_in(ROOT / "results" / "reference" / "se_placement-fer2013-full")
    assert found.answer == (
        "No arm can be told from none with 5 seeds. The paper's gain of +1.03 points for SE per block: replicated by "
        "this one pair's interval, +0.39 to +2.67 (p = 0.053 once corrected for all pairs)."
    )


def test_a_study_is_judged_by_the_claim_of_its_space(tmp_path: Path) -> None:
    claim = {"arm": "new", "baseline": "old", "points": 6.0, "whose": "Doe's"}
    found = found_in(make_study(tmp_path / "a", {"old": 0.5, "new": 0.5}, claim=claim, images=2000))
    assert found.evidence.margin == 0.06
    assert found.comparisons[0].verdict.startswith("no difference larger than")  # than six points, not than 1.03
    assert found.answer.endswith("Doe's gain of +6.00 points for new over old: contradicted.")
    high = 100 * found.comparisons[0].difference.high
    near = claim | {"points": round(high, 2) - 0.01, "whose": "the claimed", "what": "novelty"}
    again = found_in(make_study(tmp_path / "b", {"old": 0.5, "new": 0.5}, claim=near, images=2000))
    assert "The claimed gain of" in again.answer
    assert "points for novelty: undecided" in again.answer


def test_a_claim_of_another_measure_is_judged_by_that(tmp_path: Path) -> None:
    claim = {"arm": "new", "baseline": "old", "points": 90.0, "measure": "macro_f1"}
    found = found_in(make_study(tmp_path, {"old": 0.5, "new": 0.9}, claim=claim))
    assert found.comparisons[0].verdict == "better"
    assert found.claim == "contradicted"
    (row,) = comparison_rows([found])
    assert (row["arm"], row["claim"]) == ("new", "contradicted")


def test_the_answer_says_what_the_data_were(tmp_path: Path) -> None:
    drawn = found_in(make_study(tmp_path / "a", {"none": 0.5, "block": 0.5}, data="synthetic"))
    assert drawn.answer.endswith("These are drawn faces: they say nothing of FER2013.")
    assert drawn.claim is None
    real = found_in(make_study(tmp_path / "b", {"none": 0.5, "block": 0.5}))
    assert "The paper's gain of +1.03 points for SE per block: undecided." in real.answer
    settings = real.evidence.record["settings"] | {"model.width": 0.5}
    narrow = found_in(make_study(tmp_path / "c", {"none": 0.5, "block": 0.5}, settings=settings))
    assert narrow.answer.endswith("(at this reduced scale).")


def test_an_arm_is_what_its_winner_came_to(tmp_path: Path) -> None:
    found = found_in(make_study(tmp_path, {"none": 0.5}, search=4))
    (arm,) = found.arms
    assert (arm.effort.trials, arm.effort.completed, arm.effort.epochs) == (4, 4, 12)
    assert arm.tuned == ("train.learning_rate",)
    assert arm.config is not None
    assert arm.config["train.learning_rate"] == 0.002
    assert arm.validation == pytest.approx(0.6)
    assert arm.untuned == (pytest.approx(0.5775), pytest.approx(0.585), pytest.approx(0.5925))
    assert arm.seeds == 3
    assert arm.parameters == 55_000
    assert arm.estimates["accuracy"].value == pytest.approx(arm.confirmations["test_accuracy"].mean())
    assert found.answer.startswith("One arm, nothing to compare: test accuracy ")


def test_where_arms_were_searched_again_the_searches_are_what_was_repeated(tmp_path: Path) -> None:
    found = found_in(make_study(tmp_path, {"none": 0.5, "block": 0.6}, searches=3, seeds=(200_000, 200_001)))
    none, block = found.arms
    assert [(arm.searches, arm.seeds) for arm in found.arms] == [(3, 6)] * 2
    assert len(block.winners) == len(block.configs) == 3
    assert [config["train.learning_rate"] for config in block.configs] == [0.002, 0.0005, 0.001]
    assert block.config == block.configs[0], "the best by validation"
    assert block.validation == pytest.approx((0.6 + 0.599 + 0.598) / 3)
    (one,) = found.comparisons
    gaps = block.confirmations["test_accuracy"] - none.confirmations["test_accuracy"]
    by_search = gaps.to_numpy().reshape(3, 2).mean(axis=1)
    assert one.difference.value == pytest.approx(by_search.mean())
    assert one.difference.repeat_variance == pytest.approx(by_search.var(ddof=1) / 3)
    assert (one.difference.seeds, one.difference.searches) == (6, 3)
    assert found.luck.seed == pytest.approx(one.difference.seed_sd)
    assert len(one.mcnemar) == 6
    assert "3 searches of 2 seeds each" in found.answer


def test_studies_with_other_seeds_are_other_searches(tmp_path: Path) -> None:
    """The same numbers as in one study that was searched twice."""
    arms, seeds = {"none": 0.5, "block": 0.6}, (200_000, 200_001)
    (whole,) = find([make_study(tmp_path / "whole", arms, searches=2, seeds=seeds)])
    folders = [make_study(tmp_path / name, arms, searches=2, seeds=seeds) for name in ("one", "two")]
    for which, folder in enumerate(folders):
        trials = pd.read_parquet(folder / "trials.parquet")
        trials[trials["search"] == which].assign(search=0).to_parquet(folder / "trials.parquet")
    (pooled,) = find(folders)
    assert [arm.searches for arm in pooled.arms] == [2, 2]
    for ours, theirs in zip(pooled.comparisons, whole.comparisons, strict=True):
        assert ours.difference == theirs.difference


def test_searches_of_a_study_that_tunes_nothing_are_seeds(tmp_path: Path) -> None:
    study = make_study(tmp_path, {"none": 0.5, "block": 0.6}, searches=2, search=0)
    trials = pd.read_parquet(study / "trials.parquet")
    settings = trials.loc[0, ["config.train.learning_rate"]].to_dict()
    digests = trials.groupby("arm")["trial"].transform("first").str.partition("-")[0]
    same = digests + "-" + trials["seed"].astype(str)
    answers = pd.read_parquet(study / "predictions.parquet")
    answers["trial"] = answers["trial"].map(dict(zip(trials["trial"], same, strict=True)))
    answers.to_parquet(study / "predictions.parquet")
    trials.assign(trial=same, **settings).to_parquet(study / "trials.parquet")
    found = found_in(study)
    assert [arm.seeds for arm in found.arms] == [6, 6]
    assert found.comparisons[0].difference.searches is None
    assert "6 seeds" in found.answer


@pytest.mark.parametrize("status", ["running", "interrupted", "failed", "complete", "out of time"])
def test_an_answer_before_the_end_is_called_one_so_far(status: str, tmp_path: Path) -> None:
    found = found_in(make_study(tmp_path / "study", {"none": 0.5, "block": 0.6}, status=status))
    assert found.answer.startswith("So far: ") == (status not in ("complete", "out of time"))


def test_confirmations_that_did_not_end_well_are_said_to_be_left_out(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", {"none": 0.5, "block": 0.6})
    assert not found_in(study).left_out
    trials = pd.read_parquet(study / "trials.parquet")
    trials.loc[(trials["arm"] == "block") & (trials["seed"] == 200_001), "status"] = "diverged"
    trials.to_parquet(study / "trials.parquet")
    found = found_in(study)
    (text,) = found.left_out
    assert text.startswith("block: 1 of 3 confirmations failed or diverged")
    assert found.comparisons[0].difference.seeds == 2


def test_an_older_winners_confirmation_does_not_count(tmp_path: Path) -> None:
    """A study that grew has a new winner; the old one's confirmation stays in the table."""
    make_study(tmp_path / "grown", {"none": 0.5})
    found = found_in(tmp_path / "grown")
    trials = found.evidence.trials.copy()
    trials.loc[(trials["phase"] == "search") & (trials["number"] == 1), "val_accuracy"] = 0.9
    assert findings(replace(found.evidence, trials=trials)).arms[0].seeds == 0
