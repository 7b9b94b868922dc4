"""The tables and records of studies as evidence, pooled where they answer the same question.

Reads whatever stands in the folders, while a study runs too, and notes what is missing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from fer_core.errors import InputError
from search_spaces.score import SCORE
from study.analysis.answers import Answers, Elsewhere, Scores, answers_by_trial, answers_elsewhere, scores_by_trial
from study.analysis.evidence import Evidence
from study.analysis.likeness import read_likeness
from study.analysis.missing import begun_later, not_tested, other_networks, ran_elsewhere, unfinished
from study.records.folder import JUDGED, MARGIN, current_status, read_study
from study.records.parquet import read_parquet, read_table
from study.records.schemas import SCHEMAS, SCORES

# Studies that agree in these, the settings shared by all their trials among them, and in the user's own code if there
# is any, answer the same question.
SAME = ("space", "fingerprint", "votes", "also_tested", "protocol", "measure", SCORE, MARGIN, "arms", "settings")
# What a report cannot show without each table.
WITHOUT = {
    "trials": "no trial has a row",
    "epochs": "no curves over epochs",
    "predictions": "no confusion, no calibration, and intervals over seeds alone",
    SCORES: "intervals over seeds alone",
    "elsewhere": "nothing of the other data that was to be tested, too",
}


def read_evidence(folders: Sequence[Path]) -> list[Evidence]:
    """The studies in `folders`, pooled where they answer the same question. Raises InputError where there is none."""
    groups: dict[str, list[tuple[Path, dict[str, Any]]]] = {}
    for folder in dict.fromkeys(folder.resolve() for folder in folders):
        record = read_study(folder)
        if record is None:
            raise InputError(f"{folder}: there is no study in it (study.json is missing).")
        record["status"] = current_status(folder, record)
        alike = [*(record.get(name) for name in SAME), record.get("code") or []]
        groups.setdefault(json.dumps(alike, sort_keys=True), []).append((folder, record))
    return [_pooled(group) for group in groups.values()]


def _pooled(studies: list[tuple[Path, dict[str, Any]]]) -> Evidence:
    missing = ran_elsewhere(studies)
    frames: dict[str, list[pd.DataFrame]] = {"trials": [], "epochs": []}
    answers: dict[str, Answers] = {}
    scores: dict[str, Scores] = {}
    elsewhere: dict[str, Elsewhere] = {}
    for position, (folder, record) in enumerate(studies):
        for name, parts in frames.items():
            parts.append(_table(folder, name, record, missing).assign(study=position))
        if SCORE in record:
            scores |= scores_by_trial(_rows_of(folder, SCORES, missing))
        else:
            answers |= _answers(folder, record, missing)
        for name in record.get("also_tested") or ():
            elsewhere.setdefault(name, Elsewhere((), {}))
        for name, found in _elsewhere(folder, record, missing).items():
            elsewhere[name] = replace(found, answers=elsewhere[name].answers | found.answers)
    trials, epochs = (pd.concat(parts, ignore_index=True) for parts in frames.values())
    # Two studies with one seed may have trained the very same trial.
    trials = trials.drop_duplicates(["trial", "phase"], ignore_index=True)
    epochs = epochs.drop_duplicates(["trial", "epoch"], ignore_index=True)
    trials["config"] = trials["trial"].astype(str).str.split("-").str[0]
    folders, records = zip(*studies, strict=True)
    missing += [*unfinished(studies, trials), *not_tested(trials, elsewhere), *other_networks(studies)]
    missing += begun_later(studies)
    likeness = _likeness(folders, missing)
    return Evidence(folders, records, trials, epochs, answers, tuple(missing), elsewhere, scores, likeness=likeness)


def _table(folder: Path, name: str, record: Mapping[str, Any], missing: list[str]) -> pd.DataFrame:
    try:
        frame = read_table(folder, name)
    except InputError as problem:
        missing.append(f"{problem} So {WITHOUT[name]}.")
        return SCHEMAS[name].empty_table().to_pandas()
    if frame.empty and JUDGED not in record:
        missing.append(f"{folder.name}: no rows of {name} yet, so {WITHOUT[name]}.")
    return frame


def _answers(folder: Path, record: Mapping[str, Any], missing: list[str]) -> dict[str, Answers]:
    table = _rows_of(folder, "predictions", missing)
    if JUDGED not in record and table.num_rows and table["distinct"].null_count:
        missing.append(
            f"{folder.name}: its predictions do not say which test images have a twin in training, as a study of an "
            "older version; the interval of that accuracy is over seeds alone."
        )
    return answers_by_trial(table)


def _elsewhere(folder: Path, record: dict[str, Any], missing: list[str]) -> dict[str, Elsewhere]:
    if not record.get("also_tested"):
        return {}
    return answers_elsewhere(_rows_of(folder, "elsewhere", missing))


def _likeness(folders: Sequence[Path], missing: list[str]) -> pd.DataFrame | None:
    """That of any of the studies: they have the same data, divided in the same way."""
    for folder in folders:
        try:
            if (found := read_likeness(folder)) is not None:
                return found
        except InputError as problem:
            missing.append(f"{problem} So what training has seen is found out anew, if the images are at hand.")
    return None


def _rows_of(folder: Path, name: str, missing: list[str]) -> pa.Table:
    """The table of answers, with a note where there are none."""
    try:
        table = read_parquet(folder, name)
    except InputError as problem:
        missing.append(f"{problem} So {WITHOUT[name]}.")
        return SCHEMAS[name].empty_table()
    if not table.num_rows:
        missing.append(f"{folder.name}: no rows of {name}, so {WITHOUT[name]}.")
    return table
