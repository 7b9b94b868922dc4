"""Rows of the tables: a trial that ended, and what it answered to test images."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from fer_core.config import MONITOR
from study.records.schemas import MEASURED, SCHEMAS, SCORES, Row, S, with_classes
from study.search.selection import best_epoch


def prediction_rows(
    trial: str,
    images: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    distinct: np.ndarray | None,
    subjects: np.ndarray | None = None,
    *,
    predicted: np.ndarray | None = None,
) -> pa.Table:
    """A row a test image: its row in the data set, label, prediction, the probabilities, has it no twin, and whom it
    shows if that is known. predicted: where it is not the most probable class.
    """
    predicted = probabilities.argmax(axis=1) if predicted is None else predicted
    answers = _answers(images, labels, probabilities, predicted, distinct, subjects)
    schema = with_classes(SCHEMAS["predictions"], probabilities.shape[1])
    return pa.Table.from_arrays([pa.array([trial] * len(images)), *answers], schema=schema)


def score_rows(
    trial: str,
    images: np.ndarray,
    scores: np.ndarray | None = None,
    subjects: np.ndarray | None = None,
    distinct: np.ndarray | None = None,
    *,
    answers: np.ndarray | None = None,
    targets: np.ndarray | None = None,
) -> pa.Table:
    """A row a test image where a score judges: its row in the data set, its score, none of a concordance, the answer
    to it beside its target where the score is made of these, has it no twin, whom it shows.
    """
    columns = [
        pa.array([trial] * len(images)),
        pa.array(images.astype(np.int32)),
        pa.nulls(len(images), pa.float64()) if scores is None else pa.array(scores.astype(float)),
        *(_lists(given, len(images)) for given in (answers, targets)),
        _distinct(distinct, len(images)),
        _subjects(subjects, len(images)),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMAS[SCORES])


def elsewhere_rows(trial: str, others: Mapping[str, Mapping[str, Any]]) -> pa.Table | None:
    """The same a tested image of the `others`, by their names with what `prediction_rows` takes of each. Predicted is
    the most probable of the classes that occur there. None of none.
    """
    found = []
    for data, given in others.items():
        labels, probabilities = given["labels"], given["probabilities"]
        among = np.unique(labels)
        predicted = among[probabilities[:, among].argmax(axis=1)]
        answers = _answers(predicted=predicted, **given)
        schema = with_classes(SCHEMAS["elsewhere"], probabilities.shape[1])
        names = [pa.array([name] * len(labels)) for name in (trial, data)]
        found.append(pa.Table.from_arrays([*names, *answers], schema=schema))
    return pa.concat_tables(found) if found else None


def tested_rows(trial: str, test: Mapping[str, Any]) -> tuple[dict[str, pa.Table | None], dict[str, Any]]:
    """What a worker says of a test as rows, as `Tables.add_trial` takes them, and as columns of its trial's row."""
    columns = {name: value for name, value in test.items() if name.startswith("test_")}
    said = {name: value for name, value in test.items() if name not in columns}
    others = said.pop("elsewhere", {})
    if "probabilities" not in said:
        return {"scores": score_rows(trial, **said)}, columns
    return {"predictions": prediction_rows(trial, **said), "elsewhere": elsewhere_rows(trial, others)}, columns


def _answers(
    images: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    predicted: np.ndarray,
    distinct: np.ndarray | None,
    subjects: np.ndarray | None = None,
) -> list[pa.Array]:
    return [
        pa.array(images.astype(np.int32)),
        pa.array(labels.astype(np.int8)),
        pa.array(predicted.astype(np.int8)),
        pa.FixedSizeListArray.from_arrays(pa.array(probabilities.astype(np.float32).ravel()), probabilities.shape[1]),
        _distinct(distinct, len(images)),
        _subjects(subjects, len(images)),
    ]


def _lists(given: np.ndarray | None, count: int) -> pa.Array:
    kind = pa.list_(pa.float32())
    return pa.nulls(count, kind) if given is None else pa.array(list(given.astype(np.float32)), kind)


def _distinct(known: np.ndarray | None, count: int) -> pa.Array:
    return pa.nulls(count, pa.bool_()) if known is None else pa.array(known.astype(bool))


def _subjects(known: np.ndarray | None, count: int) -> pa.Array:
    return pa.nulls(count, S) if known is None else pa.array(known.tolist(), S)


def trial_row(
    identity: Mapping[str, Any],
    config: Mapping[str, Any],
    status: str,
    epochs: list[Row],
    *,
    test: Mapping[str, float] | None = None,
    worker: Mapping[str, Any] | None = None,
    attempts: int = 1,
    error: str | None = None,
) -> Row:
    """The row of `trials` for a trial that ended: its numbers are those of the best epoch by validation."""
    row: Row = dict.fromkeys(SCHEMAS["trials"].names)
    row |= {**identity, **{f"config.{name}": value for name, value in config.items()}, "status": status}
    best = best_epoch(epochs, str(config[MONITOR]))
    if best is not None:
        measured = [f"{part}_{name}" for part in ("train", "val") for name in MEASURED]
        row |= {name: best.get(name) for name in measured}
        row["best_epoch"] = best["epoch"]
    row |= {"epochs": len(epochs), "seconds": sum(e["seconds"] for e in epochs)}
    row |= {**(test or {}), **(worker or {}), "attempts": attempts, "error": error}
    return row
