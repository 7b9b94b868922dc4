"""How much of an arm's validation each hyperparameter decides, by Optuna's PED-ANOVA, from the table of trials.

PED-ANOVA (Watanabe, Bansal and Hutter 2023) compares where the best trials lie with where all lie: here the best
quarter, as arms of a few dozen trials have too few in the best tenth, which is Optuna's default. Only completed
trials count: what a pruned one would have come to is not known.
"""

import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.study import StudyDirection
from optuna.trial import create_trial

BEST = 0.25
FEWEST = 10  # completed trials


def importances(
    search: pd.DataFrame,
    tuned: Sequence[str],
    logarithmic: Collection[str],
    measure: str,
    higher_is_better: bool = True,
) -> dict[str, float] | None:
    """The share of each of `tuned`, adding up to 1, the largest first; None of too few trials.

    logarithmic: those that are drawn on a logarithmic scale. measure: what judges, and which way that is better.
    """
    completed = search[search["status"] == "completed"]
    # A hyperparameter that only some trials have is left out, as Optuna would do.
    names = [name for name in tuned if completed[f"config.{name}"].notna().all()]
    if len(completed) < FEWEST or not names:
        return None
    columns = {name: completed[f"config.{name}"].tolist() for name in names}
    distributions = {name: _distribution(values, name in logarithmic) for name, values in columns.items()}
    direction = StudyDirection.MAXIMIZE if higher_is_better else StudyDirection.MINIMIZE
    study = _study(columns, distributions, completed[f"val_{measure}"], direction)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        evaluator = PedAnovaImportanceEvaluator(target_quantile=BEST)
        return optuna.importance.get_param_importances(study, evaluator=evaluator)


def _study(
    columns: Mapping[str, list],
    distributions: Mapping[str, BaseDistribution],
    values: pd.Series,
    direction: StudyDirection,
) -> optuna.Study:
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(direction=direction)
    finally:
        optuna.logging.set_verbosity(verbosity)
    for position, value in enumerate(values):
        parameters = {name: column[position] for name, column in columns.items()}
        study.add_trial(create_trial(params=parameters, distributions=dict(distributions), value=float(value)))
    return study


def _distribution(values: list[Any], logarithmic: bool) -> BaseDistribution:
    if not all(_is_number(v) for v in values):
        return CategoricalDistribution(sorted(set(values), key=str))
    kind = IntDistribution if all(float(v).is_integer() for v in values) else FloatDistribution
    return kind(min(values), max(values), log=logarithmic)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_)
