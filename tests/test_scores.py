"""Trainings that ran elsewhere, judged by a score of any kind: an error, an overlap, a return."""

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from fer_core.data.dataset import EMOTIONS, USAGES
from fer_core.data.ferplus import CLASSES, EMOTION_COLUMNS
from fer_core.data.sources import find_source, read
from fer_core.errors import InputError
from study.analysis.findings import Findings, find
from study.judge.__main__ import main as judge
from study.records.parquet import read_table
from study.report.__main__ import main as report
from study.scale import SHARES, scores_in
from tests.conftest import ROOT
from tests.test_judge import judged, small
from tests.test_other_data import write_votes

ERROR = ("--column", "score=error", "--lower-is-better", "--unit", "years")


def errors(gain: float = 0.3, examples: int = 60) -> pd.DataFrame:
    """How far off two arms are, by seed and example; the second by `gain` less."""
    random = np.random.default_rng(3)
    hard = random.gamma(2, 2, examples)
    parts = [
        pd.DataFrame(
            {
                "arm": arm,
                "seed": seed,
                "example": range(examples),
                "error": np.abs(hard - less + random.normal(0, 0.05) + random.normal(0, 0.3, examples)),
            }
        )
        for arm, less in (("plain", 0.0), ("se", gain))
        for seed in range(5)
    ]
    return pd.concat(parts, ignore_index=True)


def numbers(found: Findings, measure: str) -> list[float]:
    (pair,) = found.comparisons
    every = [arm.estimates[measure] for arm in found.arms] + [pair.difference]
    return [
        pair.p_corrected,
        *(value for one in every for value in (one.value, one.low, one.high, one.standard_error)),
    ]


@pytest.mark.parametrize("tested", ["at once", "in turn", "by person"])
def test_a_right_answer_that_scores_one_is_judged_as_accuracy_is(tested: str, tmp_path: Path) -> None:
    frame = small()
    if tested != "at once":
        frame["fold" if tested == "in turn" else "subject"] = frame["example"] % 7
    expected = judged(frame, tmp_path / "answers")
    frame["score"] = (frame["label"] == frame["predicted"]).astype(float)
    found = judged(frame.drop(columns=["label", "predicted"]), tmp_path / "scores", "--margin", "0.0103")
    assert numbers(found, "score") == pytest.approx(numbers(expected, "accuracy"), rel=1e-12)
    assert found.evidence.units == expected.evidence.units


def test_less_is_better_where_that_is_said(tmp_path: Path) -> None:
    frame = errors()
    less = judged(frame, tmp_path / "less", *ERROR, "--claim", "0.3")
    more = judged(frame.assign(error=-frame["error"]), tmp_path / "more", "--column", "score=error", "--claim", "0.3")
    (pair,), (turned,) = less.comparisons, more.comparisons
    assert pair.difference.value == pytest.approx(-turned.difference.value)
    assert pair.difference.value < 0
    assert (pair.verdict, turned.verdict) == ("better", "better")
    assert (less.claim, more.claim) == ("replicated", "replicated")
    assert less.answer.startswith(f"With 5 seeds, se is better than plain ({pair.difference.value:.3f} years).")
    assert "The claimed gain of +0.3 years for se over plain: replicated" in less.answer


def test_a_score_in_another_unit_has_the_same_verdict(tmp_path: Path) -> None:
    frame = errors(gain=0.02)
    years = judged(frame, tmp_path / "years", *ERROR, "--margin", "0.25").comparisons[0]
    days = judged(frame.assign(error=365 * frame["error"]), tmp_path / "days", *ERROR, "--margin", f"{365 * 0.25}")
    assert days.comparisons[0].p_corrected == pytest.approx(years.p_corrected)
    bound = max(abs(years.difference.low), abs(years.difference.high))
    assert years.verdict == f"no difference larger than {scores_in('years').bound(bound)}"
    assert days.comparisons[0].verdict.startswith("no difference larger than")


@pytest.mark.parametrize("size", [1e-10, 1.0, 1e8])
def test_scores_of_any_size_are_told_apart_by_their_spread(size: float, tmp_path: Path) -> None:
    rows = [
        {"arm": arm, "seed": n, "score": size * (more + n)}
        for arm, more in (("a", 0.3), ("b", 0.4))
        for n in range(3)
    ]
    (alike,) = judged(pd.DataFrame(rows), tmp_path / "alike").comparisons
    assert alike.verdict == "undecided: all seeds say the same, which shows no spread"
    rows[0]["score"] += size / 1000
    (spread,) = judged(pd.DataFrame(rows), tmp_path / "spread").comparisons
    assert spread.verdict == "better"


