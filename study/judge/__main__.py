"""`python -m study.judge FILE`: the verdict on trainings that ran elsewhere, from what they answered.

Modules that take long to import are imported where they are first needed.
"""

import re
import shlex
from argparse import ArgumentTypeError, Namespace
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fer_core.command_line import Parser, assignments, positive, run_command
from fer_core.errors import InputError
from search_spaces.claim import POINTS, Claim
from search_spaces.score import SCORE, Score
from search_spaces.space import MEASURES
from study.records.folder import default_folder

if TYPE_CHECKING:
    from study.judge.trainings import Trainings

EXAMPLES = r"""a row is one training's answer to one test example, in CSV or parquet:

  arm,seed,example,label,predicted
  plain,1,face_0001.png,happy,happy
  plain,1,face_0002.png,sad,neutral
  se,1,face_0001.png,happy,happy

with p_CLASS, a column a class, it also tells how sure they are; with `fold`, examples were tested in turn; with
`subject`, several may be of one person. Where the answers are lost, a row is one training with its result:

  arm,seed,accuracy
  plain,1,0.6801
  se,1,0.6904

Where it is no class that is answered, `score` says how good an answer was, or a training: any number, such as an
error, an overlap, a return.

examples:
  python -m study.judge answers.csv
  python -m study.judge answers.csv --baseline plain --claim 1.03        was it a gain of 1.03 points?
  python -m study.judge runs.parquet --column arm=model --column seed=run
  python -m study.judge runs/*.csv --files '(?P<arm>\w+)-(?P<seed>\d+)\.csv'
  python -m study.judge ages.csv --column score=error --lower-is-better --unit years --margin 0.1

Exit status: 0 done, 2 the command or its input is wrong, 130 interrupted."""


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(
        prog="study.judge",
        description="Judge trainings that ran elsewhere, by any script, as a study judges its own: by differences "
        "paired by training and test example, with an interval and a verdict. How they were tuned is not known.",
        examples=EXAMPLES,
    )
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="their answers, in one file or more")
    parser.add_argument(
        "--column", metavar="NAME=COLUMN", action="append", help="the column that says it, where it has another name"
    )
    parser.add_argument(
        "--files",
        dest="pattern",
        metavar="PATTERN",
        help="a regular expression whose groups arm, seed and fold find these in a file's path",
    )
    parser.add_argument("--baseline", metavar="ARM", help="what others are held against (default: the first arm)")
    parser.add_argument(
        "--claim",
        metavar="[ARM=]POINTS",
        help="by how many points ARM is said to be better than the baseline, or by how much of a score",
    )
    parser.add_argument(
        "--margin",
        metavar="POINTS",
        help="what counts as no difference, in points or so much of a score (default: less than the claimed gain, or "
        "1.03 points; of a score nothing)",
    )
    parser.add_argument("--lower-is-better", action="store_true", help="of a score that is an error or a cost")
    parser.add_argument("--unit", metavar="TEXT", help="that a score is in, such as years")
    parser.add_argument("--measure", choices=MEASURES, help="what judges (default: the first of these that is given)")
    parser.add_argument("--name", help="what it is called (default: as the file)")
    parser.add_argument("--question", metavar="TEXT", help="what the report asks")
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="the study's folder (default: results/judged-NAME-<time>); where fewer of these trainings were judged "
        "there before, this is one more look",
    )
    options = parser.parse_args(arguments)
    name = options.name or options.files[0].name.partition(".")[0]
    for path in options.files:  # before anything slow is imported
        if not path.is_file():
            raise InputError(f"{path}: {'is a folder, expected a file' if path.is_dir() else 'no such file'}.")
    columns, pattern = _columns(options.column or ()), _pattern(options.pattern)
    folder = options.out or default_folder("judged", name)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out {folder}: is a file, expected a folder.")

    from study.watching.display import make_console

    console = make_console()
    with _progress("reading the answers"):
        from study.judge.as_study import Question, paired, write_as_study
        from study.judge.given_file import read_given
        from study.judge.trainings import trainings

        given = _with_baseline(trainings(read_given(options.files, columns, pattern)), options.baseline)
        measure = options.measure or given.measured[0]
        if measure not in given.measured:
            raise InputError(f"--measure {measure}: of the trainings {', '.join(given.measured)} is given.")
        score = _score(options, measure, columns)
        unit = POINTS if score is None else score.unit
        claim = _claim(options.claim, given.arms, measure, unit)
        margin = None if options.margin is None else _amount("--margin", options.margin, options.margin, unit)
        text = options.question or _question(given.arms, claim)
        write_as_study(given, Question(name, text, measure, claim, score, margin), folder)
    with _progress("judging"):
        from study.analysis.findings import find
        from study.report.summary import print_summary

        (found,) = find([folder])
    print_summary(console, found)
    if not paired(given):
        console.print("No two arms have a seed in common: the n-th trainings of each are paired.", soft_wrap=True)
    for text in found.evidence.missing:
        console.print(f"note: {text}", soft_wrap=True)
    console.print(f"figures and tables: {shlex.join(['python', '-m', 'study.report', str(folder)])}", soft_wrap=True)
    console.print(f"results: {folder}", soft_wrap=True)
    return 0


