"""Measuring this machine: some epochs of every arm's network, as many at a time as a study would run.

Run by `study.run --dry-run --calibrate` as processes of its own, one a slot: `python -m study.planning.calibrate`.
"""

import json
import os
import subprocess
import sys
import time

from fer_core.config import LAST, MONITOR, TrialConfig
from fer_core.data.dataset import TRAINING
from study.cluster.machines import Cluster
from study.plan import Plan
from study.planning.cost import VALIDATING, Speed, remember, shape_key

BATCHES = 16
VALIDATED = 64


def calibrate(plan: Plan, cluster: Cluster) -> None:
    """Measure the network of every arm on every slot at once, and keep the means. Some 15 s for three arms."""
    every = [plan.arm_config(arm, {}) for arm in plan.arms]
    configs = list({shape_key(config, cluster): config for config in every}.values())
    threads = str(max(1, int(cluster.cpus_per_trial)))
    command = [sys.executable, "-m", "study.planning.calibrate", json.dumps([config.flat() for config in configs])]
    environment = {
        **os.environ,
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(cluster.slots)
    ]
    measured = [json.loads(process.communicate()[0].splitlines()[-1]) for process in running]
    speeds = {}
    for config, of_slots in zip(configs, zip(*measured, strict=True), strict=True):
        speeds[config] = Speed(*(sum(values) / len(values) for values in zip(*of_slots, strict=True)))
    remember(speeds, cluster)


def measure(config: TrialConfig) -> Speed:
    """Train on drawn faces: a first epoch, which compiles, and a second, which counts."""
    from fer_core.data.protocols import split
    from fer_core.data.synthetic import synthetic_faces, with_votes
    from fer_core.training import Training

    images = BATCHES * config.train.batch_size
    faces = with_votes(synthetic_faces({TRAINING: images, 1: VALIDATED, 2: VALIDATED}, form=config.data.form))
    learning, _ = split(faces, "challenge")
    start = time.perf_counter()
    everything = {"data.train_images": None, "data.val_images": None, "train.epochs": 2, MONITOR: LAST}
    training = Training(config.override(everything), 0, learning)
    training.run_epoch()
    first = time.perf_counter() - start
    second = training.run_epoch().seconds
    training.release()
    return Speed(second / (images + VALIDATING * VALIDATED), max(0.0, first - second))


if __name__ == "__main__":
    found = [measure(TrialConfig.from_flat(settings)) for settings in json.loads(sys.argv[1])]
    print(json.dumps([[speed.seconds_an_image, speed.seconds_a_trial] for speed in found]))
