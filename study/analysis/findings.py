"""All that a study says, from its tables alone: arms, comparisons, and the answer to its question in words."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from study.analysis.arms import ArmFindings, arm_findings
from study.analysis.by_target import by_target
from study.analysis.column import Column
from study.analysis.comparisons import Comparison, compare_arms
from study.analysis.effects import Effect, find_effects
from study.analysis.elsewhere import elsewhere
from study.analysis.ensembles import find_ensembles
from study.analysis.estimate import Estimate
from study.analysis.evidence import Evidence
from study.analysis.measures import Measure
from study.analysis.optimism import Optimism, optimism
from study.analysis.reading import read_evidence
from study.analysis.seen import by_what_was_seen
from study.analysis.verdicts import UNDECIDED, claim_verdict, counted, is_decided
from study.scale import Scale

J = TypeVar("J", Comparison, Effect)


@dataclass(frozen=True)
class Luck:
    """How far a difference between two arms is moved by other seeds of the same winners, by other searches, and from
    fold to fold: root mean squares of the standard deviations over all pairs, NaN where they cannot be told.
    """

    seed: float
    search: float
    fold: float


@dataclass(frozen=True)
class Findings:
    """claim: the verdict on what is claimed, such as the paper's gain, None where the study does not test it.
    elsewhere: what the same trainings say of other data that was tested, too, by its name. seen: accuracy by what was
    there to learn from; empty where that is not known. ensembles: one network of every arm, and all together.
    targets: each of the numbers that were learned by itself, by its name and that of a measure.
    """

    evidence: Evidence
    arms: Sequence[ArmFindings]
    comparisons: Sequence[Comparison]
    effects: Sequence[Effect]
    optimism: Sequence[Optimism]
    claim: str | None
    elsewhere: Mapping[str, "Findings"]
    seen: Sequence[Column] = ()
    ensembles: Sequence[Column] = ()
    targets: Mapping[str, Mapping[str, Column]] = field(default_factory=dict)

    @property
    def answer(self) -> str:
        """The answer to the study's question, as far as it goes, in one or two sentences."""
        so_far = "So far: " if self.comparisons and self.evidence.unfinished else ""
        return so_far + _answer(self)

    @property
    def measures(self) -> Mapping[str, Measure]:
        """All that is measured; of trainings that ran elsewhere what could be told of any."""
        every = self.evidence.measures
        if not self.evidence.only_judged:
            return every
        return {name: how for name, how in every.items() if any(arm.estimates[name].seeds for arm in self.arms)}

    @property
    def left_out(self) -> list[str]:
        """The confirmations that are in no mean, in words: an arm that often diverges may look good without them."""
        return [
            f"{arm.arm}: {failed} of {failed + len(arm.confirmations)} confirmations failed or diverged; they are in "
            "no mean, nor their seeds in a difference."
            for arm in self.arms
            if (failed := arm.failed_confirmations)
        ]

    @property
    def luck(self) -> Luck:
        gaps = [one.difference for one in self.comparisons]
        between = [float(np.std(g.by_repeat, ddof=1)) for g in gaps if g.folds is not None and g.folds > 1]
        return Luck(
            _root_mean_square([g.seed_sd for g in gaps]),
            _root_mean_square([g.search_sd for g in gaps]),
            _root_mean_square(between),
        )


