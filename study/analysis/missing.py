"""What is missing of studies, or to be known of them, in words."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from study.analysis.answers import Elsewhere
from study.analysis.estimate import strictness
from study.analysis.looks import earlier_looks, this_look
from study.records.folder import CHANGED_CODE, JUDGED, OTHER_NETWORKS
from study.search.selection import COUNTED_EPOCHS

Studies = Sequence[tuple[Path, Mapping[str, Any]]]  # each with its record
RAN_ELSEWHERE = (
    "The trainings ran elsewhere. Whether every arm was tuned with the same effort, whether anything was chosen by "
    "the test examples, and whether there were other trainings is not known here: the verdict is on these alone."
)


def ran_elsewhere(studies: Studies) -> list[str]:
    """What cannot be known of trainings of which nothing but their answers was given."""
    return [RAN_ELSEWHERE] if any(JUDGED in record for _, record in studies) else []


def unfinished(studies: Studies, trials: pd.DataFrame) -> list[str]:
    """Which studies have not come to their end, and how far they came; whose code was changed under way."""
    notes = [f"{folder.name}: {CHANGED_CODE}." for folder, record in studies if len(record.get("code", [])) > 1]
    for position, (folder, record) in enumerate(studies):
        if record["status"] != "complete":
            search = trials[(trials["study"] == position) & (trials["phase"] == "search")]
            cut = _search_cut(record, search) if record["status"] == "out of time" and len(search) else ""
            state = f"the study is {record['status']}{cut}"
            notes.append(f"{folder.name}: {state}; what follows is from the trials that have ended.")
    return notes


def not_tested(trials: pd.DataFrame, elsewhere: Mapping[str, Elsewhere]) -> list[str]:
    """Other data that a study of before is yet to be tested on, or could not be."""
    tested = trials.loc[trials["test_accuracy"].notna(), "trial"]
    lacking = {name: int((~tested.isin(list(found.answers))).sum()) for name, found in elsewhere.items()}
    return [f"{name}: {n} of {len(tested)} tested networks have not answered it." for name, n in lacking.items() if n]


def other_networks(studies: Studies) -> list[str]:
    """Networks that were trained again to be tested on other data, and came out otherwise."""
    return [
        f"{folder.name}: {len(trials)} networks tested on {name} are not those of before: trained again for it, they "
        "came out otherwise, as on another machine. Configurations and seeds are the same."
        for folder, record in studies
        for name, trials in record.get(OTHER_NETWORKS, {}).items()
    ]


def begun_later(studies: Studies) -> list[str]:
    """Which of the pooled studies were begun when another had been answered, as far as is known."""
    ends = [record["end"] for _, record in studies if record["end"]]
    later = [folder.name for folder, record in studies if ends and record["start"] > min(ends)]
    if not later:
        return []
    known = this_look(earlier_looks(record for _, record in studies))
    looks = known + len(later)
    times = strictness(looks) / strictness(known)
    return [
        f"{', '.join(later)}: begun when another of the pooled studies had ended. They are taken for planned "
        f"together; if not, this is look {looks}, of which every p is {times:.3g} times as large."
    ]


def _search_cut(record: Mapping[str, Any], search: pd.DataFrame) -> str:
    """How much of the search there was time for: arms whose epochs take longer got fewer of them."""
    counted, number = record.get(COUNTED_EPOCHS), search["search"].fillna(0)
    if record.get("searches", 1) > 1 and not counted:
        begun = int(number.max()) + 1
        return f", it began {begun} of {record['searches']} searches of every arm, of which those count that ended"
    found = search[number == 0].groupby("arm")["epochs"].agg(["size", "sum"])
    planned = f" of {record['trials']} planned" if "trials" in record else ""
    chosen = f", of which the first {_span(pd.Series(counted))} count in {', '.join(counted)}" if counted else ""
    return (
        f", its search ended after {_span(found['size'])} trials an arm{planned}, "
        f"of {_span(found['sum'])} epochs together{chosen}"
    )


def _span(counts: pd.Series) -> str:
    low, high = counts.min(), counts.max()
    return str(low) if low == high else f"{low} to {high}"
