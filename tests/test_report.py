"""`study.report`: what it writes, from whatever state a study is in."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from study.analysis.findings import find
from study.records.folder import locked, read_study
from study.records.parquet import read_parquet
from study.records.schemas import SCHEMAS, VERSION_KEY
from study.report.__main__ import main
from study.report.figures.registry import FIGURES
from study.report.summary import tuned_text
from study.report.tables import COLUMNS
from study.report.write import Request, write_report
from tests.conftest import ROOT, FinishedStudy, run_module
from tests.made import make_study

TUNED = ROOT / "results" / "reference" / "se_placement-fer2013-tuned"
QUICK = ROOT / "results" / "reference" / "se_placement-fer2013-quick"
GOLDEN = ROOT / "tests" / "golden"


def edit_record(folder: Path, **changes: object) -> None:
    path = folder / "study.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def report(folder: Path) -> str:
    """The page of the study in `folder`."""
    assert main([str(folder)]) == 0
    return (folder / "report" / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tuned_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a recorded study of FER2013."""
    out = tmp_path_factory.mktemp("tuned")
    write_report(Request([TUNED], out))
    return out


@pytest.mark.parametrize("name", ["arms", "comparisons"])
def test_the_tables_of_a_recorded_study_are_as_they_were(name: str, tuned_report: Path) -> None:
    """Golden: copied from a report that was looked at, anew after every change that is meant."""
    got, golden = (pd.read_csv(folder / f"{name}.csv") for folder in (tuned_report, GOLDEN))
    for lists in {"mcnemar_p", "mcnemar_seeds"} & set(golden):
        for frame in (got, golden):
            frame[lists] = frame[lists].map(lambda text: [float(part) for part in text.split()])
    pd.testing.assert_frame_equal(got, golden, rtol=1e-6)


def test_every_file_is_there_and_readable(tmp_path: Path) -> None:
    arms = {"none": 0.5, "block": 0.55, "conv": 0.6}
    factors = {"model.se_placement": {arm: [arm] for arm in arms}}
    study = make_study(tmp_path / "study", arms, search=12, likeness=dict.fromkeys(range(140), 0.5), factors=factors)
    page = report(study)
    folder = study / "report"
    drawn = {f.name for f in FIGURES} - {
        "mistaken_faces",
        "elsewhere",
        "answers",
    }  # the made study has no images, no other data, and classes to learn
    assert {p.stem for p in folder.glob("*.png")} == {p.stem for p in folder.glob("*.pdf")} == drawn
    assert page.count("data:image/png;base64,") == len(drawn)
    for name, columns in COLUMNS.items():
        if name == "targets":
            continue
        table = pq.read_table(study / f"{name}.parquet")
        assert table.column_names == list(columns)
        assert VERSION_KEY in table.schema.metadata
        assert table.equals(pq.read_table(folder / f"{name}.parquet"))
        csv = pd.read_csv(folder / f"{name}.csv")
        assert list(csv.columns) == list(columns)
        assert len(csv) == table.num_rows == {"seen": 12, "ensembles": 6}.get(name, 3)  # arms and pairs, in two parts
        latex = (folder / f"{name}.tex").read_text()
        for command in (r"\toprule", r"\midrule", r"\bottomrule"):
            assert command in latex
    assert not list(tmp_path.rglob("*.partial*"))


def test_the_winners_of_many_searches_are_told_by_their_range() -> None:
    few = [{"train.rate": 0.01 * n, "cell": 4} for n in range(1, 4)]
    assert tuned_text(few, ("train.rate", "cell")) == "rate 0.01, 0.02, 0.03; cell 4, 4, 4"
    many = [{"train.rate": 0.01 * n, "cell": 4 if n % 3 else 6} for n in range(1, 100)]
    assert tuned_text(many, ("train.rate", "cell")) == "rate median 0.5 (0.01 to 0.99); cell 4 in 66, 6 in 33"


