"""What runs next, and what each result means: the study's logic, without Ray, Keras or a clock.

The engine hands out `TrialSpec`s, hears of their epochs and ends, and keeps the tables and Optuna's journal in
step, the tables first. All it knows at a start it reads from those two, so that a study that was killed goes on
where it stood.
"""

import bisect
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from fer_core.epoch import worth
from study.plan import Plan, SearchKey, TrialSpec
from study.records.rows import elsewhere_rows, tested_rows, trial_row
from study.records.schemas import Row
from study.records.tables import Tables
from study.search.arm_search import ArmSearch
from study.search.deadline import Deadline
from study.search.sampler import Sampler
from study.search.selection import as_counted, best_confirmation, winner
from study.watching.watcher import Watcher

# So many trials in a row that fail have a common cause, which no further trial will cure.
MOST_FAILURES_IN_A_ROW = 6
# The part by which a network's loss on the test images differs at most on another machine, or in another precision of
# its sums. Another training of the same configuration and seed differs by more.
SAME_LOSS = 1e-3


PHASES = ("fixed", "search", "confirm")


class StudyFailedError(RuntimeError):
    """The study cannot go on. The message says why."""


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
        self._cut: list[ArmSearch] = []  # of every arm's first search those that the deadline ended
        self._stopped: set[str] = set()  # trials that the deadline ended, not their rank: they go on in a later run
        self._counted: dict[str, int] = {}  # how many epochs of theirs count
        self._measure = f"val_{plan.space.judged_by}"
        arms = {arm.name: arm for arm in plan.arms}
        self._searches = {(name, n): ArmSearch(plan, arms[name], n) for name, n in plan.search_keys}
        self._begun = 0  # the last of the searches, by number, of which a trial was handed out
        self._waiting: list[TrialSpec] = []  # in the order in which they are handed out
        self._running: set[str] = set()
        self._epochs: dict[str, list[Row]] = defaultdict(list)
        self._failures_in_a_row = 0
        self._results = {row["trial"]: row for row in tables.trials().to_dict("records")}
        self._unconfirmed: dict[SearchKey, set[str]] = {}  # of every winner that is known the trials yet to end
        self._restore_epochs()
        self._queue(plan.fixed_trials())
        self._extend()

    @property
    def exhausted(self) -> bool:
        """Whether no further trial will ever be handed out."""
        return not self._waiting and all(search.confirming for search in self._searches.values())

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
        return any(
            search.closed and (not search.proposed or any(self.is_left(spec) for spec in search.trials))
            for search in self._searches.values()
        )

    def is_left(self, spec: TrialSpec) -> bool:
        """Whether there is more to do of a trial that was proposed, now or, where the deadline ended it, later."""
        return spec.trial not in self._results or spec.trial in self._stopped

    def left(self, phase: str) -> dict[str, int]:
        """By arm, how many search or confirm trials are yet to end, those included that nobody has proposed yet."""
        found = dict.fromkeys([arm.name for arm in self.plan.arms], 0)
        for search in self._searches.values():
            if phase == "search":
                found[search.arm.name] += search.unproposed + sum(map(self.is_left, search.trials))
            else:
                found[search.arm.name] += self._to_confirm(search)
        return found

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
        self._extend()
        if self._waiting:
            self._begun = max(self._begun, self._waiting[0].search)
        self._watch_time()
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

    def has_ended(self, spec: TrialSpec) -> bool:
        """Whether the trial has ended before: then it was handed out for what it lacks of other data."""
        return self.tables.has_trial(spec.trial)

    def on_epochs(self, spec: TrialSpec, epochs: list[Row]) -> bool:
        """Record the epochs not known yet, up to a rung that the trial does not pass now. Whether it shall stop.

        If so, `on_stop` comes next, unless the trial has ended by itself and `has_heard` all its epochs: `on_end`.
        """
        for epoch in epochs:
            self._record(spec, epoch)
            if spec.number is not None:
                self._watch_time()
                if not self._searches[spec.key].passes(spec.number, epoch["epoch"]):
                    return True
        if spec.number is None:
            return False
        search = self._searches[spec.key]
        if epochs and not search.closed:
            search.timetable.outlive(spec.number, epochs[-1]["epoch"])
        return search.closed

    def has_heard(self, spec: TrialSpec, epochs: list[Row]) -> bool:
        """Whether all these epochs of the trial are recorded."""
        return not epochs or len(self._epochs[spec.trial]) >= epochs[-1]["epoch"]

    def on_stop(self, spec: TrialSpec, **details: Any) -> None:
        """A trial was stopped as `on_epochs` asked for, which may not be its end. details: what `on_end` takes."""
        assert spec.number is not None
        self._running.discard(spec.trial)
        self._searches[spec.key].pause(spec.number, len(self._epochs[spec.trial]), details)
        self._extend()

    def _record(self, spec: TrialSpec, epoch: Row) -> None:
        if not self.tables.add_epoch({"trial": spec.trial, **epoch}):
            return
        self._epochs[spec.trial].append(epoch)
        if self._deadline is not None:
            self._deadline.observe(epoch["epoch"], epoch["seconds"])
        for watcher in self._watchers:
            watcher.on_epoch(spec, epoch)
        if spec.number is not None:
            self._tell_epoch(spec, epoch)

    def on_end(self, spec: TrialSpec, status: str, **details: Any) -> None:
        """Record that a trial ended as `status`, with the details that `_finish` takes.

        Raises StudyFailedError if too many in a row have failed, or all that there are.
        """
        if self.has_ended(spec):
            self._finish_again(spec, status, **details)
        else:
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
        answers, test = ({}, None) if test is None else tested_rows(spec.trial, test)
        row = trial_row(
            {
                "trial": spec.trial,
                "arm": spec.arm,
                "phase": spec.phase,
                "seed": spec.seed,
                "number": spec.number,
                "search": None if spec.phase == "fixed" else spec.search,
            },
            spec.config.flat(),
            status,
            self._epochs[spec.trial],
            test=test,
            worker=worker,
            attempts=attempts,
            error=error,
        )
        ranked = spec.number is None or status != "pruned" or not self._searches[spec.key].closed
        if not ranked:
            self._stopped.add(spec.trial)
        self.tables.add_trial(row, **answers)
        self._results[spec.trial] = row
        self._unconfirmed.get(spec.key, set()).discard(spec.trial)
        if spec.number is not None and ranked:  # else to the journal it still runs
            self.sampler.tell(spec.key, spec.number, status, row[self._measure])
        for watcher in self._watchers:
            watcher.on_end(spec, row)
        self._running.discard(spec.trial)
        if spec.number is not None:
            self._searches[spec.key].timetable.end(spec.number)
        self._watch_failures(status, error)

    def _finish_again(
        self,
        spec: TrialSpec,
        status: str,
        *,
        test: dict[str, Any] | None = None,
        error: str | None = None,
        **of_its_row: Any,
    ) -> None:
        """Record what an ended trial has now answered of other data. Its row stays as it is."""
        names, same = self.tables.lacking(spec.trial), False
        if test is None:
            names, error = [], error or status
        else:
            self.tables.add_elsewhere(spec.trial, elsewhere_rows(spec.trial, test["elsewhere"]))
            before = self._results[spec.trial]["test_loss"]
            same = math.isclose(test["test_loss"], before, rel_tol=SAME_LOSS)
        for watcher in self._watchers:
            watcher.on_tested(spec, names, as_before=same, error=error)
        self._running.discard(spec.trial)
        self._watch_failures(status, error)

    def _watch_failures(self, status: str, error: str | None) -> None:
        self._failures_in_a_row = self._failures_in_a_row + 1 if status == "failed" else 0
        if status != "failed":
            return
        if self._failures_in_a_row == self.plan.trial_count:
            raise StudyFailedError(f"every trial failed, the last with: {error}")
        if self._failures_in_a_row >= MOST_FAILURES_IN_A_ROW:
            raise StudyFailedError(f"{self._failures_in_a_row} trials in a row failed, the last with: {error}")

    def winner(self, arm: str, search: int = 0) -> TrialSpec | None:
        """The trial of an arm's search that is best on validation by the space's measure, completed ones first.

        None if all failed. In an arm with nothing to tune, its only configuration.
        """
        searched = self._searches[arm, search]
        if not self.plan.trials_in(searched.arm):
            return TrialSpec(arm, "search", searched.plan.arm_config(searched.arm, {}), seed=0)
        ended = [self._results[spec.trial] for spec in searched.trials if spec.trial in self._results]
        if search == 0 and arm in self._counted:
            plan, most = self.plan, self._counted[arm]
            ended = as_counted(ended, self._epochs.__getitem__, plan.window, plan.stops, most)
        best = winner(ended, self.plan.space.goal)
        return None if best is None else searched.trials[int(best["number"])]

    def best_network(self, arm: str, search: int = 0) -> str | None:
        """The confirmation of the search's winner whose network is the one to keep, None before any has ended."""
        chosen = self.winner(arm, search)
        if chosen is None:
            return None
        names = [spec.trial for spec in self._searches[arm, search].confirmations(chosen.config)]
        ended = [self._results[name] for name in names if name in self._results]
        best = best_confirmation(ended, self.plan.space.goal)
        return None if best is None else best["trial"]

    def confirmations(self, arm: str, search: int = 0) -> list[str]:
        """The confirm trials of an arm's search that have ended."""
        wanted = (arm, search, "confirm")
        rows = self._results.values()
        return [row["trial"] for row in rows if (row["arm"], row["search"], row["phase"]) == wanted]

    def _queue(self, specs: list[TrialSpec]) -> None:
        for spec in specs:
            if not self.tables.has_trial(spec.trial) or self.tables.lacking(spec.trial):
                bisect.insort(self._waiting, spec, key=self._order)

    def _order(self, spec: TrialSpec) -> tuple[int, int, int, int]:
        """An earlier search and its confirmation come before a later one. Search trials by their searches' clocks, so
        that no arm is ahead and no trial waits longer than it must.
        """
        number = spec.number
        hour = 0 if number is None else self._searches[spec.key].timetable.hour(number)
        return spec.search, PHASES.index(spec.phase), hour, number or 0

    def _extend(self) -> None:
        """In every search decide on what is paused, propose what is due, in the end its winner's confirmation."""
        for search in self._searches.values():
            self._decide(search)
            while search.is_due():
                self._propose_search(search)
                self._decide(search)
        if self._cut and not self._counted and not any(search.timetable.open for search in self._cut):
            self._count()
        for search in self._searches.values():
            if not search.timetable.open and not search.confirming and bool(self._cut) == bool(self._counted):
                self._propose_confirmation(search)

    def _decide(self, search: ArmSearch) -> None:
        """End or hand out again the trials that wait at a rung, where that is clear."""
        for spec, details, goes_on in search.decided():
            assert spec.number is not None
            if goes_on:
                if self._results.pop(spec.trial, None) is not None:  # a deadline had ended it
                    self.tables.forget_end(spec.trial)
                self._queue([spec])
            elif spec.trial in self._results:
                self._end_again(search, spec)
            elif search.given_up:  # no rank ended it: it goes on where the study does
                search.timetable.end(spec.number)
            else:
                self._finish(spec, "pruned", **details)

    def _end_again(self, search: ArmSearch, spec: TrialSpec) -> None:
        """A trial that a deadline had ended does not go on: it is out by its rank, or the time is over again."""
        assert spec.number is not None
        if search.closed:
            self._stopped.add(spec.trial)
        else:
            self.sampler.tell(spec.key, spec.number, "pruned", None)
        search.timetable.end(spec.number)

    def _count(self) -> None:
        """Judge the arms whose search was cut by the same number of epochs: those of the arm that had the fewest."""
        spent = {s.arm.name: sum(len(self._epochs[spec.trial]) for spec in s.trials) for s in self._cut}
        fewest = min((epochs for epochs in spent.values() if epochs), default=0)
        self._counted = dict.fromkeys(spent, fewest)
        for watcher in self._watchers:
            watcher.on_cut(self._counted)

    def _watch_time(self) -> None:
        """End searches if the confirmations need the time that is left: no further trial, no further epoch.

        The last search first. Every arm's first counts as far as it came; a later one that is not done is given up.
        """
        if self._deadline is None:
            return
        closed = False
        while not self._deadline.allows(self._outstanding(), self.plan.epochs):
            unfinished = [search for search in self._searches.values() if not (search.closed or search.confirming)]
            if not unfinished:
                break
            self._close([search for search in unfinished if search.number == unfinished[-1].number])
            closed = True
        if closed:
            self._extend()

    def _outstanding(self) -> int:
        """Confirmations that are yet to end of the searches that were begun."""
        begun = (search for search in self._searches.values() if search.number <= self._begun)
        return sum(self._to_confirm(search) for search in begun if not search.given_up)

    def _to_confirm(self, search: ArmSearch) -> int:
        """How many confirmations of a search's winner are yet to end, whoever wins."""
        return len(self._unconfirmed[search.key]) if search.key in self._unconfirmed else self.plan.seeds

    def _close(self, searches: list[ArmSearch]) -> None:
        for search in searches:
            search.close()
        self._cut += [search for search in searches if not search.given_up]
        if searches[0].given_up:
            for watcher in self._watchers:
                watcher.on_given_up(searches[0].number)
        waiting, self._waiting = self._waiting, []
        for spec in waiting:
            search, epochs = self._searches[spec.key], len(self._epochs[spec.trial])
            if spec.phase == "fixed" and search.given_up:  # in a fold that nobody will test
                continue
            if spec.number is None or not search.closed:
                self._waiting.append(spec)
            elif epochs:
                search.pause(spec.number, epochs, {})
            else:
                search.timetable.end(spec.number)

    def _propose_search(self, search: ArmSearch) -> None:
        number = search.timetable.begin()
        tuned = self.sampler.propose(search.arm, search.number, number, search.timetable.known)
        spec = search.begin(search.plan.arm_config(search.arm, tuned))
        for epoch in self._epochs[spec.trial]:  # which the journal lacks after a crash between it and the tables
            self._tell_epoch(spec, epoch)
        row = self._results.get(spec.trial)
        if row is None:
            self._queue([spec])
        elif row["status"] == "pruned" and not self.sampler.has_ended(spec.key, number):
            search.pause(number, len(self._epochs[spec.trial]), {})  # a deadline may have ended it, not its rank
        else:
            self.sampler.tell(spec.key, number, row["status"], row[self._measure])
            search.timetable.end(number)

    def _tell_epoch(self, spec: TrialSpec, epoch: Row) -> None:
        assert spec.number is not None
        if math.isfinite(epoch[self._measure]):
            self.sampler.report(spec.key, spec.number, epoch["epoch"], epoch[self._measure])
        value = worth(epoch, self.plan.space.goal)
        self._searches[spec.key].timetable.report(spec.number, epoch["epoch"], value)

    def _propose_confirmation(self, search: ArmSearch) -> None:
        search.confirming = True
        chosen = self.winner(*search.key)
        if chosen is None and search.closed:
            self._unconfirmed[search.key] = set()
            return  # the time was too short for this arm
        if chosen is None:
            raise StudyFailedError(
                f"arm {search.arm.name}: no search trial ended well, so there is nothing to confirm."
            )
        specs = search.confirmations(chosen.config)
        self._unconfirmed[search.key] = {spec.trial for spec in specs if self.is_left(spec)}
        self._queue(specs)

    def _restore_epochs(self) -> None:
        every = self.tables.all_epochs().sort_values("epoch")
        for trial, rows in every.groupby("trial"):
            self._epochs[str(trial)] = rows.drop(columns="trial").to_dict("records")
