"""Recorded curves in the place of training: what was recorded comes back, and arms get equal effort on any curve."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_core.config import TrialConfig
from search_spaces.catalogue import load_space
from study.engine import Engine
from study.plan import Plan, TrialSpec, make_plan
from study.records.parquet import read_table
from study.records.tables import Tables
from study.replay import Recorded, replay
from study.search.sampler import Sampler

EPOCHS = 6


def plan(**changes: object) -> Plan:
    arguments = {"budget": "quick", "protocol": "challenge", "data_name": "fer2013", "epochs": EPOCHS, **changes}
    return make_plan(load_space("se_placement"), **arguments)  # type: ignore[arg-type]


def formula(spec: TrialSpec) -> np.ndarray:
    """Best at a rate of 0.001, and rising."""
    quality = 0.6 - 0.1 * abs(np.log10(spec.config.train.learning_rate / 0.001))
    return quality * (1 - 0.6 ** np.arange(1, EPOCHS + 1))


def run(the_plan: Plan, folder: Path, curve=formula, order: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:  # type: ignore[no-untyped-def]
    folder.mkdir(exist_ok=True)
    engine = Engine(the_plan, Sampler(the_plan, folder / "optuna.log"), Tables(folder))
    replay(engine, curve, order=order)
    return read_table(folder, "trials"), read_table(folder, "epochs")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    p = plan(sampler="qmc", scheduler="none", trials=40, seeds=0)
    return Recorded(p.space, *run(p, tmp_path_factory.mktemp("recorded") / "study"))


def spec(arm: str, **settings: float) -> TrialSpec:
    values = {"model.se_placement": arm, **{name.replace("__", "."): value for name, value in settings.items()}}
    return TrialSpec(arm, "search", TrialConfig.from_flat(values), seed=1, number=0)


def test_a_recorded_configuration_gives_its_recorded_curve(recorded: Recorded) -> None:
    # The paper's is the first starting point of every arm.
    np.testing.assert_allclose(recorded.expected(spec("block")), formula(spec("block")), atol=0.01)


@pytest.mark.parametrize("rate", [0.0004, 0.0013, 0.003])
def test_between_recorded_configurations_it_is_close_to_what_they_would_do(rate: float, recorded: Recorded) -> None:
    here = spec("none", train__learning_rate=rate, augment__shift=0.07)
    np.testing.assert_allclose(recorded.expected(here), formula(here), atol=0.02)


def test_chance_is_that_of_the_trial_and_no_other(recorded: Recorded) -> None:
    here = spec("conv", train__learning_rate=0.0017, augment__shift=0.05)
    np.testing.assert_array_equal(recorded(here), recorded(here))
    other = TrialSpec(here.arm, here.phase, here.config, seed=2, number=0)
    assert not np.array_equal(recorded(here), recorded(other))
    many = [recorded(TrialSpec(here.arm, here.phase, here.config, seed=s, number=0)) for s in range(400)]
    spread = recorded._spread["conv"]
    np.testing.assert_allclose(np.mean(many, axis=0), recorded.expected(here), atol=4 * spread.max() / 20)
    np.testing.assert_allclose(np.std(many, axis=0), spread, rtol=0.2)


def test_a_study_on_recorded_curves_is_the_same_every_time(recorded: Recorded, tmp_path: Path) -> None:
    p = plan(trials=6, seeds=2)
    first, _ = run(p, tmp_path / "a", recorded)
    second, _ = run(p, tmp_path / "b", recorded, order=7)
    pd.testing.assert_frame_equal(*(t.sort_values("trial", ignore_index=True) for t in (first, second)))


def test_an_arm_that_learns_ten_times_slower_gets_the_same_effort(tmp_path: Path) -> None:
    def slow(spec: TrialSpec) -> np.ndarray:
        return formula(spec) / 10 if spec.arm == "conv" else formula(spec)

    trials, _ = run(plan(trials=24, seeds=2, epochs=EPOCHS), tmp_path / "study", slow)
    searched = trials.query("phase == 'search'").groupby("arm")
    assert searched.size().tolist() == [24, 24, 24]
    epochs = searched["epochs"].sum()
    assert epochs.max() <= 1.15 * epochs.min()
    assert (searched["status"].value_counts().unstack()["pruned"] >= 5).all()
    confirmed = trials.query("phase == 'confirm'").groupby("arm")["epochs"].sum()
    assert confirmed.nunique() == 1
