"""What a plan will cost: from this machine's speed where that is known, else from that of a usual server.

A machine's speed is measured by `--calibrate` or by any study that ran on it, and kept beside the cached data, by
processor, backend, threads and what of a configuration decides an epoch's time.
"""

import json
import math
import os
import platform
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fer_core.config import TrialConfig
from fer_core.data.cache import cache_folder
from study.cluster import Cluster
from study.plan import Plan

if TYPE_CHECKING:
    import pandas as pd

FILE = "speed.json"
FER2013 = (28_709, 3_589)  # a data set of unknown size is taken for it
# Where nothing was measured, on one core of a usual server: seconds an image, what does not depend on the width
# and what grows with its square; and to build and compile a network.
SECONDS_AN_IMAGE, SECONDS_AN_IMAGE_AT_FULL_WIDTH = 0.0012, 0.02
SECONDS_A_TRIAL = 4.0
VALIDATING = 1 / 3  # of the time of a training image
SHAPE = {
    "model.se_placement",
    "model.width",
    "model.kernel_size",
    "model.dense_units",
    "train.batch_size",
    "train.precision",
}


@dataclass(frozen=True)
class Speed:
    """Seconds an image of training on one slot, and to start a trial."""

    seconds_an_image: float
    seconds_a_trial: float


@dataclass(frozen=True)
class Cost:
    """An estimate if no trial stops early. `measured`: on this machine, for every arm."""

    trial_hours: float
    minutes: float
    measured: bool


def estimate(plan: Plan, cluster: Cluster) -> Cost | None:
    """The cost of `plan` on `cluster`; None on GPUs whose speed was not measured yet."""
    known = {arm.name: known_speed(plan.arm_config(arm, {}), cluster) for arm in plan.arms}
    measured = None not in known.values()
    if cluster.gpus_per_trial and not measured:
        return None
    fixed = [spec.arm for spec in plan.fixed_trials()]
    seconds = 0.0
    for arm in plan.arms:
        config = plan.arm_config(arm, {})
        speed = known[arm.name] or usual_speed(config)
        trials = fixed.count(arm.name) + plan.trials_in(arm) + plan.seeds
        seconds += trials * (speed.seconds_a_trial + plan.epochs * images_an_epoch(config) * speed.seconds_an_image)
    return Cost(seconds / 3600, seconds / 60 / cluster.slots, measured)


def images_an_epoch(config: TrialConfig, size: tuple[int, int] = FER2013) -> float:
    """In units of training images. `size`: how many there are to train and to validate."""
    train, val = size
    return min(config.data.train_images or train, train) + VALIDATING * min(config.data.val_images or val, val)


def usual_speed(config: TrialConfig) -> Speed:
    an_image = SECONDS_AN_IMAGE + SECONDS_AN_IMAGE_AT_FULL_WIDTH * config.model.width**2
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
    sizes: Mapping[str, tuple[int, int]],
    cluster: Cluster,
) -> None:
    """Keep the speed at which a study ran, arm by arm. `sizes`: of every protocol's training and validation images.

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
        speeds[config] = Speed(later / images_an_epoch(config, sizes[config.data.protocol]), max(0.0, first - later))
    remember(speeds, cluster)


def shape_key(config: TrialConfig, cluster: Cluster) -> str:
    """What decides the time of an epoch on this machine, in words."""
    settings = config.flat()
    shape = [settings[name] for name in sorted(SHAPE)]
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
