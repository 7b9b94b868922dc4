"""CMA-ES (Hansen 2016, "The CMA evolution strategy: a tutorial") computed anew from the results at every proposal.

Optuna's own sampler keeps the strategy's state in the trials it has proposed, as a pickle. A proposal here depends on
the study's results and its seed alone, so that a study that was killed proposes what it would have proposed.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from cmaes import CMA
from optuna.distributions import BaseDistribution
from optuna.search_space import intersection_search_space
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search_spaces.space import Choice, Parameter

# Of the first step, as a share of every parameter's range: Optuna's default.
FIRST_SIGMA = 1 / 6


class EvolutionSampler(optuna.samplers.BaseSampler):
    """Proposes the numbers that all completed trials have; choices and conditional values are drawn at random.

    The strategy starts at the best of the first `startup` trials, then learns from the completed ones in the order of
    their numbers, a population at a time. `parameters` are those of the space, by name.
    """

    def __init__(self, parameters: Mapping[str, Parameter], seed: int, startup: int) -> None:
        self._parameters, self._seed, self._startup = parameters, seed, startup
        self._random = optuna.samplers.RandomSampler(seed=seed)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        shared = intersection_search_space(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
        return {
            name: shared[name]
            for name in sorted(shared)
            if not isinstance(self._parameters[name], Choice) and not shared[name].single()
        }

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if not search_space:
            return {}
        parameters = {name: self._parameters[name] for name in search_space}
        completed = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        sign = 1.0 if study.direction == StudyDirection.MINIMIZE else -1.0
        solutions = [
            (np.array([p.unit(t.params[name]) for name, p in parameters.items()]), sign * float(t.value or 0.0))
            for t in completed
        ]
        starting = max(1, sum(t.number < self._startup for t in completed))
        strategy = CMA(
            mean=min(solutions[:starting], key=lambda solution: solution[1])[0],
            sigma=FIRST_SIGMA,
            bounds=np.array([[0.0, 1.0]] * len(parameters)),
            seed=self._seed,
        )
        size = strategy.population_size
        for start in range(starting, len(solutions) - size + 1, size):
            strategy.tell(solutions[start : start + size])
        units = strategy.ask()
        return {name: p.at(float(u)) for (name, p), u in zip(parameters.items(), units, strict=True)}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._random.sample_independent(study, trial, param_name, param_distribution)
