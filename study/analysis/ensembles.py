"""What an arm's networks say together, by the mean of their probabilities: deep ensembles (Lakshminarayanan et al.
2017).

Several networks that differ in their seed alone are right more often than any of them. So a gain of one network is
held against what a second one without it would have brought, and it is asked what is left of the gain where several
answer together.

K confirmations make one ensemble of K. How far other seeds would move it, the jackknife says, which leaves out one
of them at a time (Efron and Tibshirani 1993, chapter 11): the values m + (K - 1) (mean of m_k - m_k), m being the
ensemble's measure and m_k that without network k, have the mean m, and vary over networks and images as what
`estimate` takes. On 1,500 simulated studies each with 3, 5 and 10 networks its intervals hold an ensemble's
accuracy in 95 to 97 % and the difference of two in as many, with 2 in 98 (tests/test_ensembles.py has them).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from study.analysis.answers import Answers
from study.analysis.arms import ArmFindings
from study.analysis.column import Column, column
from study.analysis.comparisons import Comparison
from study.analysis.estimate import Observed
from study.analysis.evidence import Evidence
from study.analysis.measures import Measure

ONE, TOGETHER = "one network, on the mean", "all confirmations together"


def find_ensembles(
    evidence: Evidence, arms: Sequence[ArmFindings], comparisons: Sequence[Comparison]
) -> list[Column]:
    """One network of every arm beside all of them together, by the study's measure; nothing unless all have answered
    with probabilities and an arm has two.
    """
    trials = [trial for arm in arms for trial in arm.confirmations["trial"]]
    answers = [evidence.answers[trial] for trial in trials if trial in evidence.answers]
    if not answers or len(answers) < len(trials) or all(arm.seeds < 2 for arm in arms):
        return []
    if not all(one.has_probabilities for one in answers):
        return []
    images = len(np.unique(np.concatenate([one.images for one in answers])))
    alone = {arm.arm: arm.estimates[evidence.measure] for arm in arms if arm.seeds}
    gaps = {(one.arm, one.baseline): one.difference for one in comparisons}
    measure = of_ensembles(evidence.judged_by)
    return [
        Column(ONE, images, alone, gaps),
        column(evidence, TOGETHER, images, measure, arms, comparisons),
    ]


def of_ensembles(measure: Measure) -> Measure:
    """The same of networks that answer together."""

    def observe(answers: Sequence[Answers]) -> Observed:
        if len(answers) < 2:
            return Observed(np.full(len(answers), np.nan))
        seen = measure.observe([together(answers), *without_each(answers)])
        table = None if seen.answers is None else _pseudo_values(np.asarray(seen.answers, float))
        return replace(seen, by_seed=_pseudo_values(seen.by_seed), answers=table)

    def observe_folds(table: Sequence[Sequence[Answers | None]]) -> Observed:
        """In every fold those that are there: its images, its search and its seeds vary from fold to fold."""
        of_fold = [[one for one in fold if one is not None] for fold in zip(*table, strict=True)]
        return measure.observe_folds([[together(fold) if fold else None for fold in of_fold]])

    return replace(measure, column=None, observe=observe, observe_folds=observe_folds)


def together(answers: Sequence[Answers]) -> Answers:
    """The answers of several networks to the same images as those of one, which says the mean of what they say."""
    return _with(answers[0], np.mean([one.probabilities for one in answers], axis=0, dtype=float))


def without_each(answers: Sequence[Answers]) -> list[Answers]:
    """The same of all networks but one, each left out in turn."""
    total = np.sum([one.probabilities for one in answers], axis=0, dtype=float)
    return [_with(one, (total - one.probabilities) / (len(answers) - 1)) for one in answers]


def _with(answers: Answers, probabilities: np.ndarray) -> Answers:
    return replace(answers, probabilities=probabilities, predicted=probabilities.argmax(axis=1))


def _pseudo_values(values: np.ndarray) -> np.ndarray:
    """(K + 1, ...), of the whole and without each of K, to (K, ...)."""
    whole, without = values[0], values[1:]
    return whole + (len(without) - 1) * (without.mean(axis=0) - without)
