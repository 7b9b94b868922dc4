"""Images a second inside a trial, against the same network in a bare `Model.fit` on arrays.

An epoch of a trial is what a worker does: training, validation, callbacks, checkpoint. Both run in a process of their
own with one thread, at a quarter of the width, on 2,000 training images, and are timed from their second epoch on.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.images import learning
from benchmarks.measuring import Outcome, in_turn, medians, module, ratio

EPOCHS, IMAGES = 3, 2000
SETTINGS = {"model.width": 0.25, "model.se_placement": "block", "train.schedule": "constant", "train.epochs": 99}


def measure(rounds: int, data: str | None) -> list[Outcome]:
    ours, bare = "a trial", "bare Model.fit"
    ways = {
        name: partial(lambda way: float(module("benchmarks.trial", way, data or "")), way)
        for name, way in ((ours, "trial"), (bare, "fit"))
    }
    found = in_turn(rounds, ways)
    share = ratio(found, ours, bare)
    return [
        Outcome(
            "training within a trial", medians(found), "images/s", f"at least 0.97 of {bare}", share, share >= 0.97
        )
    ]


def _trial(data: str | None, folder: Path) -> Callable[[], object]:
    from fer_core.config import TrialConfig
    from fer_core.training import Training

    training = Training(TrialConfig.from_flat(SETTINGS), 0, learning(data, IMAGES))

    def epoch() -> None:
        training.run_epoch()
        training.save(folder / "trial.npz")

    return epoch


def _fit(data: str | None, folder: Path) -> Callable[[], object]:
    import keras

    from fer_core.config import TrialConfig
    from fer_core.model import build_model
    from fer_core.targets import one_hot

    images = learning(data, IMAGES)
    train = images.train_images[..., None], one_hot(images.train_labels)
    val = images.val_images[..., None], one_hot(images.val_labels)
    model = build_model(TrialConfig.from_flat(SETTINGS))
    model.compile(keras.optimizers.Adam(0.002), "categorical_crossentropy", metrics=["accuracy"])
    return lambda: model.fit(*train, batch_size=64, validation_data=val, verbose=0)


def main(way: str, data: str) -> None:
    os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")
    times = []
    with tempfile.TemporaryDirectory() as folder:
        epoch = {"trial": _trial, "fit": _fit}[way](data or None, Path(folder))
        epoch()
        for _ in range(EPOCHS):
            start = time.perf_counter()
            epoch()
            times.append(time.perf_counter() - start)
    print(json.dumps(IMAGES / float(np.median(times))))


if __name__ == "__main__":
    main(*sys.argv[1:])
