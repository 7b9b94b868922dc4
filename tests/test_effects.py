"""Main effects of crossed factors: against the pairs that they average, and against a study drawn with known ones."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from search_spaces.catalogue import load_space
from study.analysis.effects import level_means
from study.analysis.findings import Findings, find
from study.records.folder import space_record
from study.records.parquet import read_table
from study.report.write import Request, write_report
from tests.made import make_study

# Two factors: the rate decides, the placement hardly.
ACCURACY = {"slow-none": 0.30, "slow-block": 0.31, "fast-none": 0.60, "fast-block": 0.61}
Factors = dict[str, dict[str, list[str]]]
FACTORS: Factors = {
    "train.learning_rate": {"slow": ["slow-none", "slow-block"], "fast": ["fast-none", "fast-block"]},
    "model.se_placement": {"none": ["slow-none", "fast-none"], "block": ["slow-block", "fast-block"]},
}


def crossed_study(folder: Path, accuracies: dict[str, float], factors: Factors, **more: object) -> Findings:
    groups = [list(group) for values in factors.values() for group in zip(*values.values(), strict=True)]
    arguments = {"comparable": groups, "factors": factors, "images": 1400, **more}
    (found,) = find([make_study(folder, accuracies, **arguments)])  # type: ignore[arg-type]
    return found


def crossed(folder: Path, **more: object) -> Findings:
    return crossed_study(folder, ACCURACY, FACTORS, **more)


def test_an_effect_is_the_mean_of_the_pairs_that_differ_in_the_same_way(tmp_path: Path) -> None:
    found = crossed(tmp_path)
    pairs = {(one.arm, one.baseline): one.difference for one in found.comparisons}
    assert len(pairs) == 4  # one factor at a time: none of fast-block and slow-none
    rate, placement = found.effects
    assert (rate.factor, rate.value, rate.baseline, rate.pairs) == ("train.learning_rate", "fast", "slow", 2)
    halves = [pairs["fast-none", "slow-none"], pairs["fast-block", "slow-block"]]
    assert rate.difference.value == pytest.approx(np.mean([half.value for half in halves]))
    assert rate.difference.over_images
    assert rate.difference.low < 0.3 < rate.difference.high  # as drawn
    assert rate.verdict == "better"
    assert placement.difference.value == pytest.approx(0.01, abs=0.02)


def test_the_spread_over_seeds_is_that_of_the_means(tmp_path: Path) -> None:
    """By hand, from the table of trials: seed by seed the mean over the pairs, then Student over the seeds."""
    found = crossed(tmp_path)
    trials = read_table(tmp_path, "trials").query("phase == 'confirm'")
    by_seed = trials.pivot_table("test_accuracy", "seed", "arm")
    gains = (by_seed["fast-none"] + by_seed["fast-block"] - by_seed["slow-none"] - by_seed["slow-block"]) / 2
    effect = found.effects[0].difference
    assert effect.seeds == 3
    assert effect.value == pytest.approx(gains.mean())
    assert effect.repeat_variance == pytest.approx(gains.var(ddof=1) / 3)


def test_the_answer_is_of_the_effects(tmp_path: Path) -> None:
    assert crossed(tmp_path).answer.startswith(
        "With 3 seeds, on the mean over what else is compared: train.learning_rate fast is better than slow (+"
    )
    assert "model.se_placement block cannot be told from none." in crossed(tmp_path).answer


def test_nothing_told_apart_is_said_of_every_factor(tmp_path: Path) -> None:
    same = dict.fromkeys(ACCURACY, 0.5)
    found = crossed_study(tmp_path, same, FACTORS)
    expected = "Nothing can be told from train.learning_rate slow or model.se_placement none with 3 seeds"
    assert found.answer.startswith(expected)


def test_what_one_arm_lacks_is_left_out_of_all_that_is_averaged(tmp_path: Path) -> None:
    found = crossed(tmp_path, failed=("slow-block",))
    rate, placement = found.effects
    assert rate.pairs == placement.pairs == 1
    (pair,) = (one for one in found.comparisons if one.arm == "fast-none")
    assert repr(rate.difference) == repr(pair.difference)  # a NaN is not equal to itself
    means = level_means(found.evidence, found.arms, "model.se_placement")
    assert list(means) == ["none", "block"]
    assert means["block"].value == pytest.approx(0.61, abs=0.04)  # fast-block alone


def test_where_the_first_value_was_not_tested_the_others_are_compared(tmp_path: Path) -> None:
    arms = ["a-none", "a-block", "b-none", "b-block", "c-none", "c-block"]
    factors = {"one": {value: [f"{value}-none", f"{value}-block"] for value in "abc"}}
    found = crossed_study(tmp_path, dict.fromkeys(arms, 0.5), factors, failed=arms[:2])
    assert [(one.value, one.baseline) for one in found.effects] == [("c", "b")]
    assert found.answer.startswith("Nothing can be told from one b with 3 seeds, on the mean over what else")


def test_a_study_without_a_confirmation_has_none(tmp_path: Path) -> None:
    found = crossed(tmp_path, seeds=())
    assert found.effects == []
    assert level_means(found.evidence, found.arms, "model.se_placement") == {}


def test_the_report_shows_them(tmp_path: Path) -> None:
    write_report(Request(crossed(tmp_path / "study").evidence.folders, tmp_path / "report"))
    table = pd.read_parquet(tmp_path / "report" / "effects.parquet").set_index("factor")
    rate = table.loc["train.learning_rate", ["value", "baseline", "pairs", "seeds"]]
    assert rate.tolist() == ["fast", "slow", 2, 3]
    assert (table["effects"] == 2).all()
    assert (tmp_path / "report" / "factors.png").stat().st_size > 0
    page = (tmp_path / "report" / "index.html").read_text()
    assert "What each value does on the mean" in page
    assert "train.learning_rate fast - slow" in page


def test_a_study_that_crosses_nothing_has_neither_table_nor_complaint(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", {"none": 0.5, "block": 0.5})
    write_report(Request([study], tmp_path / "report"))
    assert not (tmp_path / "report" / "effects.parquet").exists()
    assert "Over the values that are compared" not in (tmp_path / "report" / "index.html").read_text()


def test_of_an_older_study_the_space_is_asked(tmp_path: Path) -> None:
    """One that recorded all its arms as one group, and no factors."""
    arms = [arm.name for arm in load_space("shift").arms]
    study = make_study(tmp_path / "known", dict.fromkeys(arms, 0.5), space="shift")
    (found,) = find([study])
    assert (len(found.comparisons), len(found.effects)) == (25, 11)
    unknown = make_study(tmp_path / "unknown", dict.fromkeys(arms[:3], 0.5))
    (found,) = find([unknown])
    assert (len(found.comparisons), len(found.effects)) == (3, 0)


def test_a_space_records_what_it_crosses() -> None:
    shift = space_record(load_space("shift"))
    assert shift["factors"]["augment.shift"]["0.05"] == ["0.05-none", "0.05-block"]
    assert shift["factors"]["model.se_placement"]["block"][:2] == ["0.0-block", "0.05-block"]
    assert ["0.0-none", "0.05-none", "0.1-none", "0.2-none", "0.3-none"] in shift["comparable"]
    assert ["0.1-none", "0.1-block"] in shift["comparable"]
    gaps = space_record(load_space("paper_gaps"))
    assert list(gaps["factors"]) == ["model.se_placement"]
    assert len(gaps["factors"]["model.se_placement"]["none"]) == 12
    for name in ("se_placement", "regularisation", "best", "paper"):  # nothing crossed; the protocols test others
        assert space_record(load_space(name))["factors"] == {}
