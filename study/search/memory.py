"""What an arm's sampler knows at a proposal: a copy of the arm's Optuna study as it stood for that trial.

Trials that a proposal must not depend on count as running, whatever has become of them: so the proposal is the same
on any cluster, and after any crash.
"""

import copy
import math
from collections.abc import Mapping, Sequence

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from fer_core.config import Value

# Of an arm's earlier trials a sampler learns from at most so many, and always from the best.
MOST_REMEMBERED, BEST_REMEMBERED = 250, 50


class Memory:
    """The memory of one arm, asked for in the order of the trials' numbers. direction: of Optuna's.

    Every `window` trials the copy is made anew, so that it holds no more than is remembered; in between it follows.
    """

    def __init__(self, window: int, direction: StudyDirection = StudyDirection.MAXIMIZE) -> None:
        self._window, self._direction = window, direction
        self._study: optuna.Study | None = None
        self._ids: dict[int, int] = {}  # the copy's trials by their number in the arm
        self._ended: list[int] = []  # the trials that may be known, in the order in which they became so
        self._seen: list[int] = []  # how many of them every proposal might know
        self._told = 0  # how many of them have their results in the copy
        self._tried: set[frozenset] = set()  # the values of the arm's first `_noted` trials
        self._noted = 0

    def see(self, number: int, ended: Sequence[int]) -> None:
        """Trial `number` is proposed, and may know the trials in `ended`: those of the proposal before and others."""
        assert number == len(self._seen)
        self._ended += ended[len(self._ended) :]
        self._seen.append(len(self._ended))

    def holds(self, values: Mapping[str, Value], known: Sequence[FrozenTrial]) -> bool:
        """Whether one of the arm's trials, which are `known`, has these values."""
        self._tried.update(frozenset(trial.params.items()) for trial in known[self._noted :])
        self._noted = len(known)
        return frozenset(values.items()) in self._tried

    def at(self, number: int, known: Sequence[FrozenTrial]) -> optuna.Study:
        """The study to draw trial `number` from. known: all trials of the arm before it, at least."""
        start = number - number % self._window
        if self._study is None or number == start:
            self._begin(start, known)
        assert self._study is not None
        storage, study = self._study._storage, self._study
        for trial in known[start:number]:
            if trial.number not in self._ids:
                self._ids[trial.number] = storage.create_new_trial(study._study_id, _running(trial))
        for trial in [known[other] for other in self._ended[self._told : self._seen[number]]]:
            for epoch, value in trial.intermediate_values.items():
                storage.set_trial_intermediate_value(self._ids[trial.number], epoch, value)
            storage.set_trial_state_values(self._ids[trial.number], trial.state, trial.values)
        self._told = self._seen[number]
        return study

    def _begin(self, start: int, known: Sequence[FrozenTrial]) -> None:
        """Make the copy for trial `start`."""
        self._study = optuna.create_study(direction=self._direction)
        self._told = self._seen[start]
        storage, study = self._study._storage, self._study._study_id
        told = sorted(self._ended[: self._told])
        ended = set(told)
        remembered = {trial.number for trial in _remembered([known[other] for other in told], self._direction)}
        self._ids = {
            trial.number: storage.create_new_trial(study, trial if trial.number in ended else _running(trial))
            for trial in known[:start]
            if trial.number in remembered or trial.number not in ended
        }


def _running(trial: FrozenTrial) -> FrozenTrial:
    """The trial as if it had just begun."""
    begun = copy.copy(trial)
    begun.state, begun.values = TrialState.RUNNING, None
    begun.intermediate_values, begun.datetime_complete = {}, None
    return begun


def _remembered(known: Sequence[FrozenTrial], direction: StudyDirection) -> Sequence[FrozenTrial]:
    """What a sampler learns from: in an arm of very many trials the best of them, and every so manieth of all.

    What a proposal takes grows with them; TPE takes the 25 best for promising, whatever their number.
    """
    if len(known) <= MOST_REMEMBERED:
        return known
    completed = [trial for trial in known if trial.state == TrialState.COMPLETE]
    ranked = sorted(completed, key=lambda trial: trial.value or 0.0, reverse=direction == StudyDirection.MAXIMIZE)
    chosen = {trial.number for trial in ranked[:BEST_REMEMBERED]}
    chosen |= {trial.number for trial in known[:: math.ceil(len(known) / MOST_REMEMBERED)]}
    return [trial for trial in known if trial.number in chosen]
