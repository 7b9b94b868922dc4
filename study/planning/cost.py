"""What a plan will cost: from this machine's speed where that is known, else from that of a usual server.

A machine's speed is measured by `--calibrate` or by any study that ran on it, and kept beside the cached data, by
processor, backend, threads and what of a configuration decides an epoch's time.
"""

import json
import math
import os
import platform
import random
import statistics
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fer_core.config import TrialConfig, Value, View
from fer_core.data.cache import cache_folder
from fer_core.features import Features
from search_spaces.space import Arm
from study.cluster.machines import Cluster
from study.plan import Plan

if TYPE_CHECKING:
    import pandas as pd

    from study.planning.left import Left

FILE = "speed.json"
# Where nothing was measured, on one core of a usual server: seconds an image, what does not depend on the network
# and what its convolutions take at the paper's width and kernel; and to build and compile a network.
SECONDS_AN_IMAGE, SECONDS_OF_CONVOLUTIONS = 0.0004, 0.012
SECONDS_A_TRIAL = 1.0
PAPER_KERNEL, PAPER_SIDE = TrialConfig().model.kernel_size, TrialConfig().data.side
VALIDATING = 1 / 3  # of the time of a training image
SHAPE = {
    "model.se_placement",
    "model.width",
    "model.kernel_size",
    "model.dense_units",
    "train.batch_size",
    "train.precision",
    "data.side",
    "data.colour",
}
# How many configurations stand for those of a search that tunes any of them.
EXAMPLES = 64


@dataclass(frozen=True)
class Images:
    """How many images train, validate and are tested, and of how many classes they are. features: what they are where
    they are no images. targets: what is learned of them where that is no class.
    """

    train: int
    validate: int
    tested: int
    classes: int
    features: Features | None = None
    targets: tuple[str, ...] = ()


FER2013 = Images(28_709, 3_589, 3_589, 7)  # a data set of unknown size is taken for it


@dataclass(frozen=True)
class Speed:
    """Seconds an image of training on one slot, and to start a trial."""

    seconds_an_image: float
    seconds_a_trial: float


@dataclass(frozen=True)
class Cost:
    """An estimate if no trial stops early. `measured`: from this machine's speed with the network of every arm.

    minutes: of all that runs; of the fixed trials, and of one search of every arm and its confirmation, or of all
    that is left of them. However many workers there are, an arm's search has no more trials at a time than the plan's
    window, and a trial takes as long as one.
    """

    trial_hours: float
    minutes: float
    measured: bool
    fixed_minutes: float
    search_minutes: float
    confirm_minutes: float


def estimate(plan: Plan, cluster: Cluster, images: Images = FER2013, left: "Left | None" = None) -> Cost | None:
    """The cost of `plan` on `cluster` with so many `images`; None where it was not measured yet on GPUs, or of what a
    user has brought. left: of no more than that.
    """
    networks = {arm.name: plan.arm_config(arm, {}) for arm in plan.arms}
    measured = all(known_speed(network, cluster) for network in networks.values())
    if not measured and (cluster.gpus_per_trial or plan.space.brought):
        return None
    specs = plan.fixed_trials() if left is None else left.fixed
    fixed = [_seconds(spec.config, networks[spec.arm], cluster, images) for spec in specs]
    searched, confirmed, turns = list[float](), list[float](), list[float]()
    for arm in plan.arms:
        network, configs = networks[arm.name], _examples(plan, arm)
        a_trial = statistics.fmean(_seconds(config, network, cluster, images) for config in configs)
        trials = plan.trials_in(arm) if left is None else left.search[arm.name]
        searched += [a_trial] * trials
        confirmed += [a_trial] * (plan.seeds if left is None else left.confirm[arm.name] + left.again.count(arm.name))
        turns.append(a_trial * math.ceil(min(trials, plan.trials) / plan.window))
    every = sum(fixed) + (plan.searches if left is None else 1) * (sum(searched) + sum(confirmed))
    in_turn = max(turns) + max(confirmed, default=0.0)

    def minutes(work: float, longest: float) -> float:
        return max(work / cluster.slots, longest) / 60

    return Cost(
        trial_hours=every / 3600,
        minutes=minutes(every, in_turn),
        measured=measured,
        fixed_minutes=minutes(sum(fixed), max(fixed, default=0.0)),
        search_minutes=minutes(sum(searched), max(turns)),
        confirm_minutes=minutes(sum(confirmed), max(confirmed, default=0.0)),
    )


