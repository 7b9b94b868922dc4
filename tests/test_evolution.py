"""CMA-ES on a formula, through a real Optuna study."""

import optuna
import pytest

from search_spaces.space import Choice, Float, Int
from study.search.evolution import EvolutionSampler

PARAMETERS = {"rate": Float(1e-5, 1e-1, log=True), "units": Int(1, 64), "flip": Choice((False, True))}


def value(trial: optuna.Trial) -> float:
    rate = trial.suggest_float("rate", 1e-5, 1e-1, log=True)
    units = trial.suggest_int("units", 1, 64)
    trial.suggest_categorical("flip", (False, True))
    off = (PARAMETERS["rate"].unit(rate) - 0.8) ** 2 + (PARAMETERS["units"].unit(units) - 0.3) ** 2  # type: ignore[arg-type]
    return 1.0 - off


def searched(seed: int, trials: int) -> optuna.Study:
    study = optuna.create_study(direction="maximize")
    for number in range(trials):
        study.sampler = EvolutionSampler(PARAMETERS, seed=1000 * seed + number, startup=6)
        study.optimize(value, n_trials=1)
    return study


@pytest.mark.parametrize("end", [2e-4, 5e-3])
def test_proposals_stay_in_their_range_where_the_best_lies_at_its_end(end: float) -> None:
    parameters = {"rate": Float(2e-4, 5e-3, log=True), "alone": Float(1.0, 1.0)}

    def closeness(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("rate", 2e-4, 5e-3, log=True)
        trial.suggest_float("alone", 1.0, 1.0)
        return -abs(parameters["rate"].unit(rate) - parameters["rate"].unit(end))

    study = optuna.create_study(direction="maximize")
    study.enqueue_trial({"rate": end, "alone": 1.0})
    for number in range(40):
        study.sampler = EvolutionSampler(parameters, seed=number, startup=1)
        study.optimize(closeness, n_trials=1)
    assert study.trials[0].params["rate"] == end
    proposed = [t.params["rate"] for t in study.trials[1:]]
    assert all(parameters["rate"].contains(rate) for rate in proposed)
    assert all(t.value > -0.5 for t in study.trials[-10:])


@pytest.mark.parametrize("seed", range(5))
def test_proposals_close_in_on_the_best_values(seed: int) -> None:
    ends = [t.value for t in searched(seed, 66).trials]
    assert min(ends[-12:]) > 0.97
    assert min(ends[:12]) < 0.9


def test_a_proposal_follows_from_the_results_and_the_seed_alone() -> None:
    study = searched(3, 20)
    copy = optuna.create_study(direction="maximize")
    copy.add_trials(study.trials)
    proposals = []
    for one in (study, copy):
        one.sampler = EvolutionSampler(PARAMETERS, seed=7, startup=6)
        trial = one.ask()
        value(trial)
        proposals.append(trial.params)
    assert proposals[0] == proposals[1]


def test_trials_without_a_result_teach_nothing() -> None:
    study = searched(1, 18)
    proposals = []
    for _ in range(2):
        study.sampler = EvolutionSampler(PARAMETERS, seed=7, startup=6)
        trial = study.ask()
        value(trial)
        proposals.append(trial.params)
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    assert proposals[0] == proposals[1]
