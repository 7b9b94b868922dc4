"""A study whose test images came in turn: its trainings by fold, and what ran in every fold as one row."""

import pandas as pd

from study.plan import SEEDS_A_STUDY

FOLD = "config.data.fold"


def by_fold(confirmations: pd.DataFrame) -> pd.DataFrame:
    """An arm's confirmed trials, a row for every (study, place of the seed among a fold's) and a column a fold.

    confirmations: by (study, seed). Nothing where a training is not there.
    """
    place = confirmations.index.get_level_values("seed") % SEEDS_A_STUDY
    study = confirmations.index.get_level_values("study")
    cells = confirmations.reset_index(drop=True).assign(study=study, place=place)
    return cells.pivot(index=["study", "place"], columns=FOLD, values="trial").astype(object)


def whole(rows: pd.DataFrame) -> pd.DataFrame:
    """Of trials that ran in every fold a row each: means of what was measured, `completed` where all of them are."""
    configuration = [name for name in rows.columns if name.startswith("config.")]
    given = (*configuration, "study", "seed")
    measured = [name for name in rows.select_dtypes("number") if name not in given]
    found = []
    same = ["study", "arm", *(name for name in configuration if name != FOLD)]
    for _, group in rows.groupby(same, dropna=False, sort=False):
        first = group.iloc[0].astype(object)
        first[measured] = group[measured].mean()
        first["status"] = next((status for status in group["status"] if status != "completed"), "completed")
        found.append(first)
    return pd.DataFrame(found, columns=rows.columns).reset_index(drop=True)
