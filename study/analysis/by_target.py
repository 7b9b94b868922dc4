"""What each of the numbers that are learned has by itself, where a score judges all of them together.

Concordance (Lin 1989) falls where answers lie off, or spread less than what is true; the correlation (Pearson's) does
not, so that the two together say which of it is wrong. Both, and the root mean square error, follow from sums over
images.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from fer_core.summaries import CONCORDANCE, summands, value
from study.analysis.answers import Scores
from study.analysis.arms import ArmFindings
from study.analysis.column import Column, column
from study.analysis.comparisons import Comparison
from study.analysis.evidence import Evidence
from study.analysis.measures import Measure, of_counts, ratio
from study.scale import WITHOUT_UNIT


def by_target(
    evidence: Evidence, arms: Sequence[ArmFindings], comparisons: Sequence[Comparison]
) -> Mapping[str, Mapping[str, Column]]:
    """By target, and by name of a measure; nothing unless it is known of all confirmations what was answered."""
    trials = [trial for arm in arms for trial in arm.confirmations["trial"]]
    scores = [evidence.scores[trial] for trial in trials if trial in evidence.scores]
    if not scores or len(scores) < len(trials) or any(one.answers is None for one in scores):
        return {}
    images = len(np.unique(np.concatenate([one.images for one in scores])))
    return {
        target: {
            measure.title: column(evidence, f"{measure.title} of {target}", images, measure, arms, comparisons)
            for measure in measures_of_target(position)
        }
        for position, target in enumerate(evidence.record["targets"])
    }


def measures_of_target(position: int) -> list[Measure]:
    """Those of the target at this position."""
    count = partial(_sums, position)
    found = [of_counts(title, None, count, of_sums) for title, of_sums in _MEASURES.items()]
    return [replace(one, of_scores=True, higher_is_better=one.title != ERROR, scale=WITHOUT_UNIT) for one in found]


def _sums(position: int, scores: Scores, group: np.ndarray) -> np.ndarray:
    """(groups, 6): how many images there are, and the sums of answers, targets, their squares and products."""
    assert scores.answers is not None
    assert scores.targets is not None
    at = slice(position, position + 1)
    columns = summands(CONCORDANCE, scores.answers[:, at], scores.targets[:, at]).T
    return np.stack([np.bincount(group, weights, minlength=1) for weights in [None, *columns]], axis=-1).astype(float)


def _means(sums: np.ndarray) -> np.ndarray:
    return ratio(sums[..., 1:], np.broadcast_to(sums[..., :1], sums[..., 1:].shape))


def _concordance(sums: np.ndarray) -> np.ndarray:
    return value(CONCORDANCE, _means(sums))


def _correlation(sums: np.ndarray) -> np.ndarray:
    x, y, xx, yy, xy = np.moveaxis(_means(sums), -1, 0)
    spread = np.sqrt(np.maximum(xx - x * x, 0) * np.maximum(yy - y * y, 0))
    return ratio(xy - x * y, spread)


def _error(sums: np.ndarray) -> np.ndarray:
    _, _, xx, yy, xy = np.moveaxis(_means(sums), -1, 0)
    return np.sqrt(np.maximum(xx + yy - 2 * xy, 0))


ERROR = "root mean square error"
_MEASURES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "concordance": _concordance,
    "correlation": _correlation,
    ERROR: _error,
}
