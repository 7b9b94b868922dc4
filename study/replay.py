"""Recorded learning curves in the place of training: a study in a second, hundreds of them in minutes.

Samplers, schedulers and the engine are compared on it. It is a model of trials, made from real ones: what a
configuration would do is regressed on the recorded configurations of its arm, and chance is added.
"""

import heapq
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from search_spaces.space import MEASURES, Arm, Space
from study.engine import Engine
from study.plan import TrialSpec

Curve = Callable[[TrialSpec], np.ndarray]


class Recorded:
    """Curves of validation accuracy for any configuration of `space`, from the tables of a study of it.

    Every arm has a Gaussian process of its own over the unit cube of what is tuned, which tells what the
    configuration does from the chance of the recorded trials. All of these must have run for the same number of
    epochs. Its kernel is fitted to the last epoch and serves all.
    """

    def __init__(self, space: Space, trials: pd.DataFrame, epochs: pd.DataFrame) -> None:
        self.space = space
        self._arms = {arm.name: arm for arm in space.arms}
        searched = trials[(trials["phase"] == "search") & (trials["status"] == "completed")]
        curves = epochs.pivot(index="trial", columns="epoch", values="val_accuracy")
        self.epochs = int(searched["epochs"].max())
        self._models: dict[str, GaussianProcessRegressor] = {}
        self._spread: dict[str, np.ndarray] = {}
        self._known: dict[tuple[str, str], np.ndarray] = {}
        for arm in space.arms:
            rows = searched[(searched["arm"] == arm.name) & (searched["epochs"] == self.epochs)]
            points = np.array([self._point(arm, row) for row in _settings(rows)])
            values = curves.loc[rows["trial"], range(1, self.epochs + 1)].to_numpy()
            scales = np.full(points.shape[1], 0.5)
            kernel = ConstantKernel() * RBF(scales, (0.1, 10.0)) + WhiteKernel(0.3, (1e-4, 10.0))
            last = GaussianProcessRegressor(kernel, normalize_y=True, n_restarts_optimizer=2, random_state=0)
            last.fit(points, values[:, -1])
            model = GaussianProcessRegressor(last.kernel_, optimizer=None, normalize_y=True).fit(points, values)
            self._models[arm.name] = model
            self._spread[arm.name] = (values - model.predict(points)).std(axis=0)

    def expected(self, spec: TrialSpec) -> np.ndarray:
        """Validation accuracy after every epoch, without chance."""
        key = (spec.arm, spec.config.digest())
        if key not in self._known:
            point = self._point(self._arms[spec.arm], spec.config.flat())
            self._known[key] = self._models[spec.arm].predict([point])[0]
        return self._known[key]

    def __call__(self, spec: TrialSpec) -> np.ndarray:
        """The same with the chance of the trial's seed, as large as the recorded trials differ from the process.

        A trial that is lucky is so in all its epochs: half of the variance is the trial's, half the epoch's.
        """
        draw = np.random.default_rng((spec.seed, int(spec.config.digest(), 16)))
        luck = (draw.normal() + draw.normal(size=self.epochs)) / np.sqrt(2)
        return np.clip(self.expected(spec) + self._spread[spec.arm] * luck, 0.0, 1.0)

    def _point(self, arm: Arm, values: dict[str, Any]) -> list[float]:
        return [parameter.unit(values[name]) for name, parameter in self.space.tuned_in(arm).items()]


def _settings(trials: pd.DataFrame) -> list[dict[str, Any]]:
    """The configuration of every row under its dotted names."""
    columns = {name: name.removeprefix("config.") for name in trials.columns if name.startswith("config.")}
    return trials[list(columns)].rename(columns=columns).to_dict("records")


def replay(
    engine: Engine,
    curve: Curve,
    *,
    slots: int = 2,
    seconds: Callable[[TrialSpec], float] | None = None,
    order: int = 0,
) -> float:
    """Drive `engine` to the end with curves instead of trainings, `slots` trials at a time.

    seconds: how long every epoch of a trial takes; without it that is chance, drawn from `order`. Returns how long
    the study took, if it were so.
    """
    draw = random.Random(order)
    epoch_takes = seconds or (lambda spec: draw.expovariate(1.0))
    running: list[tuple[float, str, TrialSpec]] = []  # a heap by when the next epoch ends
    done: Counter[str] = Counter()
    now = 0.0
    while not engine.finished:
        while len(running) < slots and (spec := engine.next()) is not None:
            heapq.heappush(running, (now + epoch_takes(spec), spec.trial, spec))
        now, name, spec = heapq.heappop(running)
        done[name] += 1
        values = curve(spec)[: done[name]]
        stop = engine.on_epochs(spec, [_epoch(spec, done[name], float(values[-1]))])
        if done[name] == spec.config.train.epochs:
            engine.on_end(spec, "completed", test=None if spec.phase == "search" else _test(float(values.max())))
        elif stop:
            engine.on_stop(spec)
        else:
            heapq.heappush(running, (now + epoch_takes(spec), name, spec))
    engine.tables.close()
    return now


def _epoch(spec: TrialSpec, number: int, accuracy: float) -> dict[str, Any]:
    parts = {f"{part}_{name}": accuracy for part in ("train", "val") for name in MEASURES}
    losses = {f"{part}_loss": 1 - accuracy for part in ("train", "val")}
    rate = spec.config.train.learning_rate
    return {"epoch": number, **parts, **losses, "learning_rate": rate, "seconds": 1.0}


def _test(accuracy: float) -> dict[str, Any]:
    names = ("test_accuracy_distinct", *(f"test_{name}" for name in MEASURES))
    nothing = {"images": np.empty(0, int), "labels": np.empty(0, int), "probabilities": np.empty((0, 7))}
    nothing["distinct"] = np.empty(0, bool)
    return {**dict.fromkeys(names, accuracy), "test_loss": 1 - accuracy, **nothing}
