"""Who hears what happens in a study: the display, TensorBoard, whoever keeps its records."""

from collections.abc import Mapping, Sequence
from typing import Any

from study.plan import TrialSpec

Row = dict[str, Any]


class Watcher:
    """Does nothing; those who watch do something at what concerns them."""

    def on_epoch(self, spec: TrialSpec, epoch: Row) -> None:
        """A trial has come to the end of an epoch, the row of `epochs`."""

    def on_end(self, spec: TrialSpec, row: Row) -> None:
        """A trial has ended, with its row of `trials`."""

    def on_tested(self, spec: TrialSpec, names: Sequence[str], *, as_before: bool, error: str | None) -> None:
        """A trial that had ended was tested on the other data of these names, too; on none if that failed.

        as_before: whether it answers the test images as it did, so that it is the same network. error: why it failed.
        """

    def on_given_up(self, search: int) -> None:
        """The time limit ended this search of every arm, not the first, before it was done: it counts for nothing."""

    def on_cut(self, counted: Mapping[str, int]) -> None:
        """The time limit ended the search of these arms, and so many of their epochs count, the same in each."""
