"""A way to look at every arm and every pair of arms of a study: a column of a table whose lines are these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from study.analysis.arms import ArmFindings, observe
from study.analysis.comparisons import Comparison, difference, in_common
from study.analysis.estimate import Estimate, estimate
from study.analysis.evidence import Evidence
from study.analysis.measures import Measure


@dataclass(frozen=True)
class Column:
    """In words the `title`; every arm's value of a measure, and every pair's difference, uncorrected. images: how
    many test images were looked at.
    """

    title: str
    images: int
    arms: Mapping[str, Estimate]
    differences: Mapping[tuple[str, str], Estimate]

    @property
    def estimates(self) -> list[tuple[str, str | None, Estimate]]:
        """Every arm with its value, and no baseline; every arm and its baseline with their difference. In the same
        order in all columns of a study.
        """
        return [
            *((arm, None, one) for arm, one in self.arms.items()),
            *((*p, one) for p, one in self.differences.items()),
        ]


def column(
    evidence: Evidence,
    title: str,
    images: int,
    measure: Measure,
    arms: Sequence[ArmFindings],
    comparisons: Sequence[Comparison],
) -> Column:
    """By a measure of all confirmations."""
    by_name, pairs = {arm.arm: arm for arm in arms}, [(one.arm, one.baseline) for one in comparisons]
    return Column(
        title,
        images,
        {arm.arm: estimate(observe(evidence, arm.confirmations, measure)) for arm in arms if arm.seeds},
        {pair: difference(evidence, *in_common(*(by_name[name] for name in pair)), measure) for pair in pairs},
    )
