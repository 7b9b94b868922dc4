"""What a study brings of its own to Ray Tune: search, scheduler, stopper and callback, all ways to the engine.

Imported by `runner.py` alone.
"""

import errno
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher
from ray.tune.stopper import Stopper

from fer_core.config import View
from study.cluster.connection import nodes
from study.cluster.machines import Cluster
from study.cluster.sharing import Shares
from study.cluster.stalls import Stalls
from study.cluster.trial import OUT_OF_MEMORY, Report
from study.engine import Engine, StudyFailedError
from study.plan import TrialSpec
from study.records.folder import network_file
from study.records.place import Place
from study.records.shelf import Shelf
from study.watching.watcher import Row, Watcher

RETRIES = 2
# What is nobody's own: files of packages, this project's among them wherever Ray puts them, and what is in no file.
_INSTALLED = re.compile(r"site-packages|/lib/python3|^<|/(study|fer_core)/\w+\.py$")


class Link(Watcher):
    """The way to the engine. Ray pickles searcher and scheduler into its snapshots; the engine stays out.

    What goes wrong in the engine, such as a full disk, must not pass for the failure of a trial: it is kept as
    `failure`, the engine is left alone from then on, and the run ends.

    images: of every view where the images are that a trial learns from, and those that it is tested on. keep_all:
    whether the network of every tested trial is kept, not only that of a winner's best confirmation.
    """

    def __init__(
        self,
        engine: Engine,
        place: Place,
        checkpoints: Shelf,
        models: Shelf,
        images: Mapping[View, tuple[list, list]],
        shares: Shares,
        say: Callable[[str], object] = lambda text: None,
        keep_all: bool = False,
    ) -> None:
        self.engine, self.place, self.images, self.keep_all = engine, place, images, keep_all
        self.checkpoints, self.models, self.shares, self.say = checkpoints, models, shares, say
        self.specs: dict[str, TrialSpec] = {}
        self.failure: Exception | None = None
        self.earlier: Counter[str] = Counter()  # failures of a trial's earlier Ray trials
        engine.watch(self)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Keep the first error within; nothing within is done after one."""
        try:
            yield
        except Exception as problem:
            self.failure = self.failure or problem

    def __reduce__(self) -> tuple:
        return (object, ())

    def spec(self, trial: Any) -> TrialSpec:
        return self.specs[trial.config["trial"]]

    def failures(self, trial: Any) -> int:
        """How often the trial has failed so far, in this Ray trial and in those before it."""
        return self.earlier[self.spec(trial).trial] + trial.num_failures

    def put_back(self, trial: Any) -> bool:
        """Have a trial handed out again that Ray gives up although it may fail more often.

        Ray does so where a worker is lost that has not begun with the trial yet.
        """
        failures = self.failures(trial)
        if failures > RETRIES:
            return False
        spec = self.spec(trial)
        self.earlier[spec.trial] = failures
        self.engine.put_back(spec)
        return True

    def counted_twice(self, trial: Any) -> None:
        """Ray has counted one failure twice."""
        self.earlier[self.spec(trial).trial] -= 1

    def give_room(self, trial: Any, worker: dict[str, Any]) -> None:
        """Have a trial that ran out of a GPU's memory handed out again with a larger share, from its last epoch."""
        spec, had = self.spec(trial), trial.config["gpu"]
        larger = self.shares.grow(spec.arm, had)
        if larger is None:
            self.end(trial, "failed", worker=worker, error="the memory of a whole GPU was too small")
            return
        self.say(f"arm {spec.arm}: {had:g} of a GPU has too little memory; its trials get {larger:g} from now on.")
        self.engine.put_back(spec)

    def end(self, trial: Any, status: str, **details: Any) -> None:
        """A trial has ended by itself."""
        self.engine.on_end(self.spec(trial), status, **details)

    def stop(self, trial: Any, worker: dict[str, Any]) -> None:
        """A trial was stopped by the engine, which may hand it out again: to Ray that is another trial."""
        spec = self.spec(trial)
        self.earlier[spec.trial] = self.failures(trial)
        self.engine.on_stop(spec, worker=worker, attempts=self.earlier[spec.trial] + 1)

    def on_end(self, spec: TrialSpec, row: Row) -> None:
        self._settle(spec)

    def on_tested(self, spec: TrialSpec, names: Sequence[str], *, as_before: bool, error: str | None) -> None:
        self._settle(spec)

    def _settle(self, spec: TrialSpec) -> None:
        """Send what is known of the trial, and keep no more of it than what is needed."""
        self.place.send()
        if not self.engine.is_left(spec):
            self.checkpoints.remove(f"{spec.trial}.npz")
        if spec.phase == "confirm" and not self.keep_all:
            self._keep_best_network(spec)

    def _keep_best_network(self, spec: TrialSpec) -> None:
        best, by_trainer = self.engine.best_network(*spec.key), self.engine.plan.space.trainer is not None
        for trial in self.engine.confirmations(*spec.key):
            if trial != best:
                self.models.remove(network_file(trial, by_trainer))


