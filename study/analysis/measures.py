"""Measures of a trial's answers, seed by seed, in the form that `estimate` takes.

An accuracy is a mean over images. Macro F1, balanced accuracy and calibration error are functions of counts that
add up over images; their variance over images is taken from pseudo-values of the jackknife over groups of images
(Tukey 1958; Efron and Tibshirani 1993, chapter 11). The values themselves are scikit-learn's to the last digits.

Where it is known whom the images show, several of one subject are no independent evidence. Then subjects are what is
left out at a time, of all measures: an accuracy is the ratio of two sums over subjects.

Where the images were tested in turn, fold by fold, counts add up over the folds, so that a measure is of all images,
and a fold is left out at a time.

A score that a trainer, or somebody else, has given to every example is a mean as an accuracy is, of any numbers; or
the root of one, or a concordance, which are functions of sums likewise.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from fer_core.summaries import MEAN, value
from search_spaces.score import SCORE, Score
from study.analysis.answers import A, Answers, Scores
from study.analysis.estimate import Observed
from study.scale import SHARES, Scale, scores_in

GROUPS = 100  # of images, for the jackknife
BINS = 15  # of confidence, for the calibration error (Guo et al. 2017)
WITHOUT_TWINS = ("accuracy_distinct", "score_distinct")  # the measures on images that have none in training


@dataclass(frozen=True)
class Measure:
    """How to observe it in the answers of several seeds to the same images, in what words, and what is better.

    column: where the table of trials has it, None if it follows from the predictions alone. observe: how in Answers
    by seed, or where it is `of_scores` in Scores. observe_folds: how in these by seed and fold, None where a training
    is lacking; it then counts as the mean of its fold's others. of_twins: whether it must be known which images have
    a twin in training. of_probabilities: whether it must be known how sure the answers are. scale: how it is written.
    """

    title: str
    column: str | None
    observe: Callable[[Sequence[Any]], Observed]
    observe_folds: Callable[[Sequence[Sequence[Any]]], Observed]
    higher_is_better: bool = True
    of_twins: bool = False
    of_probabilities: bool = False
    of_scores: bool = False
    scale: Scale = SHARES

    @property
    def differences(self) -> str:
        """What stands above differences of it."""
        less = "" if self.higher_is_better else " (less is better)"
        return f"{self.title}{less}{self.scale.heading}"

    def can_tell(self, answers: Sequence[Any]) -> bool:
        """Whether they say what it is a measure of."""
        if self.of_twins and any(one.distinct is None for one in answers):
            return False
        return not self.of_probabilities or all(one.has_probabilities for one in answers)


def _mean(answers: Sequence[Answers | Scores]) -> Observed:
    """Of what every image counts."""
    if answers[0].subjects is not None:
        return _mean_over_subjects(answers)
    counts = np.array([one.counts for one in answers], float)
    return Observed(counts.mean(axis=1), counts)


def _on_some(measure: Measure, choose: Callable[[A], A]) -> Measure:
    """The same over some of the images alone: those that `choose` leaves."""

    def observe(answers: Sequence[A]) -> Observed:
        chosen = [choose(one) for one in answers]
        return measure.observe(chosen) if len(chosen[0].images) else Observed(np.full(len(chosen), np.nan))

    def observe_folds(table: Sequence[Sequence[A | None]]) -> Observed:
        alone = [[None if one is None else choose(one) for one in row] for row in table]
        some = any(len(one.images) for row in alone for one in row if one is not None)
        return measure.observe_folds(alone) if some else Observed(np.empty(0))

    return replace(measure, observe=observe, observe_folds=observe_folds)


def _without_twins(measure: Measure, column: str | None) -> Measure:
    def choose(answers: A) -> A:
        assert answers.distinct is not None
        return answers.on(answers.images[answers.distinct])

    title = f"{measure.title} without twins"
    return replace(_on_some(measure, choose), title=title, column=column, of_twins=True)


def accuracy_on(images: np.ndarray) -> Measure:
    """The accuracy on those of `images` that were tested: at least one."""
    accuracy = replace(ACCURACY, column=None)
    return _on_some(accuracy, lambda answers: answers.on(np.intersect1d(answers.images, images)))


Count = Callable[[Any, np.ndarray], np.ndarray]
Value = Callable[[np.ndarray], np.ndarray]


def _in_folds(count: Count, value: Value) -> Callable[[Sequence[Sequence[Any]]], Observed]:
    """Arguments as of `_jackknifed`."""

    def observe(table: Sequence[Sequence[Answers | Scores | None]]) -> Observed:
        counted = [[None if one is None else _total(count, one) for one in row] for row in table]
        nothing = np.full_like(next(cell for row in counted for cell in row if cell is not None), np.nan)
        counts = filled(np.array([[nothing if cell is None else cell for cell in row] for row in counted]))
        total, folds = counts.sum(axis=1, keepdims=True), counts.shape[1]
        whole, without = value(total), value(total - counts)
        return Observed(whole[:, 0], folds * whole - (folds - 1) * without, folds=True)

    return observe


def filled(table: np.ndarray) -> np.ndarray:
    """What is lacking, NaN, as the mean of what the other rows have there."""
    return np.where(np.isnan(table), np.nanmean(table, axis=0), table)


def _total(count: Count, answers: Answers | Scores) -> np.ndarray:
    return count(answers, np.zeros(len(answers.images), int))[0]


def _jackknifed(count: Count, value: Value, most: int | None = GROUPS) -> Callable[[Sequence[Any]], Observed]:
    """count: (groups, ...) sums over an answer's images; value: the measure of such sums, over their last axes; most:
    how many groups there are at most.
    """

    def observe(answers: Sequence[Answers | Scores]) -> Observed:
        group = _groups(answers[0], most)
        groups = int(group.max(initial=0)) + 1
        counts = np.array([count(one, group) for one in answers])
        total = counts.sum(axis=1, keepdims=True)
        whole, without = value(total), value(total - counts)
        people = answers[0].subjects is not None
        pseudo = None if people and groups == 1 else groups * whole - (groups - 1) * without
        return Observed(whole[:, 0], pseudo, few_units=people)

    return observe


def _groups(answers: Answers | Scores, most: int | None) -> np.ndarray:
    """Which group every image belongs to, (n,): all images of a subject to the same one."""
    if answers.subjects is None:
        members = np.arange(len(answers.images))
    else:
        members = np.unique(answers.subjects, return_inverse=True)[1]
    return members if most is None else members % most


def _sums(answers: Answers | Scores, group: np.ndarray) -> np.ndarray:
    """(groups, 2): what their images count together, and how many there are."""
    sums = [np.bincount(group, weights, minlength=1) for weights in (answers.counts, None)]
    return np.stack(sums, axis=-1).astype(float)


def _by_image(sums: np.ndarray) -> np.ndarray:
    return ratio(sums[..., 0], sums[..., 1])


_mean_over_subjects = _jackknifed(_sums, _by_image, most=None)
_mean_over_folds = _in_folds(_sums, _by_image)


def _confusions(answers: Answers, group: np.ndarray) -> np.ndarray:
    """(groups, classes, classes): images by label and prediction."""
    classes = answers.probabilities.shape[1]
    cell = (group * classes + answers.labels) * classes + answers.predicted
    counts = np.bincount(cell, minlength=(group.max() + 1) * classes**2)
    return counts.reshape(-1, classes, classes).astype(float)


def _macro_f1(confusions: np.ndarray) -> np.ndarray:
    """Mean over classes of 2 hits / (predicted + labelled), 0 for a class that is neither (van Rijsbergen 1979)."""
    hits = np.diagonal(confusions, axis1=-2, axis2=-1)
    both = confusions.sum(axis=-1) + confusions.sum(axis=-2)
    return ratio(2 * hits, both).mean(axis=-1)


def _balanced_accuracy(confusions: np.ndarray) -> np.ndarray:
    """The mean recall over the classes that occur (Brodersen et al. 2010)."""
    hits, labelled = np.diagonal(confusions, axis1=-2, axis2=-1), confusions.sum(axis=-1)
    return ratio(ratio(hits, labelled).sum(axis=-1), (labelled > 0).sum(axis=-1).astype(float))


def _confidences(answers: Answers, group: np.ndarray) -> np.ndarray:
    """(groups, 15, 3): images, right answers and summed confidence by bin of confidence."""
    confidence = answers.probabilities.max(axis=1).astype(float)
    cell = group * BINS + confidence_bin(confidence)
    size = (group.max() + 1) * BINS
    sums = [np.bincount(cell, weights, size) for weights in (None, answers.correct, confidence)]
    return np.stack(sums, axis=-1).reshape(-1, BINS, 3).astype(float)


def confidence_bin(confidence: np.ndarray) -> np.ndarray:
    """Which of the bins, (m / 15, (m + 1) / 15], a confidence from 0 to 1 falls in (Guo et al. 2017, section 2)."""
    return np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)


def _calibration_error(bins: np.ndarray) -> np.ndarray:
    """Expected calibration error: the mean over images of |accuracy - confidence| of their bin (ibid., eq. 3)."""
    return ratio(np.abs(bins[..., 1] - bins[..., 2]).sum(axis=-1), bins[..., 0].sum(axis=-1))


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)


def of_counts(title: str, column: str | None, count: Count, value: Value) -> Measure:
    """A function of sums over images. count: (groups, ...) sums over an answer's images; value: of such sums, over
    their last axes.
    """
    return Measure(title, column, _jackknifed(count, value), _in_folds(count, value))


ACCURACY = Measure("accuracy", "test_accuracy", _mean, _mean_over_folds)
MEASURES = {
    "accuracy": ACCURACY,
    "accuracy_distinct": _without_twins(ACCURACY, "test_accuracy_distinct"),
    "macro_f1": of_counts("macro F1", "test_macro_f1", _confusions, _macro_f1),
    "balanced_accuracy": of_counts("balanced accuracy", "test_balanced_accuracy", _confusions, _balanced_accuracy),
    "calibration_error": replace(
        of_counts("calibration error", None, _confidences, _calibration_error),
        higher_is_better=False,
        of_probabilities=True,
    ),
}


def _sums_of_summands(scores: Scores, group: np.ndarray) -> np.ndarray:
    """(groups, 1 + m): how many images there are, and the sums of their summands."""
    columns = [None, *scores.summands.T]
    return np.stack([np.bincount(group, weights, minlength=1) for weights in columns], axis=-1).astype(float)


def _of(score: Score) -> dict[str, Measure]:
    """A mean as an accuracy is; what else is made of the examples by the jackknife, as the measures by counts are."""
    column = f"test_{SCORE}"
    if score.over == MEAN:
        whole = Measure(score.title, column, _mean, _mean_over_folds)
    else:
        whole = of_counts(score.title, column, _sums_of_summands, partial(_of_sums, score.over))
    whole = replace(whole, higher_is_better=score.higher_is_better, of_scores=True, scale=scores_in(score.unit))
    return {SCORE: whole, "score_distinct": _without_twins(whole, None)}


def _of_sums(over: str, sums: np.ndarray) -> np.ndarray:
    return value(over, ratio(sums[..., 1:], np.broadcast_to(sums[..., :1], sums[..., 1:].shape)))


def measures_of(record: Mapping[str, Any]) -> Mapping[str, Measure]:
    """By what the trainings of the study with this record are measured."""
    given = record.get(SCORE)
    return MEASURES if given is None else _of(Score(**given))
