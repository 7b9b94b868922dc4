"""Optuna's part: one study a search of an arm in one journal, which proposes the search's trials.

Proposals depend on the study's seed and on the results of trials that lie a window back, alone. A trial keeps its
number for life: after a crash, one that the journal still calls running is the same trial, to be told when it ends.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import qmc

from fer_core.config import LOWEST_SCORE, Value
from fer_core.errors import InputError
from search_spaces.space import Arm, Choice, Float, Int, Parameter
from study.plan import Plan, SearchKey
from study.search.evolution import EvolutionSampler
from study.search.memory import Memory

# What became of a trial, in Optuna's words. One that diverged was stopped early for a good reason: told as
# pruned, it ranks below all that ended, where a failed one would be forgotten and proposed again.
STATES = {
    "completed": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "diverged": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}
# How often another proposal is drawn while one is a repetition or breaks a constraint of the space.
MOST_ATTEMPTS = 100
# The quasi-random points between two attempts, more than any arm has trials. Odd: points that lie a power of two
# apart share a cell of the space.
POINTS_APART = 100_003


class Sampler:
    """The proposals of `plan`, kept in the journal at `journal`, which is made if missing."""

    def __init__(self, plan: Plan, journal: Path) -> None:
        logging.getLogger("optuna").setLevel(logging.ERROR)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        self._plan = plan
        self._storage = JournalStorage(JournalFileBackend(str(journal)))
        lower_is_better = plan.space.goal == LOWEST_SCORE
        direction = StudyDirection.MINIMIZE if lower_is_better else StudyDirection.MAXIMIZE
        self._studies = {
            key: optuna.create_study(
                storage=self._storage, study_name=study_name(*key), direction=direction, load_if_exists=True
            )
            for key in plan.search_keys
        }
        self._memories = {key: Memory(plan.window, direction) for key in plan.search_keys}

    def propose(self, arm: Arm, search: int, number: int, ended: Sequence[int]) -> dict[str, Value]:
        """The tuned values of trial `number` of one of the arm's searches: from the journal, or a new proposal.

        Numbers are asked for in order. ended: the trials whose results it may depend on, more from proposal to
        proposal; the others count as running. A new proposal repeats no trial of the search if any other can be
        found, and fulfils the constraints of the space. Raises InputError if none does.
        """
        study, memory = self._studies[arm.name, search], self._memories[arm.name, search]
        known = study.get_trials(deepcopy=False)
        memory.see(number, ended)
        if number >= len(known):
            trial = _begun(self._proposal(arm, search, number, known), self._plan.space.nuisance)
            self._storage.create_new_trial(study._study_id, trial)
            return dict(trial.params)
        return dict(known[number].params)  # as a driver proposed it that was killed or interrupted

    def _draw(self, trial: optuna.trial.Trial, arm: Arm) -> dict[str, Value]:
        def suggest(name: str, parameter: Parameter) -> Value:
            match parameter:
                case Choice():
                    return trial.suggest_categorical(name, parameter.values)
                case Float():
                    return trial.suggest_float(name, parameter.low, parameter.high, log=parameter.log)
                case Int():
                    return trial.suggest_int(name, parameter.low, parameter.high)

        return self._plan.space.draw(arm, suggest)

    def _proposal(self, arm: Arm, search: int, number: int, known: list[FrozenTrial]) -> dict[str, Value]:
        memory, repetition = self._memories[arm.name, search], None
        for values in self._candidates(arm, search, number, known):
            if self._plan.allows(arm, values):
                if not memory.holds(values, known):
                    return values
                repetition = repetition or values
        if repetition is None:
            constraints = "; ".join(self._plan.space.constraints)
            raise InputError(f"arm {arm.name}: none of {MOST_ATTEMPTS} proposals fulfils: {constraints}.")
        return repetition

    def _candidates(self, arm: Arm, search: int, number: int, known: list[FrozenTrial]) -> Iterator[dict[str, Value]]:
        """Proposals for the trial, one as good as the other but for what the space forbids."""
        plan = self._plan.of_search(search)
        if number < plan.window or plan.sampler == "qmc":
            for attempt in range(MOST_ATTEMPTS):
                yield starting_point(plan, arm, number + attempt * POINTS_APART)
            return
        study = self._memories[arm.name, search].at(number, known)
        for attempt in range(MOST_ATTEMPTS):
            # A sampler that is sure of the best values proposes nothing else; then chance helps.
            name = plan.sampler if attempt < MOST_ATTEMPTS // 2 else "random"
            study.sampler = self._optuna_sampler(name, arm, (plan.search_seed(number), attempt))
            trial = study.ask()
            values = self._draw(trial, arm)
            study.tell(trial, state=TrialState.FAIL)  # no later proposal may know of it
            yield values

    def report(self, key: SearchKey, number: int, epoch: int, value: float) -> None:
        """Record what judges, on validation, after an epoch; an epoch already recorded is left as it is."""
        known = self._known(key, number)
        if not known.state.is_finished() and epoch not in known.intermediate_values:
            self._storage.set_trial_intermediate_value(known._trial_id, epoch, value)

    def has_ended(self, key: SearchKey, number: int) -> bool:
        """Whether it is recorded how a trial ended."""
        return self._known(key, number).state.is_finished()

    def tell(self, key: SearchKey, number: int, status: str, value: float | None) -> None:
        """Record how a trial ended; telling it again changes nothing."""
        if not self.has_ended(key, number):
            state = STATES[status]
            self._studies[key].tell(number, value if state == TrialState.COMPLETE else None, state=state)

    def _known(self, key: SearchKey, number: int) -> FrozenTrial:
        """What the journal holds of a trial. `Study.get_trials` takes the longer the more there are."""
        study = self._studies[key]._study_id
        return self._storage.get_trial(self._storage.get_trial_id_from_study_id_trial_number(study, number))

    def _optuna_sampler(self, name: str, arm: Arm, seeds: tuple[int, int]) -> optuna.samplers.BaseSampler:
        tuned = self._plan.space.tuned_in(arm)
        seed = int(np.random.SeedSequence(seeds).generate_state(1)[0])
        if name == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        if name == "cmaes":
            return EvolutionSampler(self._plan.space.nuisance, seed, startup=self._plan.window)
        if name == "gp":
            return optuna.samplers.GPSampler(seed=seed, n_startup_trials=self._plan.window)
        options: dict[str, Any] = {
            "seed": seed,
            "n_startup_trials": self._plan.window,
            "multivariate": True,
            "constant_liar": True,
        }
        if any(other in tuned for parameter in tuned.values() for other in parameter.when):
            return optuna.samplers.TPESampler(**options, group=True)
        space = {name: _distribution(tuned[name]) for name in sorted(tuned)}
        return _KnownSpaceSampler({name: kind for name, kind in space.items() if not kind.single()}, **options)


def study_name(arm: str, search: int) -> str:
    """The name of a search's study in the journal."""
    return f"{arm}, search {search}" if search else arm


