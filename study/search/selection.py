"""Which search trial of an arm won, and which confirmation of it did best: by validation alone."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fer_core.config import MONITOR, in_cell, value_before
from fer_core.epoch import is_finite, worth
from search_spaces.score import SCORE, Score
from study.search.timetable import starts

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]
COUNTED_EPOCHS = "counted_epochs"  # in a study's record: how many epochs count of an arm whose search was cut


def winners(study: Mapping[str, Any], arm: str, trials: "pd.DataFrame", epochs: "pd.DataFrame") -> dict[int, Row]:
    """The winner of each of an arm's searches, by the search's number, as the study, of this record and these tables,
    chose it. Where nothing was tuned, the first that was confirmed.

    None of a search in which nothing ended well. Where any was confirmed, none of those that were not: they go on, or
    were given up.
    """
    of_arm = trials[trials["arm"] == arm]
    found: dict[int, Row | None] = {}
    for number, rows in of_arm[of_arm["phase"] != "fixed"].groupby(of_arm["search"].fillna(0).astype(int)):
        search = int(number)  # type: ignore[call-overload]
        if (rows["phase"] == "search").any():
            found[search] = winner(search_of(study, arm, search, rows, epochs), goal_of(study))
        else:
            found[search] = next(iter(rows.to_dict("records")), None)
    confirmed = set(of_arm.loc[of_arm["phase"] == "confirm", "search"].fillna(0))
    chosen = {search: row for search, row in found.items() if row is not None}
    return {search: row for search, row in chosen.items() if search in confirmed} or chosen


def goal_of(study: Mapping[str, Any]) -> str:
    """By what the study of this record chose, as `worth` takes it."""
    return Score(**study[SCORE]).goal if SCORE in study else study["measure"]


def best_winner(found: Mapping[int, Row], goal: str) -> int | None:
    """Which of an arm's searches has the best winner on validation: completed ones first, then the earliest."""
    return max(found, key=lambda n: (found[n]["status"] == "completed", worth(found[n], goal), -n), default=None)


def search_of(
    study: Mapping[str, Any], arm: str, number: int, trials: "pd.DataFrame", epochs: "pd.DataFrame"
) -> list[Row]:
    """The trials of one of an arm's searches as the study chose among them. trials: those of the arm and search."""
    search = trials[(trials["arm"] == arm) & (trials["phase"] == "search")]
    rows = search.to_dict("records")
    most = study.get(COUNTED_EPOCHS, {}).get(arm) if number == 0 else None
    if most is None:
        return rows
    of_arm = epochs[epochs["trial"].isin(search["trial"])].sort_values("epoch")
    epochs_of = {str(trial): part.to_dict("records") for trial, part in of_arm.groupby("trial")}
    return as_counted(rows, epochs_of.__getitem__, study["window"], study["stops"], most)


def as_counted(
    rows: Iterable[Row],
    epochs_of: Callable[[str], Sequence[dict[str, Any]]],
    window: int,
    stops: Sequence[int],
    most: int,
) -> list[Row]:
    """An arm's search trials as they stood after the first `most` epochs of the arm's search, by the arm's clock.

    Arms whose search a time limit ended are so judged by the same number of epochs, however fast each was trained.
    epochs_of: a trial's rows of `epochs`, in order. window, stops: the plan's.
    """
    by_number = {int(row["number"]): row for row in rows}
    lengths = [int(by_number[n]["epochs"]) if n in by_number else 0 for n in range(max(by_number, default=-1) + 1)]
    hours = starts(lengths, window, stops)
    in_order = sorted((hours[n] + epoch, n) for n in by_number for epoch in range(1, lengths[n] + 1))
    counts = Counter(number for _, number in in_order[:most])
    return [_until(row, epochs_of, counts[number]) for number, row in by_number.items() if counts[number]]


def _until(row: Row, epochs_of: Callable[[str], Sequence[dict[str, Any]]], count: int) -> Row:
    """The row of a trial after `count` of its epochs."""
    best = best_epoch(epochs_of(row["trial"])[:count], monitor_of(row))
    if count == row["epochs"] or best is None:
        return row
    status = "pruned" if row["status"] == "completed" else row["status"]
    return {**row, "status": status, **{name: best[name] for name in best if name.startswith(("train_", "val_"))}}


def best_epoch(epochs: Iterable[dict[str, Any]], monitor: str) -> dict[str, Any] | None:
    """The first that is worth most by `monitor` of those that did not diverge, None if none are."""
    return max(filter(is_finite, epochs), key=lambda e: worth(e, monitor), default=None)


def monitor_of(row: Row) -> str:
    """What says which epoch of a trial is the best, by its row of `trials`."""
    return str(in_cell(MONITOR, row.get(f"config.{MONITOR}")) or value_before(MONITOR))


def winner(rows: Iterable[Row], goal: str) -> Row | None:
    """The best of an arm's search trials on validation: completed ones first, then the earliest.

    None if none of them ended well.
    """
    ended = [row for row in rows if row["status"] in ("completed", "pruned")]
    return max(ended, key=lambda r: (r["status"] == "completed", worth(r, goal), -r["number"]), default=None)


def best_confirmation(rows: Iterable[Row], goal: str) -> Row | None:
    """The best on validation of confirmations that ended well: the lowest seed of equal ones, None of none."""
    ended = [row for row in rows if row["status"] == "completed"]
    return max(ended, key=lambda r: (worth(r, goal), -r["seed"]), default=None)