def _root_mean_square(values: Sequence[float]) -> float:
    """Of those that are known."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.sqrt(np.mean(np.square(known)))) if known else np.nan


def find(folders: Sequence[Path]) -> list[Findings]:
    """What the studies in `folders` say, pooled where they answer the same question. Raises InputError."""
    return [findings(evidence) for evidence in read_evidence(folders)]


def findings(evidence: Evidence) -> Findings:
    arms = [arm_findings(evidence, arm) for arm in evidence.arms]
    comparisons, effects = compare_arms(evidence, arms), find_effects(evidence, arms)
    owed = optimism(evidence) if evidence.tested_on is None else []
    others = {name: findings(elsewhere(evidence, name)) for name in evidence.elsewhere}
    seen = by_what_was_seen(evidence, arms, comparisons)
    claim = _claim(evidence, arms, comparisons)
    ensembles, targets = find_ensembles(evidence, arms, comparisons), by_target(evidence, arms, comparisons)
    return Findings(evidence, arms, comparisons, effects, owed, claim, others, seen, ensembles, targets)


def with_likeness(found: Findings, likeness: pd.DataFrame) -> Findings:
    """The same with what follows from it: the table of `study/analysis/likeness.py`."""
    evidence = replace(found.evidence, likeness=likeness)
    return replace(found, evidence=evidence, seen=by_what_was_seen(evidence, found.arms, found.comparisons))


def _claim(evidence: Evidence, arms: Sequence[ArmFindings], comparisons: Sequence[Comparison]) -> str | None:
    """Drawn faces say nothing of it; else by the difference of its pair of arms, if both have learned something."""
    pair = _claimed(evidence, comparisons)
    if evidence.claim is None or pair is None or evidence.synthetic:
        return None
    if any(not arm.learned for arm in arms if arm.arm in evidence.claim.pair):
        return UNDECIDED
    return claim_verdict(_gain(evidence, pair, evidence.claim.measure), evidence.claim.gain)


def _gain(evidence: Evidence, pair: Comparison, measure: str) -> Estimate:
    """By how much the arm of the pair is better."""
    difference = pair.differences[measure]
    return difference if evidence.measures[measure].higher_is_better else -difference


def _claimed(evidence: Evidence, comparisons: Sequence[Comparison]) -> Comparison | None:
    """The pair of arms of which something is claimed."""
    pair = None if evidence.claim is None else evidence.claim.pair
    return next((one for one in comparisons if (one.baseline, one.arm) == pair), None)


def _answer(found: Findings) -> str:
    evidence = found.evidence
    if not found.comparisons:
        if len(evidence.arms) == 1:
            return _alone(found.arms[0], evidence)
        return "No two arms have been tested with a common seed yet, so there is no answer."
    text = _of_effects(found) if found.effects else _of_pairs(found)
    if constant := [arm.arm for arm in found.arms if not arm.learned]:
        text += f". {', '.join(constant)}: every test image gets the same class, nothing was learned"
    if evidence.synthetic:
        return text + ". These are drawn faces: they say nothing of FER2013."
    if found.claim is not None and evidence.claim is not None:
        text += f". {evidence.claim.text}: {found.claim}{_alone_decided(found)}"
        limits = ["at this reduced scale"] if evidence.reduced else []
        limits += ["on other classes than FER2013's"] if evidence.other_classes and evidence.claims_paper else []
        text += f" ({', '.join(limits)})" if limits else ""
    return text + "."


def _of_pairs(found: Findings) -> str:
    """How the arms of every group do beside its first."""
    against: list[Comparison] = []
    for group in found.evidence.comparable:
        against += _beside(group[0], [one for one in found.comparisons if {one.arm, one.baseline} <= set(group)])
    if not any(is_decided(one.verdict) for one in against):
        baselines = dict.fromkeys(found.evidence.in_words(one.baseline) for one in against)
        return f"No arm can be told from {' or '.join(baselines)} with {_seeds(against)}"
    return f"With {_seeds(against)}, " + "; ".join(
        _in_words(found.evidence.in_words(one.arm), one, found.evidence.judged_by.scale) for one in against
    )


def _of_effects(found: Findings) -> str:
    """How the values of every factor do beside its first, on the mean over the other factors."""
    against: list[Effect] = []
    for factor, values in found.evidence.factors.items():
        against += _beside(next(iter(values)), [one for one in found.effects if one.factor == factor])
    mean = f"with {_seeds(against)}, on the mean over what else is compared"
    if not any(is_decided(one.verdict) for one in against):
        baselines = " or ".join(dict.fromkeys(f"{one.factor} {one.baseline}" for one in against))
        return f"Nothing can be told from {baselines} {mean}"
    scale, decided = found.evidence.judged_by.scale, [one for one in against if is_decided(one.verdict)]
    words = [_in_words(f"{one.factor} {one.value}", one, scale) for one in decided]
    undecided: dict[tuple[str, str], list[str]] = {}
    for one in against:
        if not is_decided(one.verdict):
            undecided.setdefault((one.factor, one.baseline), []).append(one.value)
    for (factor, baseline), others in undecided.items():
        words.append(f"{factor} {', '.join(others)} cannot be told from {baseline}")
    return f"{mean.capitalize()}: " + "; ".join(words)


def _beside(first: str, found: list[J]) -> list[J]:
    """Those of which `first` is the baseline; all of them where it was not tested."""
    return [one for one in found if one.baseline == first] or found


def _seeds(against: Sequence[Comparison | Effect]) -> str:
    return repeats_text([one.difference for one in against])


def repeats_text(found: Sequence[Estimate]) -> str:
    """Over how many seeds the estimates are, or over how many searches or folds of how many seeds."""
    repeats = _range({one.repeats for one in found}, found[0].unit)
    if found[0].folds is not None:
        return f"{repeats} of {_range({one.seeds for one in found}, 'seed')} each"
    if found[0].searches is None:
        return repeats
    each = {one.seeds / one.searches for one in found if one.searches}
    return f"{repeats} of {_range(each, 'seed')} each" if all(n == int(n) for n in each) else repeats


def _range(counts: Collection[float], unit: str) -> str:
    low, high = int(min(counts)), int(max(counts))
    return counted(low, unit) if low == high else f"{low} to {counted(high, unit)}"


def _alone_decided(found: Findings) -> str:
    """How the claim can be replicated where the correction leaves its pair undecided."""
    claim, pair = found.evidence.claim, _claimed(found.evidence, found.comparisons)
    if claim is None or pair is None or found.claim != "replicated" or is_decided(pair.verdict):
        return ""
    if found.evidence.measure != claim.measure:  # whose p this is
        return ""
    gain, scale = _gain(found.evidence, pair, claim.measure), found.evidence.judged_by.scale
    return (
        f" by this one pair's interval, {scale.gap(gain.low)} to {scale.gap(gain.high)} "
        f"(p = {pair.p_corrected:.3f} once corrected for all pairs)"
    )


def _alone(arm: ArmFindings, evidence: Evidence) -> str:
    tested, measure = arm.estimates[evidence.measure], evidence.judged_by
    if not tested.seeds:
        return "Its only arm has not been tested yet."
    value, repeats = measure.scale.value(tested.value), repeats_text([tested])
    return f"One arm, nothing to compare: test {measure.title} {value}, mean of {repeats}."


def _in_words(name: str, one: Comparison | Effect, scale: Scale) -> str:
    """What is said of the arm or the value `name`."""
    if not is_decided(one.verdict):
        return f"{name} cannot be told from {one.baseline}"
    if one.verdict in ("better", "worse"):
        return f"{name} is {one.verdict} than {one.baseline} ({scale.in_unit(scale.gap(one.difference.value))})"
    return f"{name} is shown to have {one.verdict} to {one.baseline}"
