"""Every benchmark beside its rivals, and at the end a table of goals and figures: `make bench`.

python -m benchmarks                       # all, 3 rounds: hours with the study of 10,000 trials
python -m benchmarks pipeline study        # some
python -m benchmarks --data fer2013.csv    # on FER2013 instead of the embedded faces
python -m benchmarks --table               # the table of what was measured last
"""

import argparse
import json
from importlib import import_module

from rich.console import Console
from rich.table import Table

from benchmarks.measuring import RESULTS, Outcome, keep

NAMES = ("pipeline", "trial", "study", "driver", "tables", "commands", "fresh")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which (default: all): {', '.join(NAMES)}")
    parser.add_argument("--rounds", type=int, default=3, help="how often each way is taken, in turn (default: 3)")
    parser.add_argument("--data", help="as of study.run (default: the same)")
    parser.add_argument("--table", action="store_true", help="measure nothing, print what was measured last")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"{', '.join(unknown)}: no such benchmark. There are: {', '.join(NAMES)}.")
    console = Console()
    for name in () if options.table else options.names or NAMES:
        console.print(f"{name}: {(import_module(f'benchmarks.{name}').__doc__ or '').splitlines()[0]}")
        outcomes = import_module(f"benchmarks.{name}").measure(options.rounds, options.data)
        keep(name, outcomes, options.rounds)
    console.print(table())
    return 0


def table() -> Table:
    shown = Table("benchmark", "figures (medians)", "goal", "reached", "met")
    for name in NAMES:
        path = RESULTS / f"{name}.json"
        if not path.exists():
            continue
        for outcome in (Outcome(**fields) for fields in json.loads(path.read_text())["outcomes"]):
            figures = "\n".join(f"{way}: {_number(value)} {outcome.unit}" for way, value in outcome.figures.items())
            shown.add_row(
                outcome.what, figures, outcome.goal, f"{outcome.reached:.3g}", "yes" if outcome.met else "NO"
            )
    return shown


def _number(value: float) -> str:
    """Three digits, more where there are more before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    raise SystemExit(main())
