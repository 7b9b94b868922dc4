"""How much of a test accuracy is owed to photographs that were there to learn from.

A test image may be in training, too, pixel for pixel (`without twins` leaves these out), or show a photograph that
is there in another crop, size or brightness (`fer_core/data/likeness.py`). Who learned it by heart knows it again;
what is known of new photographs, the others say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fer_core.data.likeness import SAME_PHOTOGRAPH
from study.analysis.answers import Answers
from study.analysis.arms import ArmFindings, observe
from study.analysis.comparisons import Comparison, difference, in_common
from study.analysis.estimate import Estimate, estimate
from study.analysis.evidence import Evidence
from study.analysis.measures import accuracy_on


@dataclass(frozen=True)
class Part:
    """Test images of which as much was there to learn from, in words the `title`: how many, every arm's accuracy on
    them, and every pair's difference.
    """

    title: str
    images: int
    arms: Mapping[str, Estimate]
    differences: Mapping[tuple[str, str], Estimate]

    @property
    def estimates(self) -> list[tuple[str, str | None, Estimate]]:
        """Every arm with its accuracy, and no baseline; every arm and its baseline with their difference. In the same
        order in all parts of a study.
        """
        return [
            *((arm, None, one) for arm, one in self.arms.items()),
            *((*p, one) for p, one in self.differences.items()),
        ]


def by_what_was_seen(
    evidence: Evidence, arms: Sequence[ArmFindings], comparisons: Sequence[Comparison]
) -> list[Part]:
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
    return [_part(evidence, title, tested[of], arms, comparisons) for title, of in parts.items() if of.any()]


def _tested(answers: Sequence[Answers]) -> tuple[np.ndarray, np.ndarray]:
    """All images that were answered, rising, and which of them have no twin in training."""
    distinct = [one.distinct for one in answers if one.distinct is not None]
    images, first = np.unique(np.concatenate([one.images for one in answers]), return_index=True)
    return images, np.concatenate(distinct)[first]


def _part(
    evidence: Evidence,
    title: str,
    images: np.ndarray,
    arms: Sequence[ArmFindings],
    comparisons: Sequence[Comparison],
) -> Part:
    measure, by_name = accuracy_on(images), {arm.arm: arm for arm in arms}
    pairs = [(one.arm, one.baseline) for one in comparisons]
    return Part(
        title,
        len(images),
        {arm.arm: estimate(observe(evidence, arm.confirmations, measure)) for arm in arms if arm.seeds},
        {pair: difference(evidence, *in_common(*(by_name[name] for name in pair)), measure) for pair in pairs},
    )
