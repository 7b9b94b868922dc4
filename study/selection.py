"""Which search trial of an arm won, and which confirmation of it did best: by validation alone."""

from collections.abc import Iterable, Mapping
from typing import Any

Row = Mapping[str, Any]


def winner(rows: Iterable[Row], measure: str) -> Row | None:
    """The best of an arm's search trials by `val_<measure>`: completed ones first, then the earliest.

    None if none of them ended well.
    """
    ended = [row for row in rows if row["status"] in ("completed", "pruned")]
    return max(ended, key=lambda r: (r["status"] == "completed", r[f"val_{measure}"], -r["number"]), default=None)


def best_confirmation(rows: Iterable[Row], measure: str) -> Row | None:
    """The best by `val_<measure>` of confirmations that ended well: the lowest seed of equal ones, None of none."""
    ended = [row for row in rows if row["status"] == "completed"]
    return max(ended, key=lambda r: (r[f"val_{measure}"], -r["seed"]), default=None)