def test_csv_and_parquet_hold_the_same_numbers(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", {"none": 0.5, "block": 0.55})
    report(study)
    parquet, csv = pd.read_parquet(study / "arms.parquet"), pd.read_csv(study / "report" / "arms.csv")
    numbers = parquet.select_dtypes("number").columns
    pd.testing.assert_frame_equal(parquet[numbers], csv[numbers], check_dtype=False)


def test_a_report_leaves_the_study_as_it_was(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", {"none": 0.5, "block": 0.55})
    before = {p.name: p.read_bytes() for p in study.iterdir() if p.is_file()}
    report(study)
    assert {name: (study / name).read_bytes() for name in before} == before


def test_the_same_tables_give_the_same_figures(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", {"none": 0.5, "block": 0.55})
    first, second = tmp_path / "first", tmp_path / "second"
    for out in (first, second):
        main([str(study), "--out", str(out)])
    for path in [*first.glob("*.png"), *first.glob("*.pdf")]:
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name


def stopped_halfway(study: Path) -> None:
    edit_record(study, status="interrupted")
    trials = pd.read_parquet(study / "trials.parquet")
    trials[trials["phase"] == "search"].to_parquet(study / "trials.parquet")
    (study / "predictions.parquet").unlink()


def just_begun(study: Path) -> None:
    edit_record(study, status="running", end=None)
    for table in ("trials", "epochs", "predictions"):
        (study / f"{table}.parquet").unlink()


def later_searches_cut(study: Path) -> None:
    edit_record(study, status="out of time", searches=5)


def killed(study: Path) -> None:
    """As a driver leaves it that was killed on this machine: its lock is there, and nobody holds it."""
    edit_record(study, status="running", end=None)
    with locked(study):
        pass


def out_of_time(study: Path) -> None:
    edit_record(study, status="out of time", trials=16)
    trials = pd.read_parquet(study / "trials.parquet")
    last = (trials["arm"] == "block") & (trials["number"] == 2)
    trials[~last].to_parquet(study / "trials.parquet")


def cut(study: Path) -> None:
    out_of_time(study)
    edit_record(study, counted_epochs={"none": 6, "block": 6}, stops=[2, 3])


def without_a_test(study: Path) -> None:
    (study / "predictions.parquet").unlink()
    trials = pd.read_parquet(study / "trials.parquet")
    trials[[c for c in trials if c.startswith("test_")]] = np.nan
    trials.to_parquet(study / "trials.parquet")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (stopped_halfway, "the study is interrupted"),
        (just_begun, "the study is running"),
        (without_a_test, "no rows of predictions, so no confusion"),
        (lambda study: (study / "epochs.parquet").unlink(), "no rows of epochs yet, so no curves"),
        (lambda study: (study / "predictions.parquet").unlink(), "intervals over seeds alone"),
        (lambda study: (study / "epochs.parquet").write_bytes(b"PAR1 and no more"), "cannot be read as parquet"),
        (lambda study: (study / "trials.parquet").write_bytes(b""), "So no trial has a row"),
        (lambda study: edit_record(study, status="failed"), "the study is failed"),
        (out_of_time, "its search ended after 2 to 3 trials an arm of 16 planned, of 6 to 9 epochs together"),
        (cut, "of 6 to 9 epochs together, of which the first 6 count in none, block; what follows"),
        (later_searches_cut, "it began 1 of 5 searches of every arm, of which those count that ended; what follows"),
        (killed, "the study is cut off"),
    ],
    ids=[
        "interrupted", "just begun", "no test", "no epochs", "no predictions", "broken epochs", "broken trials",
        "failed",
        "out of time",
        "judged by equal effort",
        "later searches cut",
        "killed",
    ],
)  # fmt: skip
def test_what_is_missing_is_said_and_the_rest_is_shown(
    tmp_path: Path, change: Callable[[Path], object], says: str
) -> None:
    study = make_study(tmp_path / "study", {"none": 0.5, "block": 0.55})
    change(study)
    page = report(study)
    assert says in page
    assert "Does it help?" in page
    assert "python -m study.run --space made" in page


@pytest.mark.parametrize("searches", [1, 3])
def test_what_intervals_are_over_is_said_as_it_is(searches: int, tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", {"none": 0.5, "block": 0.55}, searches=searches)
    repeats = "seeds" if searches == 1 else "searches"
    assert f"intervals over {repeats} and test images" in report(study)
    (study / "predictions.parquet").unlink()
    page = report(study)
    assert f"intervals over {repeats}" in page
    assert f"intervals over {repeats} and test images" not in page


@pytest.mark.parametrize(
    ("arms", "more", "answer"),
    [
        ({"none": 0.5}, {}, "One arm, nothing to compare"),
        ({"none": 0.5, "block": 0.6}, {"seeds": (200_000,)}, "No arm can be told from none with 1 seed."),
        ({"none": 0.5, "block": 0.6}, {"failed": ("block",)}, "No two arms have been tested with a common seed yet"),
        ({"a": 0.5, "b": 0.5, "c": 0.5}, {"failed": ("a",)}, "No arm can be told from b with 3 seeds"),
        ({"none": 0.5, "block": 0.6}, {"search": 0}, "arm can be told from none with 3 seeds"),
        (
            {"none": 0.5, "block": 0.5},
            {"searches": 3},
            "No arm can be told from none with 3 searches of 3 seeds each",
        ),
        ({"none": 0.5, "block": 0.5}, {"searches": 2, "seeds": (200_000,)}, "with 2 searches of 1 seed each"),
        ({"none": 0.5, "block": 0.6}, {"images": 1}, "No arm can be told"),
        ({f"arm {n}": 0.5 for n in range(9)}, {"images": 30}, "No arm can be told from arm 0"),
    ],
    ids=[
        "one arm",
        "one seed",
        "a failed arm",
        "a failed first arm",
        "nothing tuned",
        "searches",
        "searches of one seed",
        "one image",
        "many arms",
    ],
)
def test_small_and_odd_studies_have_a_report(
    tmp_path: Path, arms: dict[str, float], more: dict[str, object], answer: str
) -> None:
    page = report(make_study(tmp_path / "study", arms, **more))  # type: ignore[arg-type]
    assert answer in page


def test_an_older_study_is_read_and_what_it_lacks_is_said(tmp_path: Path) -> None:
    shutil.copytree(QUICK, tmp_path / "study")
    page = report(tmp_path / "study")
    assert "do not say which test images have a twin in training" in page
    assert "45.01 %" in page  # that accuracy itself is in the table of trials


def test_a_newer_schema_is_refused_by_name(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", {"none": 0.5, "block": 0.55})
    path = study / "predictions.parquet"
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({VERSION_KEY: "99"}), path)
    page = report(study)
    assert "predictions.parquet: has schema 99; this version of fer-study reads up to" in page


def test_text_from_the_data_cannot_inject_markup(tmp_path: Path) -> None:
    bad = "<script>alert(1)</script><img src=x onerror=alert(2)> $x_$ 100%&"
    study = make_study(
        tmp_path / "<b>study", {"none": 0.5, bad: 0.6}, search=2, question=bad, command=[bad], host=bad
    )
    edit_record(study, arguments={"data": f"/nowhere/{bad.replace('/', '')}"})
    page = report(study)
    assert page.count("<script>") == 1  # the page's own
    assert "<img src=x" not in page
    assert "<b>study" not in page
    assert "&lt;script&gt;" in page
    latex = (tmp_path / "<b>study" / "report" / "arms.tex").read_text()
    assert r"\$x\_\$ 100\%\&" in latex


def test_a_study_of_several_searches_shows_what_they_chose_and_how_far_luck_goes(tmp_path: Path) -> None:
    page = report(make_study(tmp_path / "study", {"none": 0.5, "block": 0.6}, searches=3))
    assert "3 of every arm, each winner confirmed" in page
    assert "intervals over searches and test images, in per cent" in page
    assert "Luck, as the standard deviation of a difference over all pairs: by other seeds" in page
    assert "learning_rate 0.002, 0.0005, 0.001" in page
    arms = pd.read_parquet(tmp_path / "study" / "arms.parquet")
    assert arms[["searches", "seeds"]].to_numpy().tolist() == [[3, 9], [3, 9]]
    assert arms[["seed_sd", "search_sd"]].notna().all(axis=None)


def test_studies_that_ask_the_same_are_pooled_and_others_stand_side_by_side(tmp_path: Path) -> None:
    arms = {"none": 0.5, "block": 0.55}
    one = make_study(tmp_path / "one", arms, seeds=(1, 2))
    two = make_study(tmp_path / "two", arms, seeds=(3, 4, 5), seed=1)
    other = make_study(tmp_path / "other", arms, fingerprint="ffff")
    assert main([str(one), str(two), str(other)]) == 0
    out = one / "comparison"
    table = pd.read_parquet(out / "comparisons.parquet").set_index("study")
    assert table["seeds"].to_dict() == {"one + two": 5, "other": 3}
    page = (out / "index.html").read_text()
    assert page.count("<h1>") == 2
    assert "stand side by side" in page
    assert (out / "study1-differences.png").exists()
    assert (out / "study2-differences.pdf").exists()
    assert not (one / "arms.parquet").exists()  # which are of one study


def test_of_pooled_studies_each_ran_the_papers_configurations(finished_study: FinishedStudy, tmp_path: Path) -> None:
    other = shutil.copytree(finished_study.folder, tmp_path / "other")
    edit_record(other, seed=1)
    trials = pd.read_parquet(other / "trials.parquet")
    trials["seed"] += 1_000_000
    trials["trial"] = trials["trial"].str.partition("-")[0] + "-" + trials["seed"].astype(str)
    trials.to_parquet(other / "trials.parquet")
    done = run_module("study.report", finished_study.folder, other, "--out", tmp_path / "report")
    assert done.status == 0, done.err
    assert done.out.count("The paper's configuration at this scale, arm ") == 4
    assert "A configuration as given" not in done.out
    assert "intervals over searches; without twins" in done.out  # the answers are to the names of before


def test_a_study_given_twice_counts_once(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", {"none": 0.5, "block": 0.55})
    copy = shutil.copytree(study, tmp_path / "copy")
    (found,) = find([study, study, copy])
    assert found.arms[0].seeds == 3


@pytest.mark.parametrize("several", [False, True])
def test_a_folder_without_a_study_is_refused(tmp_path: Path, several: bool) -> None:
    study = make_study(tmp_path / "study", {"none": 0.5})
    done = run_module("study.report", *([study] if several else []), tmp_path)
    assert done.status == 2
    assert done.err.strip() == f"error: {tmp_path}: there is no study in it (study.json is missing)."
    assert not (study / "comparison").exists()


def test_data_that_is_not_the_studys_is_refused_where_it_was_named(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", {"none": 0.5})
    done = run_module("study.report", study, "--data", tmp_path / "no.csv")
    assert done.status == 2
    assert "no.csv" in done.err


def test_a_finished_study_reports_the_faces_most_often_mistaken(
    finished_study: FinishedStudy, tmp_path: Path
) -> None:
    """The embedded faces are always at hand."""
    done = run_module("study.report", finished_study.folder, "--out", tmp_path)
    assert done.status == 0, done.err
    assert "drawn faces: they say nothing of FER2013" in done.out
    assert (tmp_path / "mistaken_faces.png").exists()
    record = read_study(finished_study.folder)
    assert record is not None
    assert record["comparable"] == [["none", "block", "conv"]]
    predictions = pq.read_table(finished_study.folder / "predictions.parquet")
    assert predictions["distinct"].null_count == 0


def test_the_closing_tables_of_a_study_are_those_of_its_report(finished_study: FinishedStudy, tmp_path: Path) -> None:
    done = run_module("study.report", finished_study.folder, "--out", tmp_path)
    closing = finished_study.command.out
    verdict = re.search(r"^Verdict: .*$", closing, re.MULTILINE)
    assert verdict is not None
    assert verdict.group() in done.out
    table = closing[closing.index("┏") : closing.index("Tests are means")]
    assert table in done.out


def test_watching_follows_a_study_to_its_end(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", {"none": 0.5}, status="running", end=None)
    watching = subprocess.Popen(
        [sys.executable, "-m", "study.report", study, "--watch", "--every", "1"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert watching.stdout is not None
    try:
        assert watching.stdout.readline().startswith("page: ")  # the first report is there
        first = (study / "report" / "index.html").read_text()
        assert 'http-equiv="refresh" content="1"' in first
        make_study(study, {"none": 0.5, "block": 0.6})
        rest, _ = watching.communicate(timeout=120)
    finally:
        watching.kill()
    assert watching.returncode == 0
    assert "Verdict: " in rest
    last = (study / "report" / "index.html").read_text()
    assert 'http-equiv="refresh"' not in last
    assert "block - none" in last


README = (ROOT / "results" / "README.md").read_text()


@pytest.mark.parametrize("table", [*SCHEMAS, *COLUMNS])
def test_every_column_is_documented(table: str, finished_study: FinishedStudy) -> None:
    section = README[README.index(f"### `{table}.parquet`") :].split("\n### ")[0]
    documented = set(re.findall(r"`([^`]+)`", section))
    columns = COLUMNS[table] if table in COLUMNS else read_parquet(finished_study.folder, table).column_names
    for column in columns:
        plain = re.sub(r"_(low|high|se)$", "", column)
        known = plain in documented or (column.startswith("config.") and "config.*" in documented)
        assert known, f"results/README.md does not document {column} of {table}.parquet"


def test_the_readers_shown_in_the_readme_read_the_tables(
    finished_study: FinishedStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pandas, DuckDB and polars, as `results/README.md` shows them, give the same mean."""
    (tmp_path / "results").mkdir()
    shutil.copytree(finished_study.folder, tmp_path / "results" / "NAME")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    means = []
    for block in blocks:
        names: dict[str, object] = {}
        exec(block, names)
        means.append(names["accuracy"])
    assert len(means) == 3
    trials = pd.read_parquet("results/NAME/trials.parquet").query("phase == 'confirm' and arm == 'none'")
    for mean in means:
        assert mean == pytest.approx(trials["test_accuracy"].mean())
