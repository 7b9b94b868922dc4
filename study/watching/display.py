"""What people watch while a study runs: bars on a terminal, one plain line a finished trial elsewhere."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from fer_core.epoch import worth
from search_spaces.space import MEASURES, Space
from study.plan import Plan, TrialSpec
from study.scale import scores_in
from study.watching.watcher import Row, Watcher

ENOUGH = 3  # trials in every slot, for the pace of a study to be known


def make_console() -> Console:
    """Standard output; piped, wide enough that the closing table keeps its lines.

    Names and paths are shown as they are: rich's own markup and emoji are off.
    """
    plain = partial(Console, highlight=False, markup=False, emoji=False)
    console = plain()
    return console if console.is_terminal else plain(width=160)


class Display(Watcher):
    """Shows the trials of `plan` as they end. A context manager; `slots`: how many run at a time,
    before: the trials of which nothing is left to do.
    """

    def __init__(self, console: Console, plan: Plan, slots: int, before: pd.DataFrame) -> None:
        self.console, self.plan, self.slots = console, plan, slots
        self._started = time.monotonic()
        self._ended = set(before["trial"])
        self._since = self._epochs = 0  # trials that ended since the start, and their epochs
        self._seconds = 0.0
        self._shown, self._value = _shown(plan.space)
        self._best: dict[str, Row] = {}  # by arm, of the rows so far that with the best validation
        self._bars: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
            disable=not console.is_terminal,
        )
        fixed = [spec.arm for spec in plan.fixed_trials()]
        for arm in plan.arms:
            done = before[before["arm"] == arm.name]
            self._bars[arm.name] = self._progress.add_task(
                arm.name, total=fixed.count(arm.name) + plan.own_trials(arm), completed=len(done), note=""
            )
            for row in done.to_dict("records"):
                self._note(arm.name, row)
        self._all = self._progress.add_task(
            "all trials", total=plan.trial_count, completed=len(self._ended), note="starting workers"
        )
        self._refresh_notes()

    def __enter__(self) -> "Display":
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def on_cut(self, counted: Mapping[str, int]) -> None:
        arms, epochs = ", ".join(counted), next(iter(counted.values()))
        chosen = f"are chosen by the first {epochs} epochs of each" if epochs else "cannot be chosen: it had no epoch"
        self.console.print(f"The time limit ends the search. The configurations of {arms} {chosen}.", soft_wrap=True)

    def on_given_up(self, search: int) -> None:
        what = f"search {search + 1} of {self.plan.searches} is given up"
        self.console.print(f"The time limit: {what}, of every arm where it was not done.", soft_wrap=True)

    def on_end(self, spec: TrialSpec, row: Row) -> None:
        self._advance(spec)
        self._since += 1
        self._epochs += row["epochs"]
        self._seconds += row["seconds"]
        self._note(spec.arm, row)
        self._refresh_notes()
        if not self.console.is_terminal:
            self.console.print(self._line(spec, row), soft_wrap=True)

    def on_tested(self, spec: TrialSpec, names: Sequence[str], *, as_before: bool, error: str | None) -> None:
        self._advance(spec)
        if not self.console.is_terminal:
            what = f"tested on {', '.join(names)}, too" if names else f"could not be tested: {error}"
            other = " (not the network of before)" if names and not as_before else ""
            count = f"{len(self._ended)}/{self._planned}"
            self.console.print(f"{count}  {spec.phase} {spec.arm} {spec.trial}  {what}{other}", soft_wrap=True)

    def _note(self, arm: str, row: Row) -> None:
        goal = "accuracy" if self._shown == "accuracy" else self.plan.space.goal
        if not pd.isna(row[f"val_{self._shown}"]):
            self._best[arm] = max(self._best.get(arm, row), row, key=lambda one: worth(one, goal))

    @property
    def _planned(self) -> int:
        """How many there will be: more than planned where the winner changed that an earlier run confirmed."""
        return max(self.plan.trial_count, len(self._ended))

    def _advance(self, spec: TrialSpec) -> None:
        """A trial has ended, perhaps not for the first time: one that a time limit had ended may go on."""
        if spec.trial not in self._ended:
            self._ended.add(spec.trial)
            self._progress.advance(self._bars[spec.arm])
            self._progress.advance(self._all)

    def _refresh_notes(self) -> None:
        for arm, best in self._best.items():
            self._progress.update(self._bars[arm], note=f"best validation {self._value(best[f'val_{self._shown}'])}")
        left = self._time_left()
        if left is not None:
            self._progress.update(self._all, note=f"about {_duration(left)} left")

    def _time_left(self) -> float | None:
        """From the epochs of the trials that ended since the start, None before the first: by the pace so far, which
        holds all that a trial takes beside, or of few trials by what the epochs took.
        """
        if not self._epochs:
            return None
        elapsed, epochs = time.monotonic() - self._started, (self._planned - len(self._ended)) * self.plan.epochs
        if self._since >= ENOUGH * self.slots:
            return epochs * elapsed / self._epochs
        return min(epochs * self._seconds / self._epochs / self.slots, (self._planned - len(self._ended)) * elapsed)

    def _line(self, spec: TrialSpec, row: Row) -> str:
        left = self._time_left()
        parts = [
            f"{len(self._ended)}/{self._planned}",
            f"{spec.phase} {spec.arm} {spec.trial}",
            row["status"],
            f"{row['epochs']} epochs in {_duration(row['seconds'])}",
        ]
        measured = {name: row[f"{name}_{self._shown}"] for name in ("val", "test")}
        parts += [f"{name} {self._value(value)}" for name, value in measured.items() if value is not None]
        parts += [row["error"]] if row["error"] else []
        parts += [f"about {_duration(left)} left"] if left else []
        return "  ".join(parts)


def _shown(space: Space) -> tuple[str, Callable[[float], str]]:
    """What is shown of every trial, and how it is written: its accuracy, or where a score judges that."""
    if space.score is not None:
        return space.judged_by, scores_in(space.score.unit).value
    return MEASURES[0], lambda share: f"{100 * share:.1f} %"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"
