"""The same trainings, judged by other data that they were tested on, too (cross-dataset tests)."""

from dataclasses import replace

import numpy as np

from study.analysis.answers import Answers
from study.analysis.evidence import Evidence
from study.analysis.measures import MEASURES, Measure


def elsewhere(evidence: Evidence, name: str) -> Evidence:
    """What there is to go on where the images of the other data `name` are those that are tested.

    Trainings that were not tested on it are left out; the test columns of the others are of it, as far as they follow
    from answers. Classes are those that occur there. Nothing was claimed of it.
    """
    there, trials = evidence.elsewhere[name], evidence.trials
    tested = trials["trial"].isin(list(there.answers))
    of_it = trials[tested | (trials["phase"] == "search")].reset_index(drop=True)
    answers = [there.answers.get(trial) for trial in of_it["trial"]]
    of_it["test_loss"] = np.nan
    for how in MEASURES.values():
        if how.column is not None:
            of_it[how.column] = [_value(how, one) for one in answers]
    names = evidence.record["class_names"]
    record = {**evidence.record, "class_names": [names[place] for place in there.classes]}
    return replace(
        evidence,
        records=(record, *evidence.records[1:]),
        trials=of_it,
        answers=there.answers,
        elsewhere={},
        tested_on=name,
        likeness=None,
    )


def _value(how: Measure, answers: Answers | None) -> float:
    if answers is None or (how.of_twins and answers.distinct is None):
        return np.nan
    return float(how.observe([answers]).by_seed[0])
