"""What choosing on the test images adds, against a study made by hand."""

import numpy as np
import pandas as pd
import pytest

from study.analysis.answers import Answers
from study.analysis.evidence import Evidence
from study.analysis.optimism import optimism

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


def study(width: dict[str, float] | None = None, failed: str = "", only: str = "") -> Evidence:
    trials, answers = [], {}
    for (protocol, seed), right in RIGHT.items():
        images = np.arange(10) if protocol == "paper" else np.arange(5, 10)
        trial = f"{protocol}-{seed}"
        trials.append(
            {
                "trial": trial,
                "study": 0,
                "arm": f"none-{protocol}",
                "phase": "confirm",
                "status": "failed" if trial == failed else "completed",
                "seed": seed,
                "config.data.protocol": protocol,
                "config.data.train_images": None,
                "config.model.width": (width or {}).get(protocol, 1.0),
                "test_accuracy": len(right) / len(images),
                "seconds": 1.0,
            }
        )
        predicted = np.isin(images, list(right)).astype(int)
        answers[trial] = Answers(images, np.ones(len(images), int), predicted, np.empty((len(images), 7)), None)
    rows = pd.DataFrame(trials)
    if only:
        rows = rows[rows["config.data.protocol"] == only]
    record = {"settings": {"data.protocol": "challenge"}}
    return Evidence((), (record,), rows, pd.DataFrame(), answers, ())


def test_the_two_protocols_are_compared_on_the_images_that_both_tested() -> None:
    (found,) = optimism(study())
    assert found.arm == "none-paper"
    assert found.accuracy == pytest.approx((0.7 + 0.4 + 0.8) / 3)
    assert found.chosen_on == pytest.approx((0.8 + 0.6 + 0.6) / 3)
    assert found.held_out == pytest.approx((0.6 + 0.4 + 0.6) / 3)
    assert found.owed.seeds == 3
    assert found.owed.value == pytest.approx((0.2 + 0.2 + 0.0) / 3)
    assert found.owed.low < found.owed.value < found.owed.high


def test_only_seeds_that_ended_in_both_protocols_count() -> None:
    (found,) = optimism(study(failed="challenge-2"))
    assert found.owed.seeds == 2
    assert found.held_out == pytest.approx(0.6)
    assert found.accuracy == pytest.approx(0.75)


def test_another_configuration_is_no_comparison() -> None:
    assert optimism(study(width={"challenge": 0.5})) == []


def test_a_study_in_one_protocol_has_none() -> None:
    assert optimism(study(only="paper")) == []
    assert optimism(study(only="neither")) == []
