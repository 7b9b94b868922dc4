"""What choosing on the test images adds, against a study made by hand."""

import pandas as pd
import pytest

from study.optimism import optimism

SEEDS = (1, 2, 3)
# Of ten test images, 0 to 9, the challenge's protocol tests 5 to 9. Right answers by trial:
RIGHT = {
    ("paper", 1): {0, 1, 2, 5, 6, 7, 8},
    ("paper", 2): {0, 5, 6, 7},
    ("paper", 3): {0, 1, 2, 3, 4, 5, 6, 7},
    ("challenge", 1): {5, 6, 7},
    ("challenge", 2): {5, 6},
    ("challenge", 3): {5, 6, 7},
}


def study(width: dict[str, float] | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    trials, predictions = [], []
    for (protocol, seed), right in RIGHT.items():
        images = range(10) if protocol == "paper" else range(5, 10)
        trial = f"{protocol}-{seed}"
        trials.append(
            {
                "trial": trial,
                "arm": f"none-{protocol}",
                "phase": "confirm",
                "status": "completed",
                "seed": seed,
                "config.data.protocol": protocol,
                "config.data.train_images": None,
                "config.model.width": (width or {}).get(protocol, 1.0),
                "test_accuracy": len(right) / len(images),
            }
        )
        predictions += [{"trial": trial, "image": i, "label": 1, "predicted": 1 if i in right else 0} for i in images]
    return pd.DataFrame(trials), pd.DataFrame(predictions)


def test_the_two_protocols_are_compared_on_the_images_that_both_tested() -> None:
    (found,) = optimism(*study())
    assert found.arm == "none-paper"
    assert found.accuracy == pytest.approx((0.7 + 0.4 + 0.8) / 3)
    assert found.chosen_on == pytest.approx((0.8 + 0.6 + 0.6) / 3)
    assert found.held_out == pytest.approx((0.6 + 0.4 + 0.6) / 3)
    assert found.owed.seeds == 3
    assert found.owed.mean == pytest.approx((0.2 + 0.2 + 0.0) / 3)
    assert found.owed.low < found.owed.mean < found.owed.high


def test_only_seeds_that_ended_in_both_protocols_count() -> None:
    trials, predictions = study()
    trials.loc[trials["trial"] == "challenge-2", "status"] = "failed"
    (found,) = optimism(trials, predictions)
    assert found.owed.seeds == 2
    assert found.held_out == pytest.approx(0.6)
    assert found.accuracy == pytest.approx(0.75)


def test_another_configuration_is_no_comparison() -> None:
    assert optimism(*study(width={"challenge": 0.5})) == []


def test_a_study_in_one_protocol_has_none() -> None:
    trials, predictions = study()
    assert optimism(trials[trials["config.data.protocol"] == "paper"], predictions) == []
    assert optimism(trials.iloc[:0], predictions) == []
