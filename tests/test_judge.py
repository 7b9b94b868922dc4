"""`study.judge`: trainings that ran elsewhere are judged as a study's own."""

import gzip
import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t, ttest_rel

from fer_core.errors import InputError
from study.analysis.findings import Findings, find
from study.export import main as export
from study.judge.__main__ import main as judge
from study.records.folder import read_study
from study.records.parquet import read_table
from study.report.__main__ import main as report
from study.run import main as run
from tests.conftest import ROOT
from tests.made import make_study

QUICK = ROOT / "results" / "reference" / "se_placement-fer2013-quick"
CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def answers_of(study: Path) -> pd.DataFrame:
    """The confirmations of a study as one would write down those of a script."""
    record = read_study(study)
    assert record is not None
    trials = read_table(study, "trials").query("phase == 'confirm'")
    rows = read_table(study, "predictions").merge(trials[["trial", "arm", "seed", "config.data.fold"]], on="trial")
    names = np.array(record["class_names"])
    found = pd.DataFrame({"arm": rows["arm"], "seed": rows["seed"] % 1_000_000, "example": rows["image"]})
    found["label"], found["predicted"] = names[rows["label"]], names[rows["predicted"]]
    if record["protocol"] == "folds":
        found["fold"] = rows["config.data.fold"]
    if rows["subject"].notna().all():
        found["subject"] = rows["subject"]
    probabilities = np.stack(rows["probabilities"].to_list())
    return found.assign(**{f"p_{name}": probabilities[:, at] for at, name in enumerate(names)})


def judged(frame: pd.DataFrame, folder: Path, *options: str) -> Findings:
    folder.mkdir(exist_ok=True)
    file = folder / "answers.csv"
    frame.to_csv(file, index=False)
    assert judge([str(file), "--out", str(folder / "study"), *options]) == 0
    (found,) = find([folder / "study"])
    return found


