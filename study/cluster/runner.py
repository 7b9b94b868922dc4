"""Ray Tune's part: running the engine's trials on a cluster.

Tune's own search, checkpoints and result files are not used: the engine proposes and decides, the tables
record, and a resumed study is a new Ray run over what is missing.
"""

from collections.abc import Callable, Mapping
from typing import Any

import study.cluster.connection  # noqa: F401  # sets what Ray reads when it is imported

# isort: split
import ray
from ray import tune

from fer_core.config import Network, TrialConfig, View
from fer_core.data.protocols import Learning, Testing
from fer_core.features import Features
from fer_core.script import Script
from fer_core.trainer import Trainer
from study.carried import Carried, folder_of
from study.cluster.head_watch import watched
from study.cluster.machines import Cluster
from study.cluster.probe import measure
from study.cluster.sharing import Need, Shares
from study.cluster.stalls import Stalls
from study.cluster.trial import TrialRun
from study.cluster.tune_parts import RETRIES, Decisions, Ending, Feed, Link, Room, Watchdog
from study.engine import Engine, StudyFailedError
from study.records.folder import MODELS
from study.records.place import Place
from study.records.shelf import Shelf

CHECKPOINTS = "checkpoints"
RAY_FILES = "ray"


def gpu_need(config: TrialConfig, network: Network | None = None, features: Features | None = None) -> Need | None:
    """What a trial of `config` takes of the memory of one of the cluster's GPUs; None if that cannot be measured.

    network: the user's own, if there is one. features: what that takes instead of images.
    """
    task: Any = ray.remote(num_gpus=1, num_cpus=1, max_retries=0)(measure)
    try:
        return ray.get(task.remote(config, None if network is None else carry(network), features))
    except ray.exceptions.RayError:
        return None


def carry(brought: Network | type[Trainer] | Script) -> Carried:
    """A user's network or trainer, ready to travel."""
    return Carried(ray.cloudpickle.dumps(brought), str(folder_of(brought)))


def run_trials(
    engine: Engine,
    cluster: Cluster,
    parts: Mapping[View, tuple[Learning, Testing]],
    place: Place,
    *,
    seconds: float | None = None,
    stalled_after: float | None = None,
    lost: Callable[[str], object] = lambda reason: None,
    say: Callable[[str], object] = lambda text: None,
    keep_all: bool = False,
    trainable: type[tune.Trainable] = TrialRun,
) -> None:
    """Run the engine's trials to the end, or until SIGINT or so many `seconds`: then `engine.finished` is False.

    parts: the images in every view. stalled_after: seconds of silence after which a trial is ended and tried
    again, None for what its epochs suggest. lost: called from another thread when the cluster's head is gone.
    say: takes what people should know, in a sentence. keep_all: keep the network of every tested trial, not only that
    of a winner's best confirmation. trainable: what runs on the workers, given what `TrialRun` is.
    Raises what went wrong in the engine, as OSError where the disk is full, and StudyFailedError.
    """
    brought = engine.plan.space.brought
    checkpoints, models = place.shared(CHECKPOINTS), place.shared(MODELS)
    informed = tune.with_parameters(
        trainable,
        checkpoints=checkpoints,
        models=models,
        threads=max(1, int(cluster.cpus_per_trial)),
        **({} if brought is None else {"brought": carry(brought)}),
        **({} if engine.plan.space.score is None else {"scoring": engine.plan.space.score.scoring}),
    )
    # Within lists, references stay references: a trial fetches what it may see when it needs it.
    images = {view: ([ray.put(learning)], [ray.put(testing)]) for view, (learning, testing) in parts.items()}
    link = Link(
        engine, place, Shelf(checkpoints), Shelf(models), images, Shares(cluster.gpus_per_trial), say, keep_all
    )
    room, stalls = Room(cluster), Stalls(stalled_after)
    for arm, epochs in engine.epoch_seconds().items():
        stalls.learn(arm, epochs)
    tuner = tune.Tuner(
        tune.with_resources(
            informed,
            lambda config: tune.PlacementGroupFactory([{"CPU": cluster.cpus_per_trial, "GPU": config["gpu"]}]),
        ),
        tune_config=tune.TuneConfig(
            num_samples=-1,
            search_alg=Feed(link, room),
            scheduler=Decisions(link, room),
            reuse_actors=True,
            time_budget_s=seconds,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=f"{place.root}/{RAY_FILES}",
            storage_filesystem=place.file_system,
            failure_config=tune.FailureConfig(max_failures=RETRIES),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),  # else a task and files a trial
            verbose=0,
            stop=Ending(link),
            callbacks=[Watchdog(link, stalls)],
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
        place.remove(RAY_FILES)
    if link.failure is not None:
        raise link.failure
    if engine.finished:
        if not engine.search_cut:  # else they are what trials go on from that a deadline has ended
            place.remove(CHECKPOINTS)
        link.models.sweep()
