"""`python -m study.report DIR`: the answer to a study's question, with figures, tables and a page.

Modules that take long to import are imported where they are first needed.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fer_core.command_line import Parser, at_least, run_command
from fer_core.errors import InputError
from study.records.find_place import find_place
from study.records.folder import read_study
from study.records.place import Place

if TYPE_CHECKING:
    from rich.console import Console

    from study.report.write import Report, Request

EXAMPLES = """examples:
  python -m study.report results/NAME                     into results/NAME/report: index.html, figures, tables
  python -m study.report results/NAME --data fer2013.csv  with the images most often mistaken
  python -m study.report results/NAME --watch             again whenever the running study has something new
  python -m study.report results/ONE results/TWO          pooled where they ask the same, else side by side;
                                                          into results/ONE/comparison

Exit status: 0 done, 2 the command or its input is wrong, 130 interrupted."""
SINGLE, SEVERAL = "report", "comparison"
TABLES = ("trials", "epochs", "predictions", "elsewhere")
WRITTEN = ("study.json", *(f"{name}.parquet" for name in TABLES), "pending.jsonl")  # by a study


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(
        prog="study.report",
        description="Answer a study's question from its tables: verdict, figures (PNG and PDF), tables (parquet, CSV "
        "and LaTeX) and a page that needs no network. Works while a study runs, or when it was cut off.",
        examples=EXAMPLES,
    )
    parser.add_argument("folders", metavar="DIR|URI", nargs="+", help="a study's folder; several are compared")
    parser.add_argument(
        "--out", metavar="DIR", type=Path, help="where to (default: DIR/report; DIR/comparison of several)"
    )
    parser.add_argument("--data", metavar="PATH", help="the studies' images (default: where their records say)")
    parser.add_argument("--labels", metavar="CSV", help="FER+'s votes, if they had them (default: likewise)")
    parser.add_argument("--subjects", metavar="PATTERN", help="whom the images show (default: likewise)")
    parser.add_argument("--watch", action="store_true", help="refresh while a study runs; ends with it, or at Ctrl-C")
    parser.add_argument(
        "--every", type=at_least(1), default=10, metavar="S", help="with --watch: seconds between looks (default: 10)"
    )
    options = parser.parse_args(arguments)
    places = [find_place(name) for name in options.folders]
    for place in places:
        if read_study(place.folder) is None:
            raise InputError(f"{place.name}: there is no study in it (study.json is missing).")
    return _report(options, places)


def _report(options: argparse.Namespace, places: Sequence[Place]) -> int:
    from rich.console import Console

    from study.report.write import Request
    from study.watching.display import make_console

    folders = list(dict.fromkeys(place.folder.resolve() for place in places))
    one = len(folders) == 1
    request = Request(
        folders=folders,
        out=(options.out or folders[0] / (SINGLE if one else SEVERAL)).resolve(),
        tables=folders if one and options.out is None else [],
        data=options.data,
        labels=options.labels,
        subjects=options.subjects,
        refresh=options.every if options.watch else None,
    )
    console, status = make_console(), Console(stderr=True)
    report = _write(request, status)
    if not options.watch:
        _print(console, report)
        return 0
    return _watch(request, places, options.every, console, status, report)


def _write(request: "Request", status: "Console") -> "Report":
    from study.report.write import write_report

    with status.status("report") as spinner:
        return write_report(request, lambda text: spinner.update(f"report: {text}"))


def _watch(
    request: "Request",
    places: Sequence[Place],
    every: int,
    console: "Console",
    status: "Console",
    report: "Report",
) -> int:
    """Write the report again when a table has changed, until no study runs any more."""
    console.print(f"page: {report.page}", soft_wrap=True)
    seen = _state(request.folders)
    while report.running:
        with status.status(f"watching; a look every {every} s, Ctrl-C ends it"):
            time.sleep(every)
            for place in places:
                place.fetch()
        if (state := _state(request.folders)) != seen:
            seen = state
            report = _write(request, status)
            console.print(f"{time.strftime('%H:%M:%S')}  {_progress(report)}", soft_wrap=True)
    _print(console, report)
    return 0


def _state(folders: Sequence[Path]) -> list[tuple[str, int, int]]:
    """Name, size and time of change of everything that a study writes its results to."""
    files = [file for folder in folders for name in WRITTEN if (file := folder / name).exists()]
    return [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]


def _progress(report: "Report") -> str:
    trials = sum(len(found.evidence.trials) for found in report.findings)
    return f"{trials:,} trials. " + " ".join(found.answer for found in report.findings)


def _print(console: "Console", report: "Report") -> None:
    from study.report.summary import print_summary

    for found in report.findings:
        print_summary(console, found)
        for text in found.evidence.missing:
            print(f"note: {text}", file=sys.stderr)
    console.print(f"page: {report.page}", soft_wrap=True)


if __name__ == "__main__":
    run_command(main)