def without_probabilities(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[[name for name in frame if not name.startswith("p_")]]


def small(arms: tuple[str, ...] = ("a", "b"), seeds: tuple[int, ...] = (1, 2, 3), examples: int = 30) -> pd.DataFrame:
    """Arms that answer the better, the later they come."""
    random = np.random.default_rng(0)
    parts = []
    for position, arm in enumerate(arms):
        for seed in seeds:
            right = random.random(examples) < 0.5 + 0.2 * position
            label = np.where(np.arange(examples) % 2, "no", "yes")
            other = np.where(np.arange(examples) % 2, "yes", "no")
            predicted = np.where(right, label, other)
            parts.append(
                pd.DataFrame(
                    {"arm": arm, "seed": seed, "example": range(examples), "label": label, "predicted": predicted}
                )
            )
    return pd.concat(parts, ignore_index=True)


def same(found: Findings, expected: Findings) -> None:
    """Every value, interval, p and verdict, but for what only a study knows of its twins."""
    for ours, theirs in zip(found.arms, expected.arms, strict=True):
        assert (ours.arm, ours.seeds, ours.folds) == (theirs.arm, theirs.seeds, theirs.folds)
        for name in set(theirs.estimates) - {"accuracy_distinct"}:
            one, other = ours.estimates[name], theirs.estimates[name]
            assert [one.value, one.low, one.high] == pytest.approx(
                [other.value, other.low, other.high], rel=1e-12, nan_ok=True
            )
    for pair, other_pair in zip(found.comparisons, expected.comparisons, strict=True):
        assert (pair.arm, pair.baseline, pair.verdict) == (other_pair.arm, other_pair.baseline, other_pair.verdict)
        assert pair.p_corrected == pytest.approx(other_pair.p_corrected, rel=1e-9)
        assert list(pair.mcnemar.values()) == list(other_pair.mcnemar.values())


def test_the_answers_of_a_recorded_study_are_judged_as_the_study_was(tmp_path: Path) -> None:
    found = judged(answers_of(QUICK), tmp_path)
    (expected,) = find([QUICK])
    same(found, expected)
    assert expected.answer.startswith(found.answer.rstrip("."))
    for ours, theirs in zip(found.ensembles, expected.ensembles, strict=True):
        assert ours.title == theirs.title
        assert [one.value for *_, one in ours.estimates] == [one.value for *_, one in theirs.estimates]


def test_examples_tested_in_turn_are_judged_fold_by_fold(tmp_path: Path) -> None:
    study = make_study(tmp_path / "made", {"none": 0.5, "block": 0.6}, folds=4)
    found = judged(answers_of(study), tmp_path)
    assert found.evidence.folds == 4
    same(found, find([study])[0])


def test_people_are_what_is_counted_where_they_are_known(tmp_path: Path) -> None:
    frame = small()
    by_example = judged(frame, tmp_path / "alone").comparisons[0].difference
    frame["subject"] = [f"person {example % 3}" for example in frame["example"]]
    by_person = judged(frame, tmp_path / "people")
    assert by_person.evidence.units == "test subjects"
    assert by_person.comparisons[0].difference.subjects == 3
    assert by_person.comparisons[0].difference.value == pytest.approx(by_example.value)


def test_without_probabilities_nothing_is_said_of_confidence(tmp_path: Path) -> None:
    frame = answers_of(QUICK)
    sure, unsure = judged(frame, tmp_path / "sure"), judged(without_probabilities(frame), tmp_path / "unsure")
    for one, other in zip(sure.arms, unsure.arms, strict=True):
        assert one.estimates["accuracy"].low == other.estimates["accuracy"].low
        assert one.estimates["macro_f1"].low == other.estimates["macro_f1"].low
        assert one.estimates["calibration_error"].seeds
        assert not other.estimates["calibration_error"].seeds
    assert not unsure.ensembles


def test_the_most_probable_class_is_the_answer_where_none_is_given(tmp_path: Path) -> None:
    frame = answers_of(QUICK)
    same(judged(frame.drop(columns="predicted"), tmp_path / "one"), judged(frame, tmp_path / "other"))


def parquet(frame: pd.DataFrame, folder: Path) -> list[str]:
    frame.to_parquet(folder / "answers.parquet")
    return [str(folder / "answers.parquet")]


def compressed(frame: pd.DataFrame, folder: Path) -> list[str]:
    with gzip.open(folder / "answers.csv.gz", "wt") as file:
        frame.to_csv(file, index=False)
    return [str(folder / "answers.csv.gz")]


def other_names(frame: pd.DataFrame, folder: Path) -> list[str]:
    frame.rename(columns={"arm": "Model", "seed": "run"}).to_csv(folder / "answers.csv", index=False)
    return [str(folder / "answers.csv"), "--column", "arm=Model", "--column", "seed=run"]


def a_file_a_training(frame: pd.DataFrame, folder: Path) -> list[str]:
    files = []
    for (arm, seed), part in frame.groupby(["arm", "seed"]):  # type: ignore[misc]
        files.append(str(folder / f"{arm}-{seed}.csv"))
        part.drop(columns=["arm", "seed"]).to_csv(files[-1], index=False)
    return [*files, "--files", r"(?P<arm>\w+)-(?P<seed>\d+)\.csv$"]


def shuffled(frame: pd.DataFrame, folder: Path) -> list[str]:
    order = frame.sample(frac=1, random_state=0).sort_values("arm", kind="stable")
    order.to_csv(folder / "answers.csv", index=False)
    return [str(folder / "answers.csv")]


def numbered_classes(frame: pd.DataFrame, folder: Path) -> list[str]:
    words = {"no": 0, "yes": 1}
    frame.replace({"label": words, "predicted": words}).to_csv(folder / "answers.csv", index=False)
    return [str(folder / "answers.csv")]


@pytest.mark.parametrize(
    "form",
    [parquet, compressed, other_names, a_file_a_training, shuffled, numbered_classes],
    ids=lambda f: f.__name__,
)
def test_the_same_answers_in_another_form_say_the_same(
    form: Callable[[pd.DataFrame, Path], list[str]], tmp_path: Path
) -> None:
    expected = judged(small(), tmp_path)
    arguments = form(small(), tmp_path)
    assert judge([*arguments, "--out", str(tmp_path / "other")]) == 0
    same(find([tmp_path / "other"])[0], expected)


def test_the_example_is_judged_fold_by_fold(tmp_path: Path) -> None:
    example = runpy.run_path(str(ROOT / "docs" / "examples" / "cross_validation.py"))
    example["TREES"].update(few=2, many=8)
    example["main"](str(tmp_path / "answers.csv"), seeds=1)
    assert judge([str(tmp_path / "answers.csv"), "--baseline", "few", "--out", str(tmp_path / "study")]) == 0
    (found,) = find([tmp_path / "study"])
    assert (found.evidence.folds, found.arms[0].estimates["calibration_error"].seeds) == (10, 1)
    assert found.answer == f"With 10 folds of 1 seed each, many is better than few ({_points(found)} points)."


def _points(found: Findings) -> str:
    return f"{100 * found.comparisons[0].difference.value:+.2f}"


def test_results_alone_are_judged_by_students_t_over_the_pairs(tmp_path: Path) -> None:
    values = {"a": [0.61, 0.64, 0.6, 0.63], "b": [0.65, 0.66, 0.61, 0.68]}
    rows = [{"arm": arm, "seed": n, "accuracy": one} for arm in values for n, one in enumerate(values[arm])]
    found = judged(pd.DataFrame(rows), tmp_path)
    expected = ttest_rel(values["b"], values["a"])
    (pair,) = found.comparisons
    assert pair.p_corrected == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval()
    assert [pair.difference.low, pair.difference.high] == pytest.approx([interval.low, interval.high])
    assert not pair.difference.over_images
    assert report([str(tmp_path / "study")]) == 0
    page = (tmp_path / "study" / "report" / "index.html").read_text(encoding="utf-8")
    assert "intervals over seeds alone" in page
    assert "paired by seed;" in page
    assert "macro F1</button>" in page  # a column of the differences
    assert "balanced accuracy" not in page


@pytest.mark.parametrize("by", ["seed", "fold"])
def test_results_that_all_say_the_same_decide_nothing(by: str, tmp_path: Path) -> None:
    rows = [
        {"arm": arm, by: n, "accuracy": more + n / 100} for arm, more in (("a", 0.68), ("b", 0.69)) for n in range(3)
    ]
    (pair,) = judged(pd.DataFrame(rows), tmp_path).comparisons
    assert pair.p_corrected == 1
    assert pair.verdict == f"undecided: all {by}s say the same, which shows no spread"
    assert report([str(tmp_path / "study")]) == 0
    assert "no spread seen" in (tmp_path / "study" / "report" / "index.html").read_text(encoding="utf-8")


def test_results_of_folds_allow_for_the_examples_that_they_share(tmp_path: Path) -> None:
    gains = np.array([0.01, 0.03, 0.02, 0.05, 0.02])
    rows = [{"arm": "a", "fold": n, "accuracy": 0.6} for n in range(5)]
    rows += [{"arm": "b", "fold": n, "accuracy": 0.6 + gain} for n, gain in enumerate(gains)]
    (pair,) = judged(pd.DataFrame(rows), tmp_path).comparisons
    error = np.sqrt((1 / 5 + 1 / 4) * gains.var(ddof=1))  # Nadeau and Bengio 2003, a fifth of the examples tested
    assert pair.difference.value == pytest.approx(gains.mean())
    assert pair.p_corrected == pytest.approx(2 * t.sf(gains.mean() / error, 4))


def test_the_measure_that_is_given_judges(tmp_path: Path) -> None:
    rows = pd.DataFrame({"arm": ["a", "a", "b", "b"], "seed": [1, 2, 1, 2], "macro_f1": [0.5, 0.52, 0.6, 0.61]})
    found = judged(rows, tmp_path)
    assert (found.evidence.measure, found.comparisons[0].measure) == ("macro_f1", "macro_f1")
    with pytest.raises(InputError, match="--measure accuracy: of the trainings macro_f1 is given"):
        judge([str(tmp_path / "answers.csv"), "--measure", "accuracy", "--out", str(tmp_path / "other")])


def test_results_may_stand_in_a_table_of_many_columns(tmp_path: Path) -> None:
    rows = pd.DataFrame({"arm": ["a", "a", "b", "b"], "seed": [1, 2, 1, 2], "accuracy": [0.5, 0.52, 0.6, 0.61]})
    expected = judged(rows, tmp_path)
    file = tmp_path / "export.csv"
    rows.rename(columns={"accuracy": "test/acc", "arm": "model"}).assign(
        note="a, b", example="no", score=lambda frame: -frame.index, lr=0.1
    ).to_csv(file, index=False)
    options = ("--column", "accuracy=test/acc", "--column", "arm=model")
    assert judge([str(file), *options, "--out", str(tmp_path / "other")]) == 0
    same(find([tmp_path / "other"])[0], expected)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,1,0.5\na,1,0.6\nb,1,0.5", "row 2: arm a, seed 1 stands there before"),
        ("a,1,68.01\nb,1,69.04", "row 1: accuracy is 68.01, expected a number from 0 to 1"),
        ("a,1,much\nb,1,0.69", "the column accuracy is string, expected numbers from 0 to 1"),
    ],
)
def test_wrong_results_are_named(rows: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text(f"arm,seed,accuracy\n{rows}\n")
    with pytest.raises(InputError) as refused:
        judge([str(tmp_path / "results.csv"), "--out", str(tmp_path / "study")])
    assert message in str(refused.value)


def test_a_claim_is_judged_against_the_baseline(tmp_path: Path) -> None:
    found = judged(small(seeds=tuple(range(8)), examples=400), tmp_path, "--claim", "15", "--baseline", "a")
    assert found.evidence.record["question"] == "Is b better than a by 15 points?"
    assert found.claim == "exceeded"
    assert found.comparisons[0].verdict == "better"
    turned = judged(small(), tmp_path / "turned", "--baseline", "b")
    assert turned.comparisons[0].baseline == "b"


def test_trainings_without_a_common_seed_are_paired_in_their_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = small()
    expected = judged(frame, tmp_path)
    assert "have a seed in common" not in capsys.readouterr().out
    frame["seed"] = frame["seed"].where(frame["arm"] == "a", frame["seed"] + 10)
    same(judged(frame, tmp_path / "apart"), expected)
    assert "No two arms have a seed in common" in capsys.readouterr().out


def test_judging_more_trainings_of_the_same_is_one_more_look(tmp_path: Path) -> None:
    frame = small(seeds=tuple(range(5)))
    first = judged(frame[frame["seed"] < 3], tmp_path)
    again = judged(frame[frame["seed"] < 3], tmp_path)
    assert (first.evidence.looks, again.evidence.looks) == (1, 1)
    more = judged(frame, tmp_path)
    assert more.evidence.looks == 2
    assert more.comparisons[0].difference.looks == 2
    with pytest.raises(InputError, match="arm a, seed 0 was judged there before, and is lacking now"):
        judged(frame[frame["seed"] > 0], tmp_path)
    once = judged(frame, tmp_path / "once").comparisons[0]
    assert more.comparisons[0].p_corrected == pytest.approx(min(4 * once.p_corrected, 1.0))


def test_the_page_says_what_is_not_known(tmp_path: Path) -> None:
    judged(small(), tmp_path)
    assert report([str(tmp_path / "study")]) == 0
    page = (tmp_path / "study" / "report" / "index.html").read_text(encoding="utf-8")
    assert "Whether every arm was tuned with the same effort" in page
    for absent in ("Effort and spread", "Configurations</h2>", "without twins", "chose nothing", "no curves"):
        assert absent not in page
    assert {path.stem for path in (tmp_path / "study" / "report").glob("*.png")} == {"differences", "confusions"}


def test_there_is_nothing_to_go_on_with_nor_to_export(tmp_path: Path) -> None:
    judged(small(), tmp_path)
    with pytest.raises(InputError, match="ran elsewhere, there is nothing to go on with"):
        run(["--resume", "--out", str(tmp_path / "study")])
    with pytest.raises(InputError, match="have no configuration here"):
        export([str(tmp_path / "study"), "--arm", "a"])


def test_another_study_is_not_written_over(tmp_path: Path) -> None:
    study = make_study(tmp_path / "made", {"none": 0.5, "block": 0.6})
    before = {path.name: path.read_bytes() for path in study.iterdir()}
    small().to_csv(tmp_path / "answers.csv", index=False)
    with pytest.raises(InputError, match="holds a study that ran here"):
        judge([str(tmp_path / "answers.csv"), "--out", str(study)])
    assert {path.name: path.read_bytes() for path in study.iterdir()} == before
    judged(small(), tmp_path)
    with pytest.raises(InputError, match="holds other examples"):
        judged(small(examples=20), tmp_path)


WRONG: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "a column is lacking": (
        lambda frame: frame.drop(columns="label"),
        "no column label among arm, seed, example, predicted. Say which it is by --column label=COLUMN",
    ),
    "no answer": (lambda frame: frame.drop(columns="predicted"), "no column predicted"),
    "answered twice": (
        lambda frame: pd.concat([frame, frame.iloc[[3]]]),
        "row 181: arm a, seed 1 has answered example 3 before",
    ),
    "an answer is lacking": (lambda frame: frame.drop(index=40), "arm a, seed 2: 29 of 30 examples answered; 10 is"),
    "two labels": (
        lambda frame: frame.assign(label=frame["label"].where(frame.index != 40, "no")),
        "row 41: example 10 is labelled no, and yes elsewhere",
    ),
    "an empty cell": (
        lambda frame: frame.assign(predicted=frame["predicted"].where(frame.index != 7)),
        "row 8: predicted is empty",
    ),
    "logits": (
        lambda frame: frame.assign(p_yes=0.9, p_no=0.8),
        "row 1: the probabilities sum to 1.7, expected 1 (of logits take the softmax)",
    ),
    "no probability": (lambda frame: frame.assign(p_yes=3.0, p_no=-2.0), "row 1: p_yes is 3.0, expected a number"),
    "a class without probability": (lambda frame: frame.assign(p_yes=1.0), "no column p_no beside p_yes"),
    "one class": (lambda frame: frame.assign(label="yes", predicted="yes"), "1 classes, expected 2 to 127"),
    "other folds": (
        lambda frame: frame.assign(fold=np.where(frame["arm"] == "a", frame["example"] % 2, frame["example"] % 3)),
        "row 93: example 2 is in fold 2, and 0 elsewhere",
    ),
    "a fold is lacking": (
        lambda frame: frame.assign(fold=frame["example"] % 3).query("not (arm == 'b' and seed == 3 and fold == 1)"),
        "arm b, seed 3: 2 of 3 folds",
    ),
    "no rows": (lambda frame: frame.iloc[:0], "columns and no rows"),
}


