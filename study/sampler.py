"""Optuna's part: one study an arm in one journal, which proposes the arm's search trials.

Proposals depend on the study's seed and on the results of earlier generations alone. A trial keeps its number
for life: after a crash, one that the journal still calls running is the same trial, to be told when it ends.
"""

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from scipy.stats import qmc

from fer_core.config import TrialConfig, Value
from search_spaces.space import Arm, Choice, Float, Parameter
from study.plan import Plan

# What became of a trial, in Optuna's words. One that diverged was stopped early for a good reason: told as
# pruned, it ranks below all that ended, where a failed one would be forgotten and proposed again.
STATES = {
    "completed": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "diverged": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}
SAMPLERS = ("random", "qmc", "tpe")


class Sampler:
    """The proposals of `plan`, kept in the journal at `journal`, which is made if missing."""

    def __init__(self, plan: Plan, journal: Path) -> None:
        logging.getLogger("optuna").setLevel(logging.ERROR)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        self._plan = plan
        storage = JournalStorage(JournalFileBackend(str(journal)))
        self._studies = {
            arm.name: optuna.create_study(
                storage=storage, study_name=arm.name, direction="maximize", load_if_exists=True
            )
            for arm in plan.arms
        }

    def propose(self, arm: Arm, number: int) -> dict[str, Value]:
        """The tuned values of the arm's search trial `number`: from the journal, or a new proposal.

        Numbers are asked for in order, a whole generation before any of its trials has ended.
        """
        study = self._studies[arm.name]
        known = study.get_trials(deepcopy=False)
        if number < len(known) and known[number].state != TrialState.WAITING:
            return dict(known[number].params)
        study.sampler = self._sampler(number)
        tuned = self._plan.space.tuned_in(arm)
        if number < self._plan.generation and number >= len(known):
            study.enqueue_trial(starting_point(self._plan, tuned, number))
        trial = study.ask({name: _distribution(parameter) for name, parameter in tuned.items()})
        return dict(trial.params)

    def report(self, arm: str, number: int, epoch: int, value: float) -> None:
        """Record the validation accuracy after an epoch; an epoch already recorded is left as it is."""
        study = self._studies[arm]
        known = study.get_trials(deepcopy=False)[number]
        if not known.state.is_finished() and epoch not in known.intermediate_values:
            optuna.trial.Trial(study, known._trial_id).report(value, epoch)

    def tell(self, arm: str, number: int, status: str, value: float | None) -> None:
        """Record how a trial ended; telling it again changes nothing."""
        study = self._studies[arm]
        if not study.get_trials(deepcopy=False)[number].state.is_finished():
            state = STATES[status]
            study.tell(number, value if state == TrialState.COMPLETE else None, state=state)

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        seed = self._plan.search_seed(number)
        match self._plan.sampler:
            case "random":
                return optuna.samplers.RandomSampler(seed=seed)
            case "qmc":
                return optuna.samplers.QMCSampler(
                    seed=self._plan.seed, scramble=True, warn_independent_sampling=False
                )
            case _:
                return optuna.samplers.TPESampler(
                    seed=seed, n_startup_trials=self._plan.generation, multivariate=True, constant_liar=True
                )


def starting_point(plan: Plan, tuned: Mapping[str, Parameter], number: int) -> dict[str, Value]:
    """The first generation's values, the same in every arm for the parameters that arms share.

    The first point is the paper's own values where they lie in the space; the others are scrambled Sobol
    points over all nuisance hyperparameters of the space.
    """
    names = sorted(plan.space.nuisance)
    paper = TrialConfig().flat()
    if number == 0 and all(plan.space.nuisance[name].contains(paper[name]) for name in names):
        return {name: paper[name] for name in tuned}
    sobol = qmc.Sobol(len(names), seed=plan.seed)
    unit = dict(zip(names, sobol.fast_forward(number).random(1)[0], strict=True))
    return {name: parameter.at(float(unit[name])) for name, parameter in tuned.items()}


def _distribution(parameter: Parameter) -> BaseDistribution:
    if isinstance(parameter, Choice):
        return CategoricalDistribution(parameter.values)
    if isinstance(parameter, Float):
        return FloatDistribution(parameter.low, parameter.high, log=parameter.log)
    return IntDistribution(parameter.low, parameter.high)
