"""How what every example has makes one result, where a score judges: of n examples all that counts are the means of a
few numbers each, their summands, so that what several examples, folds or people have can be put together.

mean         of what each scored.
root         of the mean of what each scored: of squared errors the root mean square error.
concordance  of answers with what is true, on the mean over the targets: 2 cov / (var + var' + (mean - mean')^2) (Lin
             1989), 1 where both are the same, 0 where they have nothing to do with each other.
"""

from collections.abc import Callable

import numpy as np

MEAN, ROOT, CONCORDANCE = "mean", "root", "concordance"


def summands(over: str, found: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(n, m) float: what each of n examples counts. found: what they scored, (n,), or of CONCORDANCE the answers to
    them, (n, k), as are the targets.
    """
    if over != CONCORDANCE:
        return found.astype(float)[:, None]
    x, y = found.astype(float), targets.astype(float)
    return np.stack([x, y, x * x, y * y, x * y], axis=2).reshape(len(x), -1)


def value(over: str, means: np.ndarray) -> np.ndarray:
    """The result (...) of the means (..., m) of summands."""
    return _VALUES[over](means)


def result(over: str, found: np.ndarray, targets: np.ndarray) -> float:
    """That of n examples: arguments as of `summands`."""
    return float(value(over, summands(over, found, targets).mean(axis=0)))


def _concordance(means: np.ndarray) -> np.ndarray:
    x, y, xx, yy, xy = np.moveaxis(means.reshape(*means.shape[:-1], -1, 5), -1, 0)
    apart = (xx - x * x) + (yy - y * y) + (x - y) ** 2
    found = np.divide(2 * (xy - x * y), apart, out=np.zeros_like(apart), where=apart != 0)
    return found.mean(axis=-1)


_VALUES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    MEAN: lambda means: means[..., 0],
    ROOT: lambda means: np.sqrt(np.maximum(means[..., 0], 0)),
    CONCORDANCE: _concordance,
}
SUMMARIES = tuple(_VALUES)
