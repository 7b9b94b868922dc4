"""What a difference between two arms amounts to, by rules that stand here before any study is run.

Between two arms, and between two values of a factor on the mean over the others, by the study's measure:

better, worse                        p < 0.05 after Holm's correction over all pairs of the study, or all its effects
no difference larger than x          else, if the whole 95 % interval lies within the claimed gain of zero, or where
                                     nothing is claimed within the paper's, 1.03 points (of a score within what was
                                     said to count as none); x is the end of the interval that lies farther from it
undecided: about n more seeds ...    else; n is how many would bring one of the two if the estimate stayed as it is;
                                     searches, where every arm was searched more than once; where all images were
                                     tested, in folds, about n times the data; nothing where the networks of folds
                                     were tested on other data, as there are no further folds

Of a claim that was there before the study, such as the paper's of +1.03 points for one SE block per block (Table 1),
by the 95 % interval alone, uncorrected:

contradicted                         the whole interval lies below the claimed gain
exceeded                             it lies above the claimed gain
replicated                           it lies above zero and holds the claimed gain
undecided                            else, and where one of the two arms answers every image with one class

Where a study has been looked at before, p and intervals are stricter than that; what would decide is told for the
next look (`study/analysis/estimate.py`).
"""

import math

from fer_core import paper
from study.analysis.estimate import CONFIDENCE, Estimate
from study.scale import SHARES, Scale

UNDECIDED = "undecided"
MOST_DATA = 100  # times what there is: beyond this no number is worth naming
MARGIN = paper.REPORTED_GAIN


def verdict(
    difference: Estimate,
    p_corrected: float,
    comparisons: int,
    margin: float = MARGIN,
    higher_is_better: bool = True,
    scale: Scale = SHARES,
) -> str:
    """The verdict on an arm whose `difference` to its baseline is one of `comparisons` in the study.

    margin: what counts as no difference, a fraction, or so much of a score; 0 where nothing does.
    """
    if p_corrected < 1 - CONFIDENCE:
        return "better" if (difference.value > 0) == higher_is_better else "worse"
    bound = max(abs(difference.low), abs(difference.high))
    if bound <= margin:
        return f"no difference larger than {scale.bound(bound)}"
    return f"{UNDECIDED}: {_what_would_decide(difference, comparisons, margin)}"


def is_decided(text: str) -> bool:
    return not text.startswith(UNDECIDED)


def claim_verdict(gain: Estimate, claimed: float = paper.REPORTED_GAIN) -> str:
    """What the gain of one arm over another says of the claim that it is `claimed`, a fraction or so much of a score,
    above zero. Where less is better, a gain is less.
    """
    if gain.high < claimed:
        return "contradicted"
    if gain.low > claimed:
        return "exceeded"
    return "replicated" if gain.low > 0 else UNDECIDED


def _what_would_decide(difference: Estimate, comparisons: int, margin: float) -> str:
    if difference.without_spread:
        return f"all {plural(difference.unit)} say the same, which shows no spread"
    if difference.repeats < 2:
        return f"{counted(2 - difference.repeats, difference.unit, ' more')} at least would show any spread"
    size = abs(difference.value)
    if difference.folds is not None:
        times = min(difference.data_until(size, comparisons), difference.data_until(margin - size))
        if times > MOST_DATA:
            return f"more than {MOST_DATA} times the data would be needed"
        return f"about {_rounded_up(math.ceil(10 * times)) / 10:g} times the data would decide"
    if difference.in_folds:
        return "there are no further folds"
    enough = [difference.repeats_until(size, comparisons), difference.repeats_until(margin - size)]
    found = min((n for n in enough if n is not None), default=None)
    if found is None:
        return f"no number of {plural(difference.unit)} would decide on this test set"
    return f"about {counted(_rounded_up(found - difference.repeats), difference.unit, ' more')} would decide"


def counted(number: int, unit: str, more: str = "") -> str:
    """So many seeds, or searches."""
    return f"{number}{more} {unit if number == 1 else plural(unit)}"


def plural(unit: str) -> str:
    return {"seed": "seeds", "search": "searches", "fold": "folds"}[unit]


def _rounded_up(count: int) -> int:
    """To two digits: it is an estimate."""
    unit = 10 ** max(0, len(str(count)) - 2)
    return math.ceil(count / unit) * unit
