"""What the paper says of every setting."""

from fer_core.config import TrialConfig, setting_names
from fer_core.paper import ASSUMED, CONFIGURATIONS, REPORTED_GAIN, REPORTED_TEST_ACCURACY, STATED
from tests.conftest import run_module


def test_every_setting_is_either_stated_or_assumed() -> None:
    assert sorted([*STATED, *ASSUMED]) == sorted(setting_names())


def test_the_defaults_are_the_papers_values() -> None:
    values = TrialConfig().flat()
    paper = {"train.learning_rate": 0.002, "train.batch_size": 64, "train.epochs": 100, "train.stop_patience": 16}
    assert {name: values[name] for name in paper} == paper


def test_the_reported_gain_is_the_difference_of_table_1() -> None:
    assert set(REPORTED_TEST_ACCURACY) == set(CONFIGURATIONS)
    low, high = REPORTED_TEST_ACCURACY.values()
    assert round(high - low, 4) == REPORTED_GAIN


def test_the_command_prints_every_setting_and_the_contradictions() -> None:
    done = run_module("fer_core.paper")
    assert done.status == 0, done.err
    for name in setting_names():
        assert name in done.out
    assert "69.07" in done.out
    assert "28.2 % in training" in done.out
    assert "69.04" in done.out
