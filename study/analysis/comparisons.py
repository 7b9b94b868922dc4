"""The difference of every pair of arms that can be compared, paired by seed and test image, with its verdict."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np
import pandas as pd
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from study.analysis.answers import aligned
from study.analysis.arms import ArmFindings, observe_all
from study.analysis.estimate import CONFIDENCE, Estimate, estimate
from study.analysis.evidence import Evidence
from study.analysis.measures import MEASURES, Measure
from study.analysis.verdicts import MARGIN, verdict


@dataclass(frozen=True)
class Comparison:
    """How `arm` differs from `baseline` over the seeds that both have; above 0 where `arm` has more.

    differences: by measure. p_corrected: Holm's, by the study's measure, over the `family` pairs of the study.
    mcnemar: by seed, the exact p of the two networks' answers (McNemar 1947), of that pair of trainings alone; none
    where images show the same subjects, as it takes each for evidence of its own, or were tested in folds.
    verdict: in words.
    """

    arm: str
    baseline: str
    measure: str
    differences: Mapping[str, Estimate]
    mcnemar: Mapping[tuple[int, int], float]
    p_corrected: float = 1.0
    family: int = 1
    verdict: str = ""

    @property
    def difference(self) -> Estimate:
        return self.differences[self.measure]


def compare_arms(evidence: Evidence, arms: Sequence[ArmFindings]) -> list[Comparison]:
    """Every pair of arms in a comparable group with a common seed, the earlier one the baseline."""
    by_name = {findings.arm: findings for findings in arms}
    pairs = [pair for group in evidence.comparable for pair in itertools.combinations(group, 2)]
    found = [_compare(evidence, by_name[baseline], by_name[arm]) for baseline, arm in pairs]
    return judged([one for one in found if one is not None], evidence.margin, evidence.judged_by)


def in_common(arm: ArmFindings, baseline: ArmFindings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The confirmations of both with the seeds that both have, in the same order."""
    common = arm.confirmations.index.intersection(baseline.confirmations.index)
    return arm.confirmations.loc[common], baseline.confirmations.loc[common]


def difference(evidence: Evidence, ours: pd.DataFrame, theirs: pd.DataFrame, measure: Measure) -> Estimate:
    """By how much the measure is higher in ours, paired: as `in_common` gives them."""
    first, second = observe_all(evidence, [ours, theirs], measure)
    return estimate(first.minus(second), evidence.looks)


def _compare(evidence: Evidence, baseline: ArmFindings, arm: ArmFindings) -> Comparison | None:
    ours, theirs = in_common(arm, baseline)
    if ours.empty:
        return None
    differences = {name: difference(evidence, ours, theirs, measure) for name, measure in evidence.measures.items()}
    if not differences[evidence.measure].seeds:
        return None
    return Comparison(arm.arm, baseline.arm, evidence.measure, differences, _by_seed(evidence, ours, theirs))


def _by_seed(evidence: Evidence, ours: pd.DataFrame, theirs: pd.DataFrame) -> dict[tuple[int, int], float]:
    found = {}
    for key in ours.index if evidence.folds is None else []:
        pair = [evidence.answers.get(rows.at[key, "trial"]) for rows in (ours, theirs)]
        if any(one is None or one.subjects is not None for one in pair):
            continue
        first, second = (one.correct for one in aligned([one for one in pair if one is not None]))
        counts = [
            [np.sum(first & second), np.sum(first & ~second)],
            [np.sum(~first & second), np.sum(~first & ~second)],
        ]
        found[key] = float(mcnemar(counts, exact=True).pvalue)
    return found


class Judgeable(Protocol):
    """A dataclass with these, `p_corrected` and `family`."""

    @property
    def difference(self) -> Estimate: ...

    @property
    def verdict(self) -> str: ...


J = TypeVar("J", bound=Judgeable)


def judged(found: list[J], margin: float = MARGIN, measure: Measure = MEASURES["accuracy"]) -> list[J]:
    """With Holm's (1979) correction over all of them and the verdicts that follow. margin: what `verdict` takes.
    measure: what they are differences of.
    """
    if not found:
        return []
    p_values = [one.difference.p_value for one in found]
    corrected = multipletests(p_values, alpha=1 - CONFIDENCE, method="holm")[1]
    family = len(found)
    way = measure.higher_is_better, measure.scale
    verdicts = [
        verdict(one.difference, float(p), family, margin, *way) for one, p in zip(found, corrected, strict=True)
    ]
    return [
        replace(one, p_corrected=float(p), family=family, verdict=text)  # type: ignore[type-var]
        for one, p, text in zip(found, corrected, verdicts, strict=True)
    ]
