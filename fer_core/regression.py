"""What a network lowers while it learns numbers: of targets and answers (batch, k) a loss each, or one of the batch.

They are held against each other in units of the targets' spread in training, so that every target counts alike,
none more for being in years.
"""

from collections.abc import Callable
from typing import Any

from keras import ops

from fer_core.ends import Numbers

EPSILON = 1e-8  # of a variance; keeps the concordance of a batch of equal numbers from being 0 / 0


def loss_of(kind: str, numbers: Numbers) -> Callable[[Any, Any], Any]:
    """That of this kind (`train.regression_loss`), as Keras takes it, for such targets."""

    def loss(targets: Any, answers: Any) -> Any:
        spreads = ops.convert_to_tensor(numbers.spreads, "float32")
        return _LOSSES[kind](targets / spreads, answers / spreads)

    return loss


def _discordance(targets: Any, answers: Any) -> Any:
    """1 less the concordance of the batch (Lin 1989), on the mean over the targets."""
    x, y = (part - ops.mean(part, axis=0) for part in (targets, answers))
    apart = ops.mean(x**2, axis=0) + ops.mean(y**2, axis=0) + ops.mean(targets - answers, axis=0) ** 2
    return ops.mean(1 - 2 * ops.mean(x * y, axis=0) / (apart + EPSILON))


_LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "squared": lambda targets, answers: ops.mean(ops.square(answers - targets), axis=-1),
    "absolute": lambda targets, answers: ops.mean(ops.abs(answers - targets), axis=-1),
    "concordance": _discordance,
}
