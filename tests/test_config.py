"""Settings: one flat name each, checked, and hashed by content."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_core.config import TrialConfig, Value, check, setting_doc, setting_names, trial_id
from fer_core.errors import InputError

settings = st.fixed_dictionaries(
    {
        "model.se_placement": st.sampled_from(["none", "block", "conv"]),
        "model.se_reduction": st.integers(1, 64),
        "model.batch_norm": st.booleans(),
        "augment.shift": st.floats(0, 0.5),
        "train.learning_rate": st.floats(1e-8, 10),
        "data.train_images": st.none() | st.integers(7, 30_000),
    }
)


@given(settings)
def test_flat_and_from_flat_are_inverse(values: dict[str, Value]) -> None:
    config = TrialConfig.from_flat(values)
    assert TrialConfig.from_flat(config.flat()) == config
    assert {name: config.flat()[name] for name in values} == values


@given(settings, settings)
def test_equal_settings_and_only_they_have_equal_digests(a: dict[str, Value], b: dict[str, Value]) -> None:
    first, second = TrialConfig.from_flat(a), TrialConfig.from_flat(b)
    assert (first == second) == (first.digest() == second.digest())


@given(settings)
def test_a_setting_is_read_back_from_its_text(values: dict[str, Value]) -> None:
    assert {name: check(name, str(value)) for name, value in values.items()} == values


def test_the_seed_is_part_of_the_identity() -> None:
    assert trial_id(TrialConfig(), 1) != trial_id(TrialConfig(), 2)


def test_an_unchanged_config_keeps_its_identity_from_release_to_release() -> None:
    # Studies are resumed and compared by this digest: a change here makes every recorded trial a stranger.
    assert TrialConfig().digest() == "df1975ad53"


def test_a_setting_added_later_counts_once_it_is_changed() -> None:
    assert TrialConfig.from_flat({"train.precision": "mixed_bfloat16"}).digest() != TrialConfig().digest()


def test_every_setting_says_what_it_means() -> None:
    assert all(setting_doc(name) for name in setting_names())


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("model.se_placement", "everywhere", "none, block, conv"),
        ("model.se_reduction", "0", "at least 1"),
        ("model.se_reduction", "2.5", "a whole number"),
        ("train.learning_rate", "fast", "a number"),
        ("train.learning_rate", "nan", "a number"),
        ("model.batch_norm", "perhaps", "true or false"),
        ("model.batch_norm", "2", "true or false"),
        ("data.train_images", "3", "or none"),
        ("model.depth", "3", "no such setting"),
    ],
)
def test_a_wrong_value_is_refused_with_what_was_expected(name: str, value: str, expected: str) -> None:
    with pytest.raises(InputError, match=expected) as raised:
        TrialConfig.from_flat({name: value})
    assert name in str(raised.value)


def test_a_configuration_cannot_be_changed_in_place() -> None:
    with pytest.raises(AttributeError):
        TrialConfig().train.epochs = 3  # type: ignore[misc]
    assert replace(TrialConfig(), train=TrialConfig().train) == TrialConfig()