def _seconds(config: TrialConfig, network: TrialConfig, cluster: Cluster, images: Images) -> float:
    """What a trial of `config` takes, in the arm of this `network`."""
    speed = known_speed(config, cluster) or _scaled_speed(config, network, cluster)
    an_epoch = images_an_epoch(config, images.train, images.validate)
    return speed.seconds_a_trial + config.train.epochs * an_epoch * speed.seconds_an_image


def _scaled_speed(config: TrialConfig, network: TrialConfig, cluster: Cluster) -> Speed:
    """A usual server's; where `network` was measured here, as much slower than that as it would be there."""
    usual, measured = usual_speed(config), known_speed(network, cluster)
    if measured is None:
        return usual
    factor = measured.seconds_an_image / usual_speed(network).seconds_an_image
    return Speed(factor * usual.seconds_an_image, measured.seconds_a_trial)


def _examples(plan: Plan, arm: Arm) -> list[TrialConfig]:
    """Configurations of `arm` whose trials take as long, on the mean, as those that a search proposes."""
    drawn: list[dict[str, Value]] = []
    if SHAPE & set(plan.space.tuned_in(arm)):
        unit = random.Random(0).random
        drawn = [plan.space.draw(arm, lambda name, parameter: parameter.at(unit())) for _ in range(EXAMPLES)]
    allowed = [values for values in drawn if plan.allows(arm, values)]
    return [plan.arm_config(arm, values) for values in allowed or [{}]]


def images_an_epoch(config: TrialConfig, train: int, val: int) -> float:
    """In units of training images. train, val: how many there are to train and to validate."""
    return min(config.data.train_images or train, train) + VALIDATING * min(config.data.val_images or val, val)


def usual_speed(config: TrialConfig) -> Speed:
    size = config.model.width * config.model.kernel_size / PAPER_KERNEL * config.data.side / PAPER_SIDE
    an_image = SECONDS_AN_IMAGE + SECONDS_OF_CONVOLUTIONS * size**2
    return Speed(an_image, SECONDS_A_TRIAL)


def known_speed(config: TrialConfig, cluster: Cluster) -> Speed | None:
    """What was measured for this shape of network on this machine."""
    entry = _read().get(shape_key(config, cluster))
    return None if entry is None else Speed(**entry)


def remember(speeds: Mapping[TrialConfig, Speed], cluster: Cluster) -> None:
    """Keep what was measured. Where it cannot be written, nothing is kept."""
    folder = cache_folder()
    if folder is None or not speeds:
        return
    entries = _read() | {shape_key(config, cluster): asdict(speed) for config, speed in speeds.items()}
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".partial", delete=False) as file:
            json.dump(entries, file, indent=1)
        Path(file.name).replace(folder / FILE)


def learn_from_study(
    plan: Plan,
    trials: "pd.DataFrame",
    epochs: "pd.DataFrame",
    sizes: Mapping[View, tuple[int, int]],
    cluster: Cluster,
) -> None:
    """Keep the speed at which a study ran, arm by arm. `sizes`: how many images train and validate, by view.

    The first epoch of a trial holds the building of its network.
    """
    speeds = {}
    for arm in plan.arms:
        config = plan.arm_config(arm, {})
        of_arm = epochs["trial"].isin(trials.loc[trials["arm"] == arm.name, "trial"])
        seconds = epochs[of_arm].set_index("epoch")["seconds"]
        if SHAPE & set(plan.space.tuned_in(arm)) or not (seconds.index > 1).any():
            continue
        later = float(seconds[seconds.index > 1].median())
        first = float(seconds[seconds.index == 1].mean())
        speeds[config] = Speed(later / images_an_epoch(config, *sizes[config.data.view]), max(0.0, first - later))
    remember(speeds, cluster)


def shape_key(config: TrialConfig, cluster: Cluster) -> str:
    """What decides the time of an epoch on this machine, in words."""
    settings = config.flat()
    shape = list(settings.items()) if config.own else [settings[name] for name in sorted(SHAPE)]
    place = (cluster.address or platform.node(), _processor(), os.environ.get("KERAS_BACKEND", "tensorflow"))
    share = (math.floor(cluster.cpus_per_trial), cluster.gpus_per_trial, cluster.slots)
    return " ".join(map(str, (*place, *share, *shape)))


def _read() -> dict[str, dict[str, float]]:
    folder = cache_folder()
    if folder is None:
        return {}
    try:
        return json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