def test_without_the_scores_of_examples_a_study_knows_those_of_its_trainings_and_says_so(tmp_path: Path) -> None:
    with_examples = judged(errors(), tmp_path, *ERROR).comparisons[0].difference
    (tmp_path / "study" / "scores.parquet").write_bytes(b"no table")
    (found,) = find([tmp_path / "study"])
    difference = found.comparisons[0].difference
    assert (difference.value, difference.over_images) == (pytest.approx(with_examples.value), False)
    assert any("scores.parquet: cannot be read" in text and "seeds alone" in text for text in found.evidence.missing)


def test_without_a_margin_no_score_is_said_to_make_no_difference(tmp_path: Path) -> None:
    found = judged(errors(gain=0.0), tmp_path, *ERROR)
    assert found.evidence.margin == 0
    assert found.comparisons[0].verdict.startswith("undecided")
    assert report([str(tmp_path / "study")]) == 0
    assert "No difference larger than x" not in (tmp_path / "study" / "report" / "index.html").read_text("utf-8")


def test_scores_of_whole_trainings_are_judged_by_students_t_over_the_pairs(tmp_path: Path) -> None:
    values = {"a": [23.41, 23.6, 23.11, 23.38], "b": [22.1, 22.7, 22.05, 22.3]}
    rows = [{"arm": arm, "seed": n, "test/mae": one} for arm in values for n, one in enumerate(values[arm])]
    found = judged(pd.DataFrame(rows), tmp_path, "--column", "score=test/mae", "--lower-is-better")
    (pair,), expected = found.comparisons, ttest_rel(values["b"], values["a"])
    assert pair.p_corrected == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval()
    assert [pair.difference.low, pair.difference.high] == pytest.approx([interval.low, interval.high])
    assert (pair.verdict, pair.difference.over_images) == ("better", False)
    assert found.evidence.judged_by.title == "test/mae"


def test_the_report_speaks_of_the_score_in_its_unit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = judged(errors(), tmp_path, *ERROR, "--claim", "0.3")
    assert report([str(tmp_path / "study")]) == 0
    page = (tmp_path / "study" / "report" / "index.html").read_text(encoding="utf-8")
    assert "Differences in test error in years, paired by seed and test example" in page
    assert "The less error the better" in page
    assert "60 examples" in page
    for absent in ("points", "per cent", " %)", "McNemar", "macro F1", "accuracy"):
        assert absent not in page
    value = found.arms[0].estimates["score"].value
    assert f"{value:.3f} years" in page
    assert f"{value:.3f} years" in capsys.readouterr().out
    arms, comparisons = (pq.read_table(tmp_path / "study" / f"{name}.parquet") for name in ("arms", "comparisons"))
    assert arms["test_score"][0].as_py() == pytest.approx(value)
    assert comparisons["test_score_difference"][0].as_py() == comparisons["difference"][0].as_py()
    assert comparisons["measure"][0].as_py() == "score"
    latex = (tmp_path / "study" / "report" / "comparisons.tex").read_text()
    assert "Differences in years" in latex


def test_classes_are_judged_where_a_table_has_both_unless_a_score_is_named(tmp_path: Path) -> None:
    frame = small().assign(score=0.5)
    frame.loc[frame["arm"] == "b", "score"] += frame["seed"] / 10
    assert judged(frame, tmp_path / "classes").evidence.measure == "accuracy"
    assert judged(frame, tmp_path / "scores", "--column", "score=score").evidence.measure == "score"


def test_what_judges_is_not_changed_where_it_was_judged_before(tmp_path: Path) -> None:
    frame = errors()
    judged(frame, tmp_path, *ERROR)
    judged(frame, tmp_path, *ERROR)
    with pytest.raises(InputError, match="was judged there by error in years, less being better, and not by error"):
        judged(frame, tmp_path, "--column", "score=error")