class Room:
    """How many trials run at a time on the nodes that are there: they may join and go. Asks Ray now and then."""

    EVERY = 2.0  # seconds

    def __init__(self, cluster: Cluster) -> None:
        self._cluster, self._slots, self._asked = cluster, cluster.slots, 0.0

    def __call__(self) -> int:
        if time.monotonic() - self._asked > self.EVERY:
            self._slots = self._cluster.slots_on(nodes())
            self._asked = time.monotonic()
        return self._slots


class Feed(Searcher):
    """Hands the engine's trials to Ray Tune, whose searchers are asked for one configuration at a time.

    No more than there is `room` for: a trial that waits in Ray is one that was chosen too early.
    """

    def __init__(self, link: Link, room: Callable[[], int]) -> None:
        super().__init__()
        self.link, self.room = link, room

    def suggest(self, trial_id: str) -> Any:  # a configuration, None for "later", or FINISHED
        if self.link.failure is None:
            with self.link.guarded():
                return self._next()
        return Searcher.FINISHED

    def _next(self) -> Any:
        engine = self.link.engine
        spec = engine.next() if engine.running < self.room() else None
        if spec is None:
            return Searcher.FINISHED if engine.finished else None
        self.link.specs[spec.trial] = spec
        config = {"trial": spec.trial, "settings": spec.config.flat(), "seed": spec.seed, "phase": spec.phase}
        config["gpu"] = self.link.shares.of(spec.arm)
        config["learning"], testing = self.link.images[spec.config.data.view]
        if spec.phase != "search":  # a search trial is not even told where the test images are
            config["testing"] = testing
            config["keep"] = self.link.keep_all or spec.phase == "confirm"
            config["again"] = engine.has_ended(spec)
        return config

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Nothing: `Decisions` has heard of it."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study's state is its tables and its journal."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: see `save`."""


class Idle:
    """Has Ray keep idle workers for the trials to come.

    By itself it keeps one, and ends the others as soon as no trial waits for them, as where an arm waits for a slow
    trial: each of the next ones would then pay for a new worker, some ten seconds. There is no public way to say so.
    """

    def __init__(self) -> None:
        self._kept: Counter[Any] = Counter()

    def keep(self, tune_controller: Any, count: int, resources: Any) -> None:
        """Keep so many with these resources from now on, and none with others."""
        wanted = {**dict.fromkeys(self._kept, 0), resources: count}
        for key, number in wanted.items():
            tune_controller._actor_cache.increase_max(key, number - self._kept[key])
            self._kept[key] = number


class Decisions(FIFOScheduler):
    """Takes what trials report to the engine, and its decisions back."""

    def __init__(self, link: Link, room: Callable[[], int]) -> None:
        super().__init__()
        self.link, self.room, self.idle = link, room, Idle()
        self._tried_again: set[str] = set()  # in this step of Ray's loop, which handles one event

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """The first that waits. Ray's own choice goes through all trials that there ever were, at every step."""
        self._tried_again.clear()  # every step of Ray's loop begins with this question
        waiting = [trial for trial in tune_controller.get_live_trials() if trial.status == Trial.PENDING]
        return min(waiting, key=lambda trial: trial.trial_id, default=None)

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Keep idle workers while trials will come; none once some need larger ones, whose room they would take."""
        kept = self.room() if self.link.shares.alike and not self.link.engine.exhausted else 0
        self.idle.keep(tune_controller, kept, trial.placement_group_factory)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        report: Report = result["report"]
        stop = True
        if self.link.failure is None:
            with self.link.guarded():
                stop = self.link.engine.on_epochs(self.link.spec(trial), report.epochs)
        return TrialScheduler.STOP if stop else TrialScheduler.CONTINUE

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """A trial ended by itself, or was stopped by the decision above."""
        if self.link.failure is not None:
            return
        report: Report = result["report"]
        with self.link.guarded():
            if report.status == OUT_OF_MEMORY:
                self.link.give_room(trial, report.worker)
                return
            engine, spec = self.link.engine, self.link.spec(trial)
            stop = engine.on_epochs(spec, report.epochs)
            if report.status is None or (stop and not engine.has_heard(spec, report.epochs)):
                self.link.stop(trial, report.worker)
            else:
                attempts = self.link.failures(trial) + 1
                self.link.end(trial, report.status, worker=report.worker, test=report.test, attempts=attempts)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """A trial failed. Ray calls this before it tries the trial again, too: then its status is ERROR already.

        An idle worker that dies while it takes up a trial is heard of twice in one step, as a lost worker and as a
        failed task: Ray counts two failures, tries the trial again and gives it up.
        """
        if self.link.failure is not None:
            return
        if trial.status == Trial.ERROR:
            self._tried_again.add(trial.trial_id)
            return
        with self.link.guarded():
            if trial.trial_id in self._tried_again:
                self.link.counted_twice(trial)
            if self.link.put_back(trial):
                return
            cause = _cause(trial, self.link.engine.plan.space.brought is not None)
            if os.strerror(errno.ENOSPC) in cause:  # no fault of the trial, and none of the next ones
                raise StudyFailedError(f"a worker found no room on its disk ({cause})")
            self.link.end(trial, "failed", attempts=self.link.failures(trial), error=cause)


class Ending(Stopper):
    """Ends the run when the engine has failed."""

    def __init__(self, link: Link) -> None:
        self.link = link

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.link.failure is not None


class Watchdog(Callback):
    """Ends the worker of a trial that makes no progress; Ray then tries the trial again, from its last epoch.

    Looks now and then: Ray shows it all trials that there ever were.
    """

    EVERY = 1.0  # seconds

    def __init__(self, link: Link, stalls: Stalls) -> None:
        self.link, self.stalls, self._looked = link, stalls, 0.0

    def on_trial_result(self, iteration: int, trials: list, trial: Any, result: dict[str, Any], **info: Any) -> None:
        report: Report = result["report"]
        self.stalls.learn(self.link.spec(trial).arm, [epoch["seconds"] for epoch in report.epochs])
        self.stalls.heard((trial.trial_id, trial.num_failures), time.monotonic())

    def on_step_begin(self, iteration: int, trials: list, **info: Any) -> None:
        if time.monotonic() - self._looked < self.EVERY:
            return
        self._looked = time.monotonic()
        running = {(t.trial_id, t.num_failures): t for t in trials if _has_worker(t)}
        arms = [(attempt, self.link.spec(trial).arm) for attempt, trial in running.items()]
        for attempt in self.stalls.stalled(arms, time.monotonic()):
            actor = running[attempt].temporary_state.ray_actor
            if actor is not None:
                ray.kill(actor)


def _has_worker(trial: Any) -> bool:
    """Whether it runs, or is to be taken up by a worker that rests: that one may hang, too."""
    if trial.status == Trial.PENDING:
        return trial.temporary_state.ray_actor is not None
    return trial.status == Trial.RUNNING


def _cause(trial: Any, own: bool) -> str:
    """The last line of the trial's traceback, and of `own` code of the user's, where in it that is.

    From the file that Ray has just written: `trial.get_error` reads a copy of it, which is made later, if at all.
    """
    try:
        text = Path(trial.error_file).read_text(encoding="utf-8", errors="replace") if trial.error_file else ""
    except OSError:
        text = ""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return "the worker ended without a word"
    return lines[-1].strip()[:500] + (_place_of(text) if own else "")


def _place_of(traceback: str) -> str:
    """Where in a file that no package has installed, if in any, the error arose."""
    frames = re.findall(r'File "(.+)", line (\d+)', traceback)
    own = [(file, line) for file, line in frames if not _INSTALLED.search(file)]
    return f" ({Path(own[-1][0]).name}, line {own[-1][1]})" if own else ""
