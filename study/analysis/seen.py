"""How much of a test accuracy is owed to photographs that were there to learn from.

A test image may be in training, too, pixel for pixel (`without twins` leaves these out), or show a photograph that
is there in another crop, size or brightness (`fer_core/data/likeness.py`). Who learned it by heart knows it again;
what is known of new photographs, the others say.
"""

from collections.abc import Sequence

import numpy as np

from fer_core.data.likeness import SAME_PHOTOGRAPH
from study.analysis.answers import Answers
from study.analysis.arms import ArmFindings
from study.analysis.column import Column, column
from study.analysis.comparisons import Comparison
from study.analysis.evidence import Evidence
from study.analysis.measures import accuracy_on


def by_what_was_seen(
    evidence: Evidence, arms: Sequence[ArmFindings], comparisons: Sequence[Comparison]
) -> list[Column]:
    """The parts that have images; none unless both likeness and twins of the test images are known."""
    answers = [one for arm in arms for trial in arm.confirmations["trial"] if (one := evidence.answers.get(trial))]
    if evidence.likeness is None or not answers or any(one.distinct is None for one in answers):
        return []
    tested, distinct = _tested(answers)
    alike = evidence.likeness["likeness"].reindex(tested).to_numpy()
    parts = {
        "the same image": ~distinct,
        "the same photograph": distinct & (alike >= SAME_PHOTOGRAPH),
        "neither": distinct & (alike < SAME_PHOTOGRAPH),
    }
    return [
        column(evidence, title, int(of.sum()), accuracy_on(tested[of]), arms, comparisons)
        for title, of in parts.items()
        if of.any()
    ]


def _tested(answers: Sequence[Answers]) -> tuple[np.ndarray, np.ndarray]:
    """All images that were answered, rising, and which of them have no twin in training."""
    distinct = [one.distinct for one in answers if one.distinct is not None]
    images, first = np.unique(np.concatenate([one.images for one in answers]), return_index=True)
    return images, np.concatenate(distinct)[first]
