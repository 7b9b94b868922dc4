"""What runs next, and what each result means: the study's logic, without Ray, Keras or a clock.

The engine hands out `TrialSpec`s, hears of their epochs and ends, and keeps the tables and Optuna's journal in
step, the tables first. All it knows at a start it reads from those two, so that a study that was killed goes on
where it stood.
"""

import bisect
import heapq
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fer_core.config import TrialConfig
from search_spaces.space import Arm
from study.deadline import Deadline
from study.plan import REDUCTION_FACTOR, Plan, TrialSpec
from study.sampler import Sampler
from study.selection import as_counted, best_confirmation, winner
from study.tables import Row, Tables, prediction_rows, trial_row
from study.timetable import Timetable
from study.watcher import Watcher

# So many trials in a row that fail have a common cause, which no further trial will cure.
MOST_FAILURES_IN_A_ROW = 6


PHASES = ("fixed", "search", "confirm")


class StudyFailedError(RuntimeError):
    """The study cannot go on. The message says why."""


@dataclass
class ArmProgress:
    """An arm's search trials in the order of their numbers.

    paused: those that left their worker where it was not clear yet whether they go on, by epoch a heap of their
    numbers with what is to be recorded of each.
    """

    arm: Arm
    timetable: Timetable
    search: list[TrialSpec] = field(default_factory=list)
    paused: dict[int, list[tuple[int, dict[str, Any]]]] = field(default_factory=lambda: defaultdict(list))
    confirming: bool = False


