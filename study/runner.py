"""Ray's part: starting or joining a cluster, and feeding Ray Tune from the engine.

Tune's own search, checkpoints and result files are not used: the engine proposes and decides, the tables
record, and a resumed study is a new Ray run over what is missing.
"""

import errno
import logging
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from study.cluster import Cluster

# Read by Ray when it is imported. Its output is silenced, since the study has a display of its own.
os.environ.update(
    RAY_AIR_NEW_OUTPUT="0",
    RAY_USAGE_STATS_ENABLED="0",
    TUNE_PRINT_ALL_TRIAL_ERRORS="0",
    TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1",
    TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S="0",
    TUNE_FORCE_TRIAL_CLEANUP_S="1",  # a stopped trial loses nothing: its last epoch is saved
)

import ray
from ray import tune
from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher
from ray.tune.stopper import Stopper

import fer_core
import search_spaces
import study
from fer_core.config import TrialConfig
from fer_core.data.protocols import Learning, Testing
from fer_core.errors import InputError
from study.engine import Engine, StudyFailedError
from study.folder import MODELS
from study.head_watch import watched
from study.object_store import ObjectStore, below
from study.place import is_uri
from study.plan import TrialSpec
from study.probe import measure
from study.sharing import Need, Shares
from study.shelf import Shelf
from study.stalls import Stalls
from study.trial import OUT_OF_MEMORY, Report, TrialRun

RETRIES = 2
LEAST_FREE = 1 << 20  # bytes; with less, a trial's failure is the disk's
CHECKPOINTS = "checkpoints"
RAY_FILES = "ray"


@contextmanager
def connected(address: str | None, **pretended: Any) -> Iterator[dict[str, float]]:
    """A connection to the Ray cluster at `address`, or a private one on this machine. Yields its resources.

    pretended: `num_cpus` and `num_gpus` that a private one shall believe in, instead of what is there. Raises
    InputError if the cluster does not answer.
    """
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    environment: dict[str, Any] = {"env_vars": _worker_environment()}
    if address is not None:
        packages = (study, search_spaces, fer_core)
        environment["py_modules"] = [str(Path(package.__path__[0])) for package in packages]
    try:
        ray.init(
            address=address or "local",
            runtime_env=environment,
            log_to_driver=False,
            logging_level=logging.ERROR,
            include_dashboard=False if address is None else None,
            configure_logging=True,
            **pretended,
        )
    except (ConnectionError, RuntimeError, ValueError) as problem:
        if address is None:
            raise
        reason = str(problem).strip().splitlines()[0]
        raise InputError(f"--address {address}: no Ray cluster answers there ({reason}).") from None
    try:
        yield ray.cluster_resources()
    finally:
        ray.shutdown()


def gpu_need(config: TrialConfig) -> Need | None:
    """What a trial of `config` takes of the memory of one of the cluster's GPUs; None if that cannot be measured."""
    task = ray.remote(num_gpus=1, num_cpus=1, max_retries=0)(measure)
    try:
        return ray.get(task.remote(config))
    except ray.exceptions.RayError:
        return None


