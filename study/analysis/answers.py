"""What every tested trial answered to every test image, from `predictions.parquet`, or what its answers scored, from
`scores.parquet`.
"""

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fer_core.summaries import CONCORDANCE, MEAN, summands


@dataclass(frozen=True)
class Answers:
    """One trial's answers to n test images, in the order of `images`, their rows in the data set.

    labels, predicted: (n,) int. probabilities: (n, classes) float32, NaN where they are not known. distinct: (n,)
    bool, which images have no identical twin in training; None where the study did not record it. subjects: (n,) int,
    the same number for images that show the same subject; None where that is not known.
    """

    images: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray
    distinct: np.ndarray | None
    subjects: np.ndarray | None = None

    @property
    def correct(self) -> np.ndarray:
        return self.labels == self.predicted

    @property
    def counts(self) -> np.ndarray:
        """What every image counts towards the mean: 1 where the answer is right, else 0."""
        return self.correct

    @property
    def has_probabilities(self) -> bool:
        """Whether it is known how sure it was: not of every training that ran elsewhere."""
        return not np.isnan(self.probabilities).all()

    def on(self, images: np.ndarray) -> "Answers":
        """The answers to `images` alone, all of which it has, in order."""
        at = np.searchsorted(self.images, images)
        distinct, subjects = (None if part is None else part[at] for part in (self.distinct, self.subjects))
        return Answers(images, self.labels[at], self.predicted[at], self.probabilities[at], distinct, subjects)


@dataclass(frozen=True)
class Scores:
    """What one trial's answers to n test images scored: summands, (n, m) float, as `fer_core.summaries` has them. The
    rest as `Answers` has it. answers, targets: (n, k) float; None where it is only known what they scored.
    """

    images: np.ndarray
    summands: np.ndarray
    distinct: np.ndarray | None = None
    subjects: np.ndarray | None = None
    answers: np.ndarray | None = None
    targets: np.ndarray | None = None

    @property
    def counts(self) -> np.ndarray:
        """What every image counts towards the mean, where that is all that is asked."""
        return self.summands[:, 0]

    def on(self, images: np.ndarray) -> "Scores":
        """Those of `images` alone, all of which it has, in order."""
        at = np.searchsorted(self.images, images)
        known = (self.distinct, self.subjects, self.answers, self.targets)
        return Scores(images, self.summands[at], *(None if part is None else part[at] for part in known))


def answers_by_trial(predictions: pa.Table) -> dict[str, Answers]:
    """The answers of every trial in the table of predictions."""
    if not predictions.num_rows:
        return {}
    images, labels, predicted = (predictions[name].to_numpy() for name in ("image", "label", "predicted"))
    probabilities = predictions["probabilities"].combine_chunks().flatten().to_numpy().reshape(len(labels), -1)
    known, shown = _distinct(predictions), _subjects(predictions)
    return {
        trial: Answers(
            images[rows],
            labels[rows].astype(int),
            predicted[rows].astype(int),
            probabilities[rows],
            None if known is None else known[rows],
            None if shown is None else shown[rows],
        )
        for trial, rows in _rows_by_trial(predictions).items()
    }


def scores_by_trial(table: pa.Table) -> dict[str, Scores]:
    """What every trial's answers scored."""
    if not table.num_rows:
        return {}
    answers, targets = (_numbers(table, name) for name in ("answers", "targets"))
    if not table["score"].null_count:
        each = summands(MEAN, table["score"].to_numpy(), np.empty(0))
    else:
        assert answers is not None
        assert targets is not None
        each = summands(CONCORDANCE, answers, targets)
    images, known = table["image"].to_numpy(), (_distinct(table), _subjects(table), answers, targets)
    return {
        trial: Scores(images[rows], each[rows], *(None if part is None else part[rows] for part in known))
        for trial, rows in _rows_by_trial(table).items()
    }


def _numbers(table: pa.Table, name: str) -> np.ndarray | None:
    """Lists of one length, (n, k), where all rows have one."""
    cells = table[name]
    return None if cells.null_count else pc.list_flatten(cells).to_numpy().reshape(table.num_rows, -1)


def _distinct(table: pa.Table) -> np.ndarray | None:
    """Whether every row's image has no twin in training, where that is known of all of them."""
    distinct = table["distinct"].combine_chunks()
    return None if distinct.null_count else distinct.to_numpy(zero_copy_only=False)


def _subjects(table: pa.Table) -> np.ndarray | None:
    """A number for whom every row's image shows, where all of them are known."""
    subject = table["subject"].combine_chunks()
    return None if subject.null_count else subject.dictionary_encode().indices.to_numpy()


def _rows_by_trial(table: pa.Table) -> dict[str, np.ndarray]:
    """Where the rows of every trial are, in the order of its images."""
    trials = table["trial"].combine_chunks().dictionary_encode()
    codes, images = trials.indices.to_numpy(), table["image"].to_numpy()
    order = np.lexsort((images, codes))
    bounds = np.searchsorted(codes[order], np.arange(len(trials.dictionary) + 1))
    every = enumerate(trials.dictionary.to_pylist())
    return {trial: order[bounds[position] : bounds[position + 1]] for position, trial in every}


@dataclass(frozen=True)
class Elsewhere:
    """Answers by trial to the images of other data, asked which of the classes that occur there: labels and
    predictions count these, probabilities are those given that it is one of these. classes: which of the classes
    that train they are.
    """

    classes: tuple[int, ...]
    answers: dict[str, Answers]


def answers_elsewhere(table: pa.Table) -> dict[str, Elsewhere]:
    """The answers in the table `elsewhere`, by name of the other data."""
    found = {}
    for name in pc.unique(table["data"]).to_pylist():
        answers = answers_by_trial(table.filter(pc.equal(table["data"], name)))
        among = np.unique(next(iter(answers.values())).labels)
        by_trial = {trial: _among(among, one) for trial, one in answers.items()}
        found[name] = Elsewhere(tuple(among.tolist()), by_trial)
    return found


def _among(among: np.ndarray, answers: Answers) -> Answers:
    shares = answers.probabilities[:, among]
    total = shares.sum(axis=1, keepdims=True)
    even = np.full_like(shares, 1 / len(among))
    return replace(
        answers,
        labels=np.searchsorted(among, answers.labels),
        predicted=np.searchsorted(among, answers.predicted),
        probabilities=np.divide(shares, total, out=even, where=total > 0),
    )


def joined(folds: list[Answers]) -> Answers:
    """Answers to other images each as answers to all of them."""

    def together(name: str) -> np.ndarray | None:
        parts = [getattr(one, name) for one in folds]
        return None if any(part is None for part in parts) else np.concatenate(parts)[order]

    order = np.argsort(np.concatenate([one.images for one in folds]))
    return Answers(**{field.name: together(field.name) for field in fields(Answers)})  # type: ignore[arg-type]


A = TypeVar("A", Answers, Scores)


def aligned(answers: list[A]) -> list[A]:
    """All of them on the images that every one of them answered."""
    if not answers:
        return []
    common = answers[0].images
    for one in answers[1:]:
        if not np.array_equal(common, one.images):
            common = np.intersect1d(common, one.images)
    return [one if len(one.images) == len(common) else one.on(common) for one in answers]