class Engine:
    """Runs `plan` by answering three questions: which trial next, stop it after this epoch, are we done.

    A search trial may be stopped at a rung to wait for others of its arm; then it is handed out again, to go on from
    its checkpoint, or ends there.
    """

    def __init__(
        self,
        plan: Plan,
        sampler: Sampler,
        tables: Tables,
        watchers: Sequence[Watcher] = (),
        deadline: Deadline | None = None,
    ) -> None:
        self.plan, self.sampler, self.tables = plan, sampler, tables
        self._watchers, self._deadline = list(watchers), deadline
        self._search_closed = False
        self._cut: list[ArmProgress] = []  # the arms whose search the deadline ended
        self._counted: dict[str, int] = {}  # how many epochs of theirs count
        self._measure = f"val_{plan.space.measure}"
        self._arms = {arm.name: ArmProgress(arm, self._timetable(arm)) for arm in plan.arms}
        self._waiting: list[TrialSpec] = []  # in the order in which they are handed out
        self._running: set[str] = set()
        self._epochs: dict[str, list[Row]] = defaultdict(list)
        self._failures_in_a_row = 0
        self._results = {row["trial"]: row for row in tables.trials().to_dict("records")}
        self._confirmed = sum(row["phase"] == "confirm" for row in self._results.values())
        self._restore_epochs()
        self._queue(plan.fixed_trials())
        self._extend()

    @property
    def exhausted(self) -> bool:
        """Whether no further trial will ever be handed out."""
        return not self._waiting and all(arm.confirming for arm in self._arms.values())

    @property
    def finished(self) -> bool:
        """Whether every trial of the plan has ended."""
        return self.exhausted and not self._running

    @property
    def running(self) -> int:
        """How many trials were handed out and have neither ended nor left their worker."""
        return len(self._running)

    @property
    def search_cut(self) -> bool:
        """Whether the deadline ended the search before all its trials were proposed and ended."""
        return self._search_closed and any(
            not self._searched(arm) or any(spec.trial not in self._results for spec in arm.search)
            for arm in self._arms.values()
        )

    def epoch_seconds(self) -> dict[str, list[float]]:
        """How long the epochs of every arm's finished trials took."""
        found: dict[str, list[float]] = defaultdict(list)
        for trial, epochs in self._epochs.items():
            if trial in self._results:
                found[self._results[trial]["arm"]] += [epoch["seconds"] for epoch in epochs]
        return found

    def watch(self, watcher: Watcher) -> None:
        """From now on `watcher`, too, hears what happens."""
        self._watchers.append(watcher)

    def next(self) -> TrialSpec | None:
        """A trial to start now, or None if none can be before another goes on. Fixed, then search, then confirm.

        Raises StudyFailedError if there is none and none runs, although the study has not ended.
        """
        self._watch_time()
        self._extend()
        if not self._waiting:
            if not self._running and not self.finished:  # rather than wait for ever for what nobody will report
                raise StudyFailedError("trials are left, and none of them can go on")
            return None
        spec = self._waiting.pop(0)
        self._running.add(spec.trial)
        return spec

    def put_back(self, spec: TrialSpec) -> None:
        """A trial that was handed out could not run: hand it out again."""
        self._running.discard(spec.trial)
        self._queue([spec])

    def on_epochs(self, spec: TrialSpec, epochs: list[Row]) -> bool:
        """Record the epochs not known yet, up to one after which the trial shall stop: True, and then `on_stop`."""
        for epoch in epochs:
            self._record(spec, epoch)
            if spec.number is None:
                continue
            self._watch_time()
            place = (spec.number, epoch["epoch"])
            timetable = self._arms[spec.arm].timetable
            if self._search_closed or not (timetable.is_clear(*place) and timetable.goes_on(*place)):
                return True
        if spec.number is not None:
            self._arms[spec.arm].timetable.outlive(spec.number)
        return False

    def on_stop(self, spec: TrialSpec, **details: Any) -> None:
        """A trial was stopped as `on_epochs` asked for, which may not be its end. details: what `on_end` takes."""
        assert spec.number is not None
        self._running.discard(spec.trial)
        self._pause(spec, details)
        self._extend()

    def _pause(self, spec: TrialSpec, details: dict[str, Any]) -> None:
        assert spec.number is not None
        heapq.heappush(self._arms[spec.arm].paused[len(self._epochs[spec.trial])], (spec.number, details))

    def _record(self, spec: TrialSpec, epoch: Row) -> None:
        if not self.tables.add_epoch({"trial": spec.trial, **epoch}):
            return
        self._epochs[spec.trial].append(epoch)
        if self._deadline is not None:
            self._deadline.observe(epoch["seconds"])
        for watcher in self._watchers:
            watcher.on_epoch(spec, epoch)
        if spec.number is not None:
            self._tell_epoch(spec, epoch)

    def on_end(self, spec: TrialSpec, status: str, **details: Any) -> None:
        """Record that a trial ended as `status`, with the details that `_finish` takes.

        Raises StudyFailedError if too many in a row have failed.
        """
        self._finish(spec, status, **details)
        self._extend()

    def _finish(
        self,
        spec: TrialSpec,
        status: str,
        *,
        worker: dict[str, Any] | None = None,
        test: dict[str, Any] | None = None,
        attempts: int = 1,
        error: str | None = None,
    ) -> None:
        """Record a trial's end. `test`: the worker's test results, of fixed and confirm trials."""
        predictions = None
        if test is not None:
            test = dict(test)
            columns = [test.pop(name) for name in ("images", "labels", "probabilities", "distinct")]
            predictions = prediction_rows(spec.trial, *columns)
        row = trial_row(
            {
                "trial": spec.trial,
                "arm": spec.arm,
                "phase": spec.phase,
                "seed": spec.seed,
                "number": spec.number,
            },
            spec.config.flat(),
            status,
            self._epochs[spec.trial],
            test=test,
            worker=worker,
            attempts=attempts,
            error=error,
        )
        self.tables.add_trial(row, predictions)
        self._confirmed += spec.phase == "confirm" and spec.trial not in self._results
        self._results[spec.trial] = row
        if spec.number is not None:
            self.sampler.tell(spec.arm, spec.number, status, row[self._measure])
        for watcher in self._watchers:
            watcher.on_end(spec, row)
        self._running.discard(spec.trial)
        if spec.number is not None:
            self._arms[spec.arm].timetable.end(spec.number)
        self._failures_in_a_row = self._failures_in_a_row + 1 if status == "failed" else 0
        if self._failures_in_a_row >= MOST_FAILURES_IN_A_ROW:
            raise StudyFailedError(f"{self._failures_in_a_row} trials in a row failed, the last with: {error}")

    def winner(self, arm: str) -> TrialSpec | None:
        """The arm's search trial that is best on validation by the space's measure, completed ones first.

        None if all failed. In an arm with nothing to tune, its only configuration.
        """
        progress = self._arms[arm]
        if not self.plan.trials_in(progress.arm):
            return TrialSpec(arm, "search", self.plan.arm_config(progress.arm, {}), seed=0)
        ended = [self._results[spec.trial] for spec in progress.search if spec.trial in self._results]
        if arm in self._counted:
            plan, most = self.plan, self._counted[arm]
            ended = as_counted(ended, self._epochs.__getitem__, plan.window, plan.stops, most)
        best = winner(ended, self.plan.space.measure)
        return None if best is None else progress.search[int(best["number"])]

    def best_network(self, arm: str) -> str | None:
        """The confirmation of the arm's winner whose network is the one to keep, None before any has ended."""
        chosen = self.winner(arm)
        if chosen is None:
            return None
        names = [spec.trial for spec in self._confirm_trials(self._arms[arm].arm, chosen.config)]
        best = best_confirmation(
            [self._results[name] for name in names if name in self._results], self.plan.space.measure
        )
        return None if best is None else best["trial"]

    def confirmations(self, arm: str) -> list[str]:
        """The confirm trials of `arm` that have ended."""
        rows = self._results.values()
        return [row["trial"] for row in rows if row["arm"] == arm and row["phase"] == "confirm"]

    def _confirm_trials(self, arm: Arm, config: TrialConfig) -> list[TrialSpec]:
        return [self.plan.spec(arm, "confirm", config, seed) for seed in self.plan.confirm_seeds]

    def _timetable(self, arm: Arm) -> Timetable:
        plan = self.plan
        return Timetable(plan.window, plan.trials_in(arm), plan.stops, plan.scheduler, REDUCTION_FACTOR)

    def _queue(self, specs: list[TrialSpec]) -> None:
        for spec in specs:
            if not self.tables.has_trial(spec.trial):
                bisect.insort(self._waiting, spec, key=self._order)

    def _order(self, spec: TrialSpec) -> tuple[int, int, int]:
        """Search trials by their arms' clocks, so that no arm is ahead and no trial waits longer than it must."""
        number = spec.number
        hour = 0 if number is None else self._arms[spec.arm].timetable.hour(number)
        return PHASES.index(spec.phase), hour, number or 0

    def _extend(self) -> None:
        """In every arm decide on what is paused, propose what is due: search trials, in the end the confirmation."""
        for progress in self._arms.values():
            self._decide(progress)
            while not self._search_closed and not self._searched(progress) and progress.timetable.is_due():
                self._propose_search(progress)
        if self._cut and not self._counted and not any(progress.timetable.open for progress in self._cut):
            self._count()
        for progress in self._arms.values():
            if not progress.timetable.open and not progress.confirming and bool(self._cut) == bool(self._counted):
                self._propose_confirmation(progress)

    def _decide(self, progress: ArmProgress) -> None:
        """End or hand out again the trials that wait at a rung, where that is clear."""
        timetable = progress.timetable
        for epoch, paused in progress.paused.items():
            while paused and (self._search_closed or timetable.is_clear(paused[0][0], epoch)):
                number, details = heapq.heappop(paused)
                spec = progress.search[number]
                if not self._search_closed and timetable.goes_on(number, epoch):
                    timetable.outlive(number)
                    self._queue([spec])
                else:
                    self._finish(spec, "pruned", **details)

    def _count(self) -> None:
        """Judge the arms whose search was cut by the same number of epochs: those of the arm that had the fewest."""
        spent = {p.arm.name: sum(len(self._epochs[spec.trial]) for spec in p.search) for p in self._cut}
        fewest = min((epochs for epochs in spent.values() if epochs), default=0)
        self._counted = dict.fromkeys(spent, fewest)
        for watcher in self._watchers:
            watcher.on_cut(self._counted)

    def _searched(self, progress: ArmProgress) -> bool:
        return len(progress.search) >= self.plan.trials_in(progress.arm)

    def _watch_time(self) -> None:
        """End the search if the confirmation needs the time that is left: no further trial, no further epoch."""
        if self._search_closed or self._deadline is None:
            return
        confirmations = len(self.plan.arms) * self.plan.seeds - self._confirmed
        if self._deadline.allows(confirmations * self.plan.epochs):
            return
        self._search_closed = True
        self._cut = [progress for progress in self._arms.values() if not progress.confirming]
        dropped = [spec for spec in self._waiting if spec.number is not None]
        self._waiting = [spec for spec in self._waiting if spec.number is None]
        for spec in dropped:
            assert spec.number is not None
            if self._epochs[spec.trial]:
                self._pause(spec, {})
            else:
                self._arms[spec.arm].timetable.end(spec.number)
        self._extend()

    def _propose_search(self, progress: ArmProgress) -> None:
        number = progress.timetable.begin()
        tuned = self.sampler.propose(progress.arm, number, progress.timetable.known)
        config = self.plan.arm_config(progress.arm, tuned)
        spec = self.plan.spec(progress.arm, "search", config, self.plan.search_seed(number), number)
        progress.search.append(spec)
        self._agree_with_journal(spec)
        if spec.trial in self._results:
            progress.timetable.end(number)
        else:
            self._queue([spec])

    def _agree_with_journal(self, spec: TrialSpec) -> None:
        """Tell the journal what the tables know of a search trial, after a crash between the two."""
        assert spec.number is not None
        for epoch in self._epochs[spec.trial]:
            self._tell_epoch(spec, epoch)
        if spec.trial in self._results:
            row = self._results[spec.trial]
            self.sampler.tell(spec.arm, spec.number, row["status"], row[self._measure])

    def _tell_epoch(self, spec: TrialSpec, epoch: Row) -> None:
        assert spec.number is not None
        if math.isfinite(epoch[self._measure]):
            self.sampler.report(spec.arm, spec.number, epoch["epoch"], epoch[self._measure])
        self._arms[spec.arm].timetable.report(spec.number, epoch["epoch"], epoch[self._measure])

    def _propose_confirmation(self, progress: ArmProgress) -> None:
        progress.confirming = True
        chosen = self.winner(progress.arm.name)
        if chosen is None and self._search_closed:
            return  # the time was too short for this arm
        if chosen is None:
            raise StudyFailedError(
                f"arm {progress.arm.name}: no search trial ended well, so there is nothing to confirm."
            )
        self._queue(self._confirm_trials(progress.arm, chosen.config))

    def _restore_epochs(self) -> None:
        every = self.tables.all_epochs().sort_values("epoch")
        for trial, rows in every.groupby("trial"):
            self._epochs[str(trial)] = rows.drop(columns="trial").to_dict("records")