def run_trials(
    engine: Engine,
    cluster: Cluster,
    parts: Mapping[str, tuple[Learning, Testing]],
    folder: Path,
    *,
    shared: str | None = None,
    sent: Callable[[], object] = lambda: None,
    log: Sequence[str] = (),
    seconds: float | None = None,
    stalled_after: float | None = None,
    lost: Callable[[str], object] = lambda reason: None,
    say: Callable[[str], object] = lambda text: None,
    trainable: type[tune.Trainable] = TrialRun,
) -> None:
    """Run the engine's trials to the end, or until SIGINT or so many `seconds`: then `engine.finished` is False.

    parts: the images of every protocol. folder: the study's own. shared: the same, or its URI, as all nodes see it.
    sent: called when a trial's rows stand in the folder, before its checkpoint is removed. log: `mlflow` or
    `wandb`, which hear the numbers of every epoch. stalled_after: seconds of silence after which a trial is ended
    and tried again, None for what its epochs suggest. lost: called from another thread when the cluster's head is
    gone. say: takes what people should know, in a sentence. trainable: what runs on the workers, given what
    `TrialRun` is. Raises what went wrong in the engine, as OSError where the disk is full, and StudyFailedError.
    """
    shared = shared or str(folder)
    store = ObjectStore(shared) if is_uri(shared) else None
    checkpoints, models = ((below if store else os.path.join)(shared, name) for name in (CHECKPOINTS, MODELS))
    if store is None:
        for place in (checkpoints, models):
            Path(place).mkdir(exist_ok=True)
    informed = tune.with_parameters(
        trainable,
        # Within lists, references stay references: a trial fetches what it may see when it needs it.
        learning={protocol: [ray.put(learning)] for protocol, (learning, _) in parts.items()},
        checkpoints=checkpoints,
        models=models,
        threads=max(1, int(cluster.cpus_per_trial)),
    )
    testing = {protocol: [ray.put(testing)] for protocol, (_, testing) in parts.items()}
    shares = Shares(cluster.gpus_per_trial)
    link = _Link(engine, folder, Shelf(checkpoints), Shelf(models), testing, shares, say, sent)
    stalls = Stalls(stalled_after)
    for arm, epochs in engine.epoch_seconds().items():
        stalls.learn(arm, epochs)
    tuner = tune.Tuner(
        tune.with_resources(
            informed,
            lambda config: tune.PlacementGroupFactory([{"CPU": cluster.cpus_per_trial, "GPU": config["gpu"]}]),
        ),
        tune_config=tune.TuneConfig(
            num_samples=-1,
            search_alg=_Feed(link, _Room(cluster)),
            scheduler=_Decisions(link),
            reuse_actors=True,
            time_budget_s=seconds,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=f"{store.root}/{RAY_FILES}" if store else str(folder / RAY_FILES),
            storage_filesystem=store.file_system if store else None,
            failure_config=tune.FailureConfig(max_failures=RETRIES),
            verbose=0,
            stop=_Ending(link),
            callbacks=[_Watchdog(link, stalls), *_callbacks(log, engine.plan.space.name, folder.name)],
        ),
    )
    try:
        with watched(ray.get_runtime_context().gcs_address, lost):
            tuner.fit()
    except Exception as problem:
        if link.failure is None:
            last = str(problem).strip().splitlines()[-1]
            raise StudyFailedError(f"Ray ended the run ({last})") from problem
    finally:
        _remove(folder, store, RAY_FILES)
    if link.failure is not None:
        raise link.failure
    if engine.finished:
        _remove(folder, store, CHECKPOINTS)
        link.models.sweep()


def _remove(folder: Path, store: ObjectStore | None, name: str) -> None:
    if store is not None:
        store.delete_folder(name)
    shutil.rmtree(folder / name, ignore_errors=True)


def _callbacks(log: Sequence[str], space: str, study_name: str) -> list[Callback]:
    """Ray's own, which find server, project and key in the environment, as their tools usually do."""
    callbacks: list[Callback] = []
    if "mlflow" in log:
        from ray.air.integrations.mlflow import MLflowLoggerCallback

        callbacks.append(MLflowLoggerCallback(experiment_name=f"{space} {study_name}"))
    if "wandb" in log:
        from ray.air.integrations.wandb import WandbLoggerCallback

        callbacks.append(WandbLoggerCallback(project=space, group=study_name))
    return callbacks


