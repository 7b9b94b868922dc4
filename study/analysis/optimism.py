"""How much of a test accuracy is owed to choosing on the test images, from the tables of a study.

In the protocol `paper` the tested images also choose the epoch and lower the rate; in `challenge` others do. Where
a study ran the same configuration with the same seeds in both, the two are compared on the images that both
tested, paired by seed and image.
"""

from dataclasses import dataclass

import pandas as pd

from search_spaces.score import SCORE
from study.analysis.arms import observe_all
from study.analysis.estimate import Estimate, estimate
from study.analysis.evidence import Evidence
from study.analysis.measures import MEASURES

PROTOCOL = "config.data.protocol"


@dataclass(frozen=True)
class Optimism:
    """One configuration in both protocols. Accuracies are fractions, means over the seeds that both have.

    arm: its arm in the protocol `paper`. accuracy: there, on all images it tested. chosen_on: the same trainings on
    the images that `challenge` tests, too. held_out: in `challenge`. owed: chosen_on less held_out.
    """

    arm: str
    accuracy: float
    chosen_on: float
    held_out: float
    owed: Estimate


def optimism(evidence: Evidence) -> list[Optimism]:
    """One entry a configuration that was confirmed in both protocols with a common seed, in order of the rows."""
    trials = evidence.trials
    if SCORE in evidence.record:  # the two are compared by accuracy
        return []
    confirmed = trials[(trials["phase"] == "confirm") & (trials["status"] == "completed")]
    if confirmed[PROTOCOL].nunique() < 2:
        return []
    same = [name for name in trials.columns if name.startswith("config.") and name != PROTOCOL]
    found = []
    for _, group in confirmed.groupby(same, dropna=False, sort=False):
        ours = {name: part.set_index(["study", "seed"]).sort_index() for name, part in group.groupby(PROTOCOL)}
        if {"paper", "challenge"} <= set(ours):
            common = ours["paper"].index.intersection(ours["challenge"].index)
            if len(common):
                found.append(_compare(evidence, ours["paper"].loc[common], ours["challenge"].loc[common]))
    return found


def _compare(evidence: Evidence, paper: pd.DataFrame, challenge: pd.DataFrame) -> Optimism:
    """Both frames have a row a seed, the same seeds in the same order."""
    chosen_on, held_out = observe_all(evidence, [paper, challenge], MEASURES["accuracy"])
    return Optimism(
        arm=str(paper["arm"].iloc[0]),
        accuracy=float(paper["test_accuracy"].mean()),
        chosen_on=float(chosen_on.by_seed.mean()),
        held_out=float(held_out.by_seed.mean()),
        owed=estimate(chosen_on.minus(held_out)),
    )
