"""Trainings that ran elsewhere as a study's folder, of which all is asked that a study of one's own is asked."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fer_core.config import FOLDS
from fer_core.data.classes import in_order
from fer_core.errors import InputError
from fer_core.evaluation import measure
from search_spaces.claim import Claim
from search_spaces.score import SCORE, Score
from study.analysis.looks import LOOKS, with_look
from study.analysis.measures import measures_of
from study.judge.trainings import Answered, Training, Trainings
from study.plan import CONFIRM_SEEDS, SEARCHES_APART, SEEDS_A_STUDY
from study.records.folder import JUDGED, environment_record, now, read_study, score_record, write_study
from study.records.parquet import write_parquet
from study.records.rows import prediction_rows, score_rows
from study.records.schemas import SCHEMAS, SCORES, Row

UNKNOWN = "unknown"  # a protocol, where nothing is known of what trained and what chose


@dataclass(frozen=True)
class Question:
    """What is asked of the trainings. name: what they are called together. measure: what judges. score: where that is
    a score, what it is. margin: what counts as no difference, in the unit of what is recorded, if that was said.
    """

    name: str
    text: str
    measure: str
    claim: Claim | None
    score: Score | None = None
    margin: float | None = None


def write_as_study(given: Trainings, question: Question, folder: Path) -> None:
    """Write the study's folder. Where fewer of these trainings were judged there before, this is one more look.

    Raises InputError if another study is in it, or if it cannot be written.
    """
    record = _record(given, question)
    before = read_study(folder)
    if before is not None:
        record[LOOKS] = _looks(before, record, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in _tables(given, record["fingerprint"]).items():
            write_parquet(table, folder, name)
        write_study(folder, record)
    except OSError as problem:
        raise InputError(f"{folder}: cannot be written ({problem.strerror}).") from None


def _record(given: Trainings, question: Question) -> dict[str, Any]:
    folds = {} if given.folds is None else {"data.folds": len(given.folds), "data.fold": 0}
    protocol = UNKNOWN if given.folds is None else FOLDS
    return {
        JUDGED: {arm: given.seeds_of(arm) for arm in given.arms},
        "space": question.name,
        "question": question.text,
        "measure": question.measure,
        **score_record(question.score),
        **({} if question.margin is None else {"margin": question.margin}),
        "data": question.name,
        "fingerprint": _fingerprint(given, question.name),
        "protocol": protocol,
        "class_names": list(given.classes),
        "arms": list(given.arms),
        "compared": ["arm"],
        "comparable": [list(given.arms)],
        "factors": {},
        "claim": None if question.claim is None else asdict(question.claim),
        "paper_arms": {},
        "logarithmic": [],
        "settings": {"data.protocol": protocol, **folds},
        "arguments": {},
        **environment_record("study.judge"),
        "start": now(),
        "end": now(),
        "status": "complete",
    }


def _fingerprint(given: Trainings, name: str) -> str:
    """Of what was tested: the examples, their classes and folds, or where these are not known what it is called."""
    tested: set[tuple[Any, ...]] = set()
    for one in given.every:
        if one.answered is not None:
            answered = zip(one.answered.examples.tolist(), one.answered.labels.tolist(), strict=True)
            tested |= {(one.fold, *of_example) for of_example in answered}
        if one.scored is not None:
            tested |= {(one.fold, example) for example in one.scored.examples.tolist()}
    known = [given.examples, given.classes, given.folds, sorted(tested) or name]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]


def _looks(before: Mapping[str, Any], record: Mapping[str, Any], folder: Path) -> list[dict[str, Any]]:
    """What had been tested whenever these trainings were judged there and there were fewer of them."""
    if JUDGED not in before or before["fingerprint"] != record["fingerprint"]:
        what = "other examples" if JUDGED in before else "a study that ran here"
        raise InputError(f"{folder}: holds {what}. Choose another --out.")
    was, now_is = (_judge_of(one) for one in (before, record))
    if was != now_is:
        raise InputError(f"{folder}: was judged there by {was}, and not by {now_is}. Choose another --out.")
    for arm, seeds in before[JUDGED].items():
        if lacking := [seed for seed in seeds if seed not in record[JUDGED].get(arm, [])]:
            raise InputError(
                f"{folder}: arm {arm}, seed {lacking[0]} was judged there before, and is lacking now. "
                "Choose another --out."
            )
    fewer = _most_seeds(before) < _most_seeds(record)
    size = {"trials": 0, "searches": 1, "seeds": _most_seeds(before)}
    return with_look(before, size, folder) if fewer else list(before.get(LOOKS, []))


def _judge_of(record: Mapping[str, Any]) -> str:
    """What judges, in words."""
    measure = measures_of(record)[record["measure"]]
    better = "" if measure.higher_is_better else ", less being better"
    return f"{measure.title}{measure.scale.phrase}{better}"


def _most_seeds(record: Mapping[str, Any]) -> int:
    return max(map(len, record[JUDGED].values()))


def _tables(given: Trainings, fingerprint: str) -> dict[str, pa.Table]:
    """In the order in which they are to be written."""
    places = _places(given)
    rows: list[Row] = []
    answers: list[pa.Table] = []
    scores: list[pa.Table] = []
    for one in given.every:
        fold = 0 if given.folds is None or one.fold is None else given.folds.index(one.fold)
        seed = fold * SEARCHES_APART * SEEDS_A_STUDY + CONFIRM_SEEDS + places[one.arm, one.seed]
        trial = f"{_digest(fingerprint, one, fold)}-{seed}"
        identity = {"trial": trial, "arm": one.arm, "phase": "confirm", "seed": seed, "search": fold}
        rows.append({**identity, "status": "completed", "config.data.fold": fold, **_tested(one)})
        if (said := one.answered) is not None:
            shown = (said.examples, said.labels, said.probabilities, None, said.subjects)
            answers.append(prediction_rows(trial, *shown, predicted=said.predicted))
        if one.scored is not None:
            scores.append(score_rows(trial, one.scored.examples, one.scored.scores, one.scored.subjects))
    empty = dict.fromkeys(SCHEMAS["trials"].names)
    return {
        **({SCORES: pa.concat_tables(scores)} if scores else {}),
        "predictions": pa.concat_tables(answers) if answers else SCHEMAS["predictions"].empty_table(),
        "epochs": SCHEMAS["epochs"].empty_table(),
        "trials": pa.Table.from_pylist([empty | row for row in rows], schema=SCHEMAS["trials"]),
    }


def _places(given: Trainings) -> dict[tuple[str, str], int]:
    """The place of every arm's seeds: the same for the same seed, or where arms have none in common, in their order.

    Trainings that know nothing of each other may be paired in any way; only precision can be gained by a better one.
    """
    seeds = {arm: given.seeds_of(arm) for arm in given.arms}
    every = in_order({seed for of_arm in seeds.values() for seed in of_arm})
    alone = not paired(given)
    return {
        (arm, seed): of_arm.index(seed) if alone else every.index(seed)
        for arm, of_arm in seeds.items()
        for seed in of_arm
    }


def paired(given: Trainings) -> bool:
    """Whether any two arms have a seed in common."""
    each = [set(given.seeds_of(arm)) for arm in given.arms]
    return len(each) < 2 or len(set().union(*each)) < sum(map(len, each))


def _digest(fingerprint: str, training: Training, fold: int) -> str:
    """What the trainings of an arm have in common, as the digest of a configuration is."""
    return hashlib.sha256(json.dumps([fingerprint, training.arm, fold]).encode()).hexdigest()[:12]


def _tested(training: Training) -> dict[str, float]:
    """The test columns of its row."""
    if training.answered is not None:
        results: Mapping[str, float] = _measured(training.answered)
    elif training.scored is not None:
        results = {SCORE: float(training.scored.scores.mean())}
    else:
        results = training.results or {}
    return {f"test_{name}": value for name, value in results.items()}


def _measured(answered: Answered) -> dict[str, float]:
    certain = np.eye(answered.probabilities.shape[1], dtype=np.float32)[answered.predicted]
    found = asdict(measure(certain, answered.labels))
    return {**found, "loss": measure(answered.probabilities, answered.labels).loss}