class _KnownSpaceSampler(optuna.samplers.TPESampler):
    """TPE for an arm whose trials all have the same parameters, given by name.

    Optuna looks through all trials for those that they share, which takes it as long as the sampling.
    """

    def __init__(self, space: dict[str, BaseDistribution], **options: Any) -> None:
        super().__init__(**options)
        self._space = space

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._space


def _begun(values: dict[str, Value], parameters: Mapping[str, Parameter]) -> FrozenTrial:
    """A trial that runs with these values: a line of the journal, where `enqueue_trial` and `ask` make half a dozen.

    Its values are those that the journal gives back.
    """
    distributions = {name: _distribution(parameters[name]) for name in values}
    same = {name: kind.to_external_repr(kind.to_internal_repr(values[name])) for name, kind in distributions.items()}
    return optuna.trial.create_trial(state=TrialState.RUNNING, params=same, distributions=distributions)


def _distribution(parameter: Parameter) -> BaseDistribution:
    match parameter:
        case Choice():
            return CategoricalDistribution(parameter.values)
        case Float():
            return FloatDistribution(parameter.low, parameter.high, log=parameter.log)
        case Int():
            return IntDistribution(parameter.low, parameter.high)


def starting_point(plan: Plan, arm: Arm, index: int) -> dict[str, Value]:
    """One of the arm's first points, the same in every arm for the parameters that arms share.

    Scrambled Sobol points over all nuisance hyperparameters of the space; in the first point with the published value
    of a user's own settings, else with the budget's, else with the paper's own, whichever the range holds.
    """
    names = sorted(plan.space.nuisance)
    sobol = qmc.Sobol(len(names), seed=plan.seed)
    if index:
        sobol.fast_forward(index)
    unit = dict(zip(names, map(float, sobol.random(1)[0]), strict=True))
    known = [plan.space.published, plan.base.flat(), plan.space.start.flat()]

    def pick(name: str, parameter: Parameter) -> Value:
        given = [values[name] for values in known if values.get(name) is not None] if index == 0 else []
        return next(filter(parameter.contains, given), parameter.at(unit[name]))

    return plan.space.draw(arm, pick)