def test_studies_by_different_scores_are_not_pooled(tmp_path: Path) -> None:
    frame = errors()
    judged(frame, tmp_path / "one", *ERROR)
    judged(frame.rename(columns={"error": "loss"}), tmp_path / "other", "--column", "score=loss", "--lower-is-better")
    assert len(find([tmp_path / "one" / "study", tmp_path / "other" / "study"])) == 2


def as_many_as_fer2013(folder: Path) -> Path:
    """Black images in FER2013's place, with labels that are drawn."""
    usages = np.repeat(USAGES[:3], (28_709, 3_589, 3_589))
    emotions = np.random.default_rng(0).integers(0, 7, len(usages))
    table = pa.table({"usage": usages, "emotion": emotions, "pixels": [bytes(48 * 48)] * len(usages)})
    pq.write_table(table, folder / "fer2013.parquet")
    return folder / "fer2013.parquet"


def test_the_example_scores_a_recorded_studys_answers(tmp_path: Path) -> None:
    """Where all annotators agree, what they said is as far from an answer as its logarithmic loss."""
    data = str(as_many_as_fer2013(tmp_path))
    faces = read(find_source(data))
    named = [EMOTION_COLUMNS[CLASSES.index(EMOTIONS[label])] for label in faces.labels]
    votes = write_votes(tmp_path / "fer2013new.csv", faces, [{name: 10} for name in named])
    example = runpy.run_path(str(ROOT / "docs" / "examples" / "votes.py"))
    example["main"](data, str(votes), str(tmp_path / "votes.csv"))
    scored = pd.read_csv(tmp_path / "votes.csv")
    trials, answers = (read_table(example["STUDY"], name) for name in ("trials", "predictions"))
    answers = answers[answers["trial"].isin(trials.query("phase == 'confirm'")["trial"])]
    said = np.stack(answers["probabilities"].to_list())[np.arange(len(answers)), faces.labels[answers["image"]]]
    assert scored["divergence"].mean() == pytest.approx(-np.log(said.astype(float)).mean(), rel=1e-5)
    options = ("--column", "score=divergence", "--lower-is-better", "--unit", "nats")
    assert judge([str(tmp_path / "votes.csv"), *options, "--out", str(tmp_path / "study")]) == 0


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("", "row 3: error is empty, expected a number."),
        ("nan", "row 3: error is empty, expected a number."),
        ("inf", "row 3: error is inf, expected a number."),
        ("far", "the column error is string, expected numbers."),
    ],
)
def test_a_score_that_is_no_number_is_named(cell: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "errors.csv"
    file.write_text(f"arm,seed,example,error\na,1,x,1.5\na,1,y,2\nb,1,x,{cell}\nb,1,y,1\n")
    with pytest.raises(InputError) as refused:
        judge([str(file), *ERROR, "--out", str(tmp_path / "study")])
    assert message in str(refused.value)
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--lower-is-better",), "--lower-is-better: is of a score, and judged is accuracy"),
        (("--unit", "years"), "--unit: is of a score, and judged is accuracy"),
        (("--margin", "-1"), "--margin -1: '-1', expected a number of points above 0"),
        (("--column", "score=sure", "--claim", "b=much"), "--claim b=much: 'much', expected a number above 0"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options: tuple[str, ...], message: str, tmp_path: Path) -> None:
    small().assign(sure=0.5).to_csv(tmp_path / "answers.csv", index=False)
    with pytest.raises(InputError) as refused:
        judge([str(tmp_path / "answers.csv"), "--out", str(tmp_path / "study"), *options])
    assert message in str(refused.value)


@given(st.floats(0, 1))
def test_shares_are_written_in_per_cent_and_points(fraction: float) -> None:
    assert SHARES.value(fraction) == f"{100 * fraction:.2f} %"
    assert SHARES.gap(-fraction) == f"{-100 * fraction:+.2f}"


@given(st.floats(1e-4, 1e9))
def test_a_score_is_written_to_three_digits_and_bounded_from_above(gap: float) -> None:
    scale = scores_in("s")
    written = float(scale.gap(-gap).replace(",", ""))
    assert written == pytest.approx(-gap, rel=0.0051, abs=0.5 if gap >= 100 else 0)
    digits, unit = scale.bound(gap).split(" ")
    assert unit == "s"
    assert gap * (1 - 1e-5) <= float(digits.replace(",", "")) <= gap * 1.011 + (1 if gap >= 100 else 0)