def _progress(text: str) -> AbstractContextManager[object]:
    from rich.console import Console

    return Console(stderr=True).status(text)


def _columns(texts: Sequence[str]) -> dict[str, str]:
    if not texts:
        return {}
    from study.judge.given_file import COLUMNS

    for text in texts:
        if text.partition("=")[0] not in COLUMNS or "=" not in text:
            raise InputError(f"--column {text}: expected NAME=COLUMN with a NAME of {', '.join(COLUMNS)}.")
    return assignments(texts)


def _pattern(text: str | None) -> re.Pattern[str] | None:
    if text is None:
        return None
    try:
        pattern = re.compile(text)
    except re.error as problem:
        raise InputError(f"--files {text}: no regular expression ({problem}).") from None
    if not pattern.groupindex or {*pattern.groupindex} - {"arm", "seed", "fold"}:
        raise InputError(f"--files {text}: expected the groups (?P<arm>...), (?P<seed>...) or (?P<fold>...).")
    return pattern


def _with_baseline(given: "Trainings", baseline: str | None) -> "Trainings":
    if baseline is None:
        return given
    if baseline not in given.arms:
        raise InputError(f"--baseline {baseline}: there are the arms {', '.join(given.arms)}.")
    return replace(given, arms=[baseline, *(arm for arm in given.arms if arm != baseline)])


def _score(options: Namespace, measure: str, columns: Mapping[str, str]) -> Score | None:
    """What judges where that is a score."""
    if measure == SCORE:
        return Score(columns.get(SCORE, SCORE), options.unit or "", not options.lower_is_better)
    for option, given in (("--lower-is-better", options.lower_is_better), ("--unit", options.unit)):
        if given:
            raise InputError(f"{option}: is of a score, and judged is {measure}. Name one by --column score=COLUMN.")
    return None


def _claim(text: str | None, arms: Sequence[str], measure: str, unit: str) -> Claim | None:
    if text is None:
        return None
    arm, equals, amount = text.rpartition("=")
    others = arms[1:]
    if not equals and len(others) == 1:
        arm = others[0]
    if arm not in others:
        raise InputError(f"--claim {text}: expected ARM=POINTS, an ARM of {', '.join(others) or 'two at least'}.")
    gain = _amount("--claim", text, amount, unit)
    return Claim(arm, arms[0], 100 * gain if unit == POINTS else gain, measure, unit=unit)


def _amount(option: str, given: str, text: str, unit: str) -> float:
    """So many points as a fraction, or so much of a score."""
    try:
        amount = positive(text)
    except ArgumentTypeError:
        what = "a number of points" if unit == POINTS else "a number"
        raise InputError(f"{option} {given}: '{text}', expected {what} above 0.") from None
    return round(amount / 100, 6) if unit == POINTS else amount


def _question(arms: Sequence[str], claim: Claim | None) -> str:
    if claim is not None:
        return f"Is {claim.arm} better than {claim.baseline} by {f'{claim.points:g} {claim.unit}'.rstrip()}?"
    baseline, *others = arms
    if not others:
        return f"How good is {baseline}?"
    if len(others) == 1:
        return f"Is {others[0]} better than {baseline}?"
    return f"How do {', '.join(others[:-1])} and {others[-1]} do beside {baseline}?"


if __name__ == "__main__":
    run_command(main)
