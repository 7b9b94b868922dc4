"""How much of a test accuracy is owed to choosing on the test images, from the tables of a study.

In the protocol `paper` the tested images also choose the epoch and lower the rate; in `challenge` others do. Where
a study ran the same configuration with the same seeds in both, the two are compared on the images that both
tested, paired by seed.
"""

from dataclasses import dataclass

import pandas as pd

from study.statistics import Difference, difference

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
    owed: Difference


def optimism(trials: pd.DataFrame, predictions: pd.DataFrame) -> list[Optimism]:
    """One entry a configuration that was confirmed in both protocols with a common seed, in order of the rows."""
    confirmed = trials[(trials["phase"] == "confirm") & (trials["status"] == "completed")]
    same = [name for name in trials.columns if name.startswith("config.") and name != PROTOCOL]
    found = []
    for _, group in confirmed.groupby(same, dropna=False, sort=False):
        ours = {name: part.set_index("seed") for name, part in group.groupby(PROTOCOL)}
        if {"paper", "challenge"} <= set(ours):
            paper, challenge = ours["paper"], ours["challenge"].reindex(ours["paper"].index).dropna(subset="trial")
            paper = paper.loc[challenge.index]
            if len(paper):
                found.append(_compare(paper, challenge, predictions))
    return found


def _compare(paper: pd.DataFrame, challenge: pd.DataFrame, predictions: pd.DataFrame) -> Optimism:
    """Both frames have a row a seed, the same seeds in the same order."""
    chosen_on = pd.Series(
        {
            seed: _accuracy_on(predictions, paper.at[seed, "trial"], challenge.at[seed, "trial"])
            for seed in paper.index
        }
    )
    held_out = challenge["test_accuracy"]
    return Optimism(
        arm=str(paper["arm"].iloc[0]),
        accuracy=float(paper["test_accuracy"].mean()),
        chosen_on=float(chosen_on.mean()),
        held_out=float(held_out.mean()),
        owed=difference("chosen on the test images", "held out", chosen_on, held_out),
    )


def _accuracy_on(predictions: pd.DataFrame, trial: str, other: str) -> float:
    """The accuracy of `trial` on the images that `other` tested."""
    images = predictions.loc[predictions["trial"] == other, "image"]
    rows = predictions[(predictions["trial"] == trial) & predictions["image"].isin(images)]
    return float((rows["label"] == rows["predicted"]).mean())
