"""How often a study could be answered before it was enlarged.

A report says how many more seeds would decide, and a study can be given them. But who goes on until something is
found finds it, sooner or later, where there is nothing (Armitage, McPherson and Rowe 1969, "Repeated significance
tests on accumulating data"). So the record keeps what had been tested whenever a study was enlarged, and differences
are judged the more strictly (`study/analysis/estimate.py`). To finish what was planned is no further look, whatever
interrupted it; nor is a trial that had failed and is trained again. Studies that are pooled are taken for planned
together, with a note where one was begun after another had ended.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from study.analysis.estimate import CONFIDENCE, strictness
from study.analysis.verdicts import counted
from study.plan import BUDGETS, Plan
from study.records.folder import now
from study.records.parquet import read_table

LOOKS = "looks"  # in a study's record
SIZES = ("trials", "searches", "seeds")  # what of a plan may grow


def looks_before(before: Mapping[str, Any] | None, plan: Plan, folder: Path) -> list[dict[str, Any]]:
    """What the study in `folder` had tested whenever it was enlarged, now by `plan` included. before: its record."""
    if before is None:
        return []
    planned = _planned(before)
    grows = any(getattr(plan, name) > planned[name] for name in _sizes(plan))
    return with_look(before, planned, folder) if grows else list(before.get(LOOKS, []))


def with_look(before: Mapping[str, Any], size: Mapping[str, int], folder: Path) -> list[dict[str, Any]]:
    """The looks at a study that grows beyond its `size`: those of its record, and one at what was tested since."""
    found: list[dict[str, Any]] = list(before.get(LOOKS, []))
    confirmed = read_table(folder, "trials").query("phase == 'confirm' and status == 'completed'")
    seen = found[-1]["confirmed"] if found else 0
    judged = (confirmed.groupby("arm")["seed"].nunique() > 1).sum() > 1  # with fewer no difference can be decided
    if judged and len(confirmed) > seen:
        found.append({**size, "confirmed": len(confirmed), "time": now()})
    return found


def _sizes(plan: Plan) -> tuple[str, ...]:
    """What of this plan may grow: where nothing is tuned, its number of search trials says nothing."""
    return SIZES if plan.tunes else tuple(name for name in SIZES if name != "trials")


def _planned(record: Mapping[str, Any]) -> dict[str, Any]:
    """How large the study was to be; an older record says of its seeds only what its command did."""
    arguments, budget = record["arguments"], BUDGETS[record["budget"]]
    known: dict[str, Any] = {"trials": budget.trials, "searches": 1, "seeds": budget.seeds}
    for part in (arguments, record):
        known |= {name: part[name] for name in SIZES if part.get(name) is not None}
    return known


def earlier_looks(records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Those at any of the studies with these records."""
    return [look for record in records for look in record.get(LOOKS, [])]


def this_look(earlier: Sequence[Mapping[str, Any]]) -> int:
    """How often the study has been answered after so many earlier looks, this time included."""
    return len(earlier) + 1


def looks_text(earlier: Sequence[Mapping[str, Any]]) -> str:
    """What it means for a study's next answer that it was enlarged when so much had been tested."""
    tested, look = ", then ".join(map(_planned_text, earlier)), this_look(earlier)
    return (
        f"The study was enlarged after its arms had been tested with {tested}: p is multiplied by "
        f"{strictness(look)}, and the intervals of differences are of {level_text(look)}, as who goes on "
        "until something is found finds it."
    )


def level_text(looks: int) -> str:
    """The level of the intervals of differences at the last of so many looks."""
    return f"{100 - 100 * (1 - CONFIDENCE) / strictness(looks):.4g} %"


def _planned_text(look: Mapping[str, Any]) -> str:
    seeds, searches = counted(look["seeds"], "seed"), look["searches"]
    return seeds if searches == 1 else f"{counted(searches, 'search')} of {seeds}"
