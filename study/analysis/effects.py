"""What a scientific factor does on the mean over the others: main effects, where a space crosses several.

A pair of arms says what one value of a factor does beside one value of the others. Here all pairs that differ in the
same two values are averaged, seed by seed and image by image (Montgomery 2017, "Design and analysis of experiments",
section 5.2), which tells much more with as many trainings. An effect holds for the other factors' values on the mean,
and need not for each of them.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import pandas as pd

from study.analysis.arms import ArmFindings, observe_all
from study.analysis.comparisons import judged
from study.analysis.estimate import Estimate, Observed, estimate
from study.analysis.evidence import Evidence


@dataclass(frozen=True)
class Effect:
    """How `value` of a factor differs from `baseline`, another one, by the study's measure, over `pairs` of arms.

    p_corrected: Holm's, over the `family` effects of the study. verdict: in words, as of a pair of arms.
    """

    factor: str
    value: str
    baseline: str
    pairs: int
    difference: Estimate
    p_corrected: float = 1.0
    family: int = 1
    verdict: str = ""


def find_effects(evidence: Evidence, arms: Sequence[ArmFindings]) -> list[Effect]:
    """The effects of every factor, the value that is declared earlier the baseline."""
    by_name = {findings.arm: findings for findings in arms}
    found = []
    for factor, values in evidence.factors.items():
        for baseline, value in itertools.combinations(values, 2):
            rows = _in_common(by_name, values, (baseline, value))
            if not rows[baseline]:
                continue
            means = _means(evidence, rows)
            difference = estimate(means[value].minus(means[baseline]), evidence.looks)
            if difference.seeds:
                found.append(Effect(factor, value, baseline, len(rows[value]), difference))
    return judged(found, evidence.margin, evidence.judged_by)


def level_means(evidence: Evidence, arms: Sequence[ArmFindings], factor: str) -> dict[str, Estimate]:
    """The study's measure at every value of `factor`, over the others' values; none that has not been tested."""
    by_name = {findings.arm: findings for findings in arms}
    values = evidence.factors[factor]
    rows = _in_common(by_name, values, tuple(values))
    return {value: estimate(mean) for value, mean in _means(evidence, rows).items()} if any(rows.values()) else {}


def _in_common(
    by_name: Mapping[str, ArmFindings], values: Mapping[str, Sequence[str]], wanted: Sequence[str]
) -> dict[str, list[pd.DataFrame]]:
    """For each of the `wanted` values the confirmations of its arms, by the seeds that all of them have.

    The n-th arms of all values agree in everything else. Those of which one was not confirmed are left out.
    """
    groups = zip(*(values[value] for value in wanted), strict=True)
    confirmed = [group for group in groups if all(by_name[arm].seeds for arm in group)]
    every = [by_name[arm].confirmations for group in confirmed for arm in group]
    seeds = reduce(pd.Index.intersection, (rows.index for rows in every)) if every else pd.Index([])
    return {
        value: [by_name[group[place]].confirmations.loc[seeds] for group in confirmed if len(seeds)]
        for place, value in enumerate(wanted)
    }


def _means(evidence: Evidence, rows: Mapping[str, list[pd.DataFrame]]) -> dict[str, Observed]:
    """The measure at every value, the mean of its arms."""
    arms, measure = [one for of_value in rows.values() for one in of_value], evidence.judged_by
    observed = iter(observe_all(evidence, arms, measure))
    return {value: _mean([next(observed) for _ in of_value]) for value, of_value in rows.items()}


def _mean(every: Sequence[Observed]) -> Observed:
    answers = [one.answers for one in every if one.answers is not None]
    return replace(
        every[0],
        by_seed=np.mean([one.by_seed for one in every], axis=0),
        answers=np.mean(answers, axis=0) if len(answers) == len(every) else None,
    )
