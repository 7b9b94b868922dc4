"""Every number that is learned by itself, where a score judges all of them together."""

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import root_mean_squared_error

from study.analysis.answers import Scores
from study.analysis.by_target import measures_of_target
from study.analysis.estimate import estimate
from tests.test_concordance import answered, lins

TITLES = ["concordance", "correlation", "root mean square error"]


def by_hand(answers: np.ndarray, targets: np.ndarray) -> list[float]:
    concordance = lins(answers[:, None], targets[:, None])
    return [concordance, pearsonr(answers, targets).statistic, root_mean_squared_error(targets, answers)]


def scores_of(answers: np.ndarray, targets: np.ndarray, subjects: np.ndarray | None = None) -> list[Scores]:
    images = np.arange(len(targets))
    return [Scores(images, np.zeros((len(images), 1)), None, subjects, one, targets) for one in answers]


def test_they_are_what_others_make_of_them() -> None:
    answers, targets = answered()
    for position in (0, 1):
        for subjects in (None, np.arange(300) // 6):
            given = scores_of(answers, targets, subjects)
            found = np.array([one.observe(given).by_seed for one in measures_of_target(position)]).T
            expected = [by_hand(one[:, position], targets[:, position]) for one in answers]
            np.testing.assert_allclose(found, expected, atol=1e-10)
    assert [one.title for one in measures_of_target(0)] == TITLES
    assert [one.higher_is_better for one in measures_of_target(0)] == [True, True, False]


def test_images_in_folds_are_put_together() -> None:
    answers, targets = answered()
    rows = np.arange(300) % 5
    table = [[scores_of(one[None, rows == k], targets[rows == k])[0] for k in range(5)] for one in answers]
    expected = np.array([by_hand(one[:, 1], targets[:, 1]) for one in answers])
    found = np.array([one.observe_folds(table).by_seed for one in measures_of_target(1)]).T
    np.testing.assert_allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize("position", [0, 1, 2], ids=TITLES)
def test_an_interval_is_like_that_of_resampled_images_and_seeds(position: int) -> None:
    answers, targets = answered(seeds=15)
    found = estimate(measures_of_target(0)[position].observe(scores_of(answers, targets)))
    draw, resampled = np.random.default_rng(0), []
    for _ in range(600):
        rows, seeds = draw.integers(0, 300, 300), draw.integers(0, 15, 15)
        resampled.append(np.mean([by_hand(answers[seed][rows, 0], targets[rows, 0])[position] for seed in seeds]))
    assert found.standard_error == pytest.approx(np.std(resampled), rel=0.15)


def test_answers_that_never_change_say_nothing_of_it() -> None:
    targets = np.random.default_rng(1).normal(size=(40, 1))
    given = scores_of(np.full((2, 40, 1), 3.0), targets)
    values = {one.title: one.observe(given).by_seed for one in measures_of_target(0)}
    assert values["concordance"] == pytest.approx([0, 0], abs=1e-12)
    assert values["correlation"] == pytest.approx([0, 0], abs=1e-6)
    assert np.isfinite(values["root mean square error"]).all()