class _Link:
    """The way to the engine. Ray pickles searcher and scheduler into its snapshots; the engine stays out.

    What goes wrong in the engine, such as a full disk, must not pass for the failure of a trial: it is kept as
    `failure`, the engine is left alone from then on, and the run ends.
    """

    def __init__(
        self,
        engine: Engine,
        folder: Path,
        checkpoints: Shelf,
        models: Shelf,
        testing: Mapping[str, list],
        shares: Shares,
        say: Callable[[str], object] = lambda text: None,
        sent: Callable[[], object] = lambda: None,
    ) -> None:
        self.engine, self.folder, self.testing = engine, folder, testing
        self.checkpoints, self.models, self.shares, self.say, self.sent = checkpoints, models, shares, say, sent
        self.specs: dict[str, TrialSpec] = {}
        self.failure: Exception | None = None
        self.earlier: Counter[str] = Counter()  # failures of a trial's earlier Ray trials

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

        Ray does so where the node was lost before the trial's worker had started.
        """
        failures = self.failures(trial)
        if failures > RETRIES:
            return False
        spec = self.spec(trial)
        self.earlier[spec.trial] = failures
        self.engine.put_back(spec)
        return True

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
        spec = self.spec(trial)
        self.engine.on_end(spec, status, **details)
        self.sent()
        self.checkpoints.remove(f"{spec.trial}.npz")
        if spec.phase == "confirm":
            self._keep_best_network(spec.arm)

    def _keep_best_network(self, arm: str) -> None:
        best = self.engine.best_network(arm)
        for trial in self.engine.confirmations(arm):
            if trial != best:
                self.models.remove(f"{trial}.keras")


class _Room:
    """How many trials run at a time on the nodes that are there: they may join and go. Asks Ray now and then."""

    EVERY = 2.0  # seconds

    def __init__(self, cluster: Cluster) -> None:
        self._cluster, self._slots, self._asked = cluster, cluster.slots, 0.0

    def __call__(self) -> int:
        if time.monotonic() - self._asked > self.EVERY:
            nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            self._slots = self._cluster.slots_on([(node.get("CPU", 0.0), node.get("GPU", 0.0)) for node in nodes])
            self._asked = time.monotonic()
        return self._slots


class _Feed(Searcher):
    """Hands the engine's trials to Ray Tune, whose searchers are asked for one configuration at a time.

    No more than there is `room` for: a trial that waits in Ray is one that was chosen too early.
    """

    def __init__(self, link: _Link, room: Callable[[], int]) -> None:
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
        if spec.phase != "search":  # a search trial is not even told where the test images are
            config["testing"] = self.link.testing[spec.config.data.protocol]
        return config

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Nothing: `_Decisions` has heard of it."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study's state is its tables and its journal."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: see `save`."""


class _Decisions(FIFOScheduler):
    """Takes what trials report to the engine, and its decisions back."""

    def __init__(self, link: _Link) -> None:
        super().__init__()
        self.link = link

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
            self.link.engine.on_epochs(self.link.spec(trial), report.epochs)
            self.link.end(
                trial,
                report.status or "pruned",
                worker=report.worker,
                test=report.test,
                attempts=self.link.failures(trial) + 1,
            )

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """A trial failed. Ray calls this before it tries the trial again, too: then its status is ERROR already."""
        if self.link.failure is not None or trial.status == Trial.ERROR:
            return
        with self.link.guarded():
            if self.link.put_back(trial):
                return
            cause = _cause(trial)
            if os.strerror(errno.ENOSPC) in cause:  # no fault of the trial, and none of the next ones
                raise StudyFailedError(f"a worker found no room on its disk ({cause})")
            if shutil.disk_usage(self.link.folder).free < LEAST_FREE:  # whatever the worker says
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.link.folder))
            self.link.end(trial, "failed", attempts=self.link.failures(trial), error=cause)


class _Ending(Stopper):
    """Ends the run when the engine has failed."""

    def __init__(self, link: _Link) -> None:
        self.link = link

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.link.failure is not None


class _Watchdog(Callback):
    """Ends the worker of a trial that makes no progress; Ray then tries the trial again, from its last epoch."""

    def __init__(self, link: _Link, stalls: Stalls) -> None:
        self.link, self.stalls = link, stalls

    def on_trial_result(self, iteration: int, trials: list, trial: Any, result: dict[str, Any], **info: Any) -> None:
        report: Report = result["report"]
        self.stalls.learn(self.link.spec(trial).arm, [epoch["seconds"] for epoch in report.epochs])
        self.stalls.heard((trial.trial_id, trial.num_failures), time.monotonic())

    def on_step_begin(self, iteration: int, trials: list, **info: Any) -> None:
        running = {(t.trial_id, t.num_failures): t for t in trials if t.status == Trial.RUNNING}
        arms = [(attempt, self.link.spec(trial).arm) for attempt, trial in running.items()]
        for attempt in self.stalls.stalled(arms, time.monotonic()):
            actor = running[attempt].temporary_state.ray_actor
            if actor is not None:
                ray.kill(actor)


def _cause(trial: Any) -> str:
    """The last line of the trial's traceback."""
    try:
        error = trial.get_error()
    except (OSError, EOFError):
        error = None
    lines = [line for line in str(error or "").splitlines() if line.strip()]
    return lines[-1].strip()[:500] if lines else "the worker ended without a word"


def _worker_environment() -> dict[str, str]:
    """What a worker must find set before it imports its backend."""
    environment = {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }
    if "KERAS_BACKEND" in os.environ:
        environment["KERAS_BACKEND"] = os.environ["KERAS_BACKEND"]
    return environment
