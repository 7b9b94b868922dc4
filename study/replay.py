"""Recorded learning curves in the place of training: a study in a second, hundreds of them in minutes.

Samplers, schedulers and the engine are compared on it. It is a model of trials, made from real ones: what a
configuration would do is interpolated between the recorded configurations of its arm, with chance added.
"""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsRegressor

from search_spaces.space import Arm, Space
from study.engine import Engine
from study.plan import TrialSpec

NEIGHBOURS = 5
Curve = Callable[[TrialSpec], np.ndarray]


class Recorded:
    """Curves of validation accuracy for any configuration of `space`, from the tables of a study of it.

    Every arm has a regression of its own: the mean of the nearest recorded configurations, the nearer the
    heavier, in the unit cube of what is tuned. All recorded trials must have run for the same number of epochs.
    """

    def __init__(self, space: Space, trials: pd.DataFrame, epochs: pd.DataFrame) -> None:
        self.space = space
        self._arms = {arm.name: arm for arm in space.arms}
        searched = trials[(trials["phase"] == "search") & (trials["status"] == "completed")]
        curves = epochs.pivot(index="trial", columns="epoch", values="val_accuracy")
        self.epochs = int(searched["epochs"].max())
        self._models, self._spread = {}, {}
        for arm in space.arms:
            rows = searched[(searched["arm"] == arm.name) & (searched["epochs"] == self.epochs)]
            points = np.array([self._point(arm, row) for row in _settings(rows)])
            values = curves.loc[rows["trial"], range(1, self.epochs + 1)].to_numpy()
            model = KNeighborsRegressor(min(NEIGHBOURS, len(rows) - 1), weights="distance")
            residuals = values - cross_val_predict(model, points, values, cv=LeaveOneOut())
            self._models[arm.name] = model.fit(points, values)
            self._spread[arm.name] = residuals.std(axis=0)

    def expected(self, spec: TrialSpec) -> np.ndarray:
        """Validation accuracy after every epoch, without chance."""
        point = self._point(self._arms[spec.arm], spec.config.flat())
        return self._models[spec.arm].predict([point])[0]

    def __call__(self, spec: TrialSpec) -> np.ndarray:
        """The same with the chance of the trial's seed, as large as the recorded trials differ from the regression.

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
    order: int = 0,
    on_step: Callable[[TrialSpec, int], None] = lambda spec, epoch: None,
) -> None:
    """Drive `engine` to the end with curves instead of trainings, `slots` trials at a time.

    Which of the running trials reports next is drawn from `order`. `on_step` hears of every epoch before it counts.
    """
    draw = random.Random(order)
    running: dict[str, tuple[TrialSpec, np.ndarray, int]] = {}
    while not engine.finished:
        while len(running) < slots and (spec := engine.next()) is not None:
            running[spec.trial] = (spec, curve(spec), 0)
        spec, values, done = running[draw.choice(sorted(running))]
        on_step(spec, done + 1)
        stop = engine.on_epochs(spec, [_epoch(spec, done + 1, float(values[done]))])
        running[spec.trial] = (spec, values, done + 1)
        whole = done + 1 == spec.config.train.epochs
        if stop or whole:
            test = None if spec.phase == "search" else _test(float(values[: done + 1].max()))
            engine.on_end(spec, "completed" if whole else "pruned", test=test)
            del running[spec.trial]
    engine.tables.close()


def _epoch(spec: TrialSpec, number: int, accuracy: float) -> dict[str, Any]:
    parts = {f"{part}_{name}": accuracy for part in ("train", "val") for name in ("accuracy", "macro_f1")}
    losses = {f"{part}_loss": 1 - accuracy for part in ("train", "val")}
    rate = spec.config.train.learning_rate
    return {"epoch": number, **parts, **losses, "learning_rate": rate, "seconds": 1.0}


def _test(accuracy: float) -> dict[str, Any]:
    names = ("test_accuracy", "test_accuracy_distinct", "test_macro_f1")
    nothing = {"images": np.empty(0, int), "labels": np.empty(0, int), "probabilities": np.empty((0, 7))}
    return {**dict.fromkeys(names, accuracy), "test_loss": 1 - accuracy, **nothing}