@pytest.mark.parametrize("change", WRONG)
def test_what_is_wrong_is_named_and_nothing_written(change: str, tmp_path: Path) -> None:
    wrong, message = WRONG[change]
    wrong(small()).to_csv(tmp_path / "answers.csv", index=False)
    with pytest.raises(InputError) as refused:
        judge([str(tmp_path / "answers.csv"), "--out", str(tmp_path / "study")])
    assert message in str(refused.value)
    assert str(tmp_path / "answers.csv") in str(refused.value) or "arm " in message
    assert not (tmp_path / "study").exists()


def test_a_seed_that_is_neither_text_nor_a_whole_number_is_refused(tmp_path: Path) -> None:
    small().assign(seed=1.5).to_parquet(tmp_path / "answers.parquet")
    with pytest.raises(InputError, match=r"answers.parquet, row 1: seed is 1.5, expected text or a whole number"):
        judge([str(tmp_path / "answers.parquet"), "--out", str(tmp_path / "study")])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--baseline", "c"), "--baseline c: there are the arms a, b"),
        (("--claim", "c=1"), "--claim c=1: expected ARM=POINTS, an ARM of b"),
        (("--claim", "b=-1"), "'-1', expected a number of points above 0"),
        (("--column", "model"), "--column model: expected NAME=COLUMN"),
        (("--column", "arm=model"), "--column arm=model: "),
        (("--files", "(?P<arm"), "no regular expression"),
        (("--files", "answers"), "expected the groups"),
        (("--files", r"(?P<arm>\d+)_"), "does not fit"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options: tuple[str, ...], message: str, tmp_path: Path) -> None:
    small().to_csv(tmp_path / "answers.csv", index=False)
    with pytest.raises(InputError) as refused:
        judge([str(tmp_path / "answers.csv"), "--out", str(tmp_path / "study"), *options])
    assert message in str(refused.value)
    assert not (tmp_path / "study").exists()
