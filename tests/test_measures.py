"""Every measure against scikit-learn or a loop, and its variance over images against a computation by hand."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from study.analysis.answers import Answers, aligned, answers_by_trial
from study.analysis.measures import MEASURES
from study.records.rows import prediction_rows


def drawn(random: np.random.Generator, images: int = 500) -> Answers:
    labels = random.integers(0, 6, images)  # one class never occurs
    probabilities = random.dirichlet(np.ones(7), images).astype(np.float32)
    distinct = random.random(images) < 0.8
    return Answers(np.arange(images), labels, probabilities.argmax(axis=1), probabilities, distinct)


def calibration_error(answers: Answers) -> float:
    """Guo et al. (2017), eq. 3, as it is written."""
    total = 0.0
    confidence = answers.probabilities.max(axis=1).astype(float)
    for m in range(15):
        inside = (confidence > m / 15) & (confidence <= (m + 1) / 15)
        if inside.any():
            gap = abs(answers.correct[inside].mean() - confidence[inside].mean())
            total += inside.sum() / len(confidence) * gap
    return total


def test_values_are_those_of_scikit_learn(random: np.random.Generator) -> None:
    answers = [drawn(random), drawn(random)]
    expected = {
        "accuracy": [one.correct.mean() for one in answers],
        "macro_f1": [
            f1_score(one.labels, one.predicted, labels=range(7), average="macro", zero_division=0) for one in answers
        ],
        "balanced_accuracy": [balanced_accuracy_score(one.labels, one.predicted) for one in answers],
        "calibration_error": [calibration_error(one) for one in answers],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(MEASURES[name].observe(answers).by_seed, values, rtol=1e-9)


def test_accuracy_without_twins_leaves_them_out(random: np.random.Generator) -> None:
    one = drawn(random)
    got = MEASURES["accuracy_distinct"].observe([one])
    assert got.by_seed[0] == pytest.approx(one.correct[one.distinct].mean())
    assert got.answers is not None
    assert got.answers.shape == (1, one.distinct.sum())


def test_the_jackknife_leaves_out_a_group_at_a_time(random: np.random.Generator) -> None:
    one = drawn(random, images=100)  # as many groups as images
    got = MEASURES["macro_f1"].observe([one])
    rest = np.arange(100) != 37

    def f1(kept: np.ndarray) -> float:
        return f1_score(one.labels[kept], one.predicted[kept], labels=range(7), average="macro", zero_division=0)

    whole = f1(np.ones(100, bool))
    assert got.answers is not None
    assert got.answers[0, 37] == pytest.approx(100 * whole - 99 * f1(rest))


def test_the_jackknife_of_a_mean_is_the_mean_of_its_groups(random: np.random.Generator) -> None:
    """On classes of one size balanced accuracy is accuracy, whose pseudo-values are known."""
    labels = np.repeat(np.arange(7), 100)
    probabilities = random.dirichlet(np.ones(7), 700).astype(np.float32)
    one = Answers(np.arange(700), labels, probabilities.argmax(axis=1), probabilities, None)
    got = MEASURES["balanced_accuracy"].observe([one])
    assert got.answers is not None
    by_group = one.correct.reshape(7, 100).mean(axis=0)  # image i is in group i mod 100
    np.testing.assert_allclose(got.answers[0], by_group, atol=1e-9)


def test_predictions_come_back_by_trial_in_the_order_of_the_images(random: np.random.Generator) -> None:
    a, b = drawn(random, 6), drawn(random, 6)
    shuffled = random.permutation(6)
    tables = [
        prediction_rows(
            name, one.images[shuffled], one.labels[shuffled], one.probabilities[shuffled], one.distinct[shuffled]
        )
        for name, one in (("b", b), ("a", a))
        if one.distinct is not None
    ]

    got = answers_by_trial(pa.concat_tables(tables))
    assert set(got) == {"a", "b"}
    for name, one in (("a", a), ("b", b)):
        np.testing.assert_array_equal(got[name].labels, one.labels)
        np.testing.assert_array_equal(got[name].probabilities, one.probabilities)
        np.testing.assert_array_equal(got[name].distinct, one.distinct)


def test_answers_are_compared_on_the_images_that_all_have(random: np.random.Generator) -> None:
    whole = drawn(random, 10)
    part = whole.on(np.array([2, 5, 7]))
    first, second = aligned([whole, part])
    np.testing.assert_array_equal(first.images, [2, 5, 7])
    np.testing.assert_array_equal(first.predicted, second.predicted)
