"""The trainings that a table tells of, checked: each with its answers to the same test examples, or its results."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from fer_core.data.classes import MOST_CLASSES, in_order
from fer_core.errors import InputError
from search_spaces.score import SCORE
from search_spaces.space import MEASURES
from study.judge.given_file import PROBABILITY, GivenTable

SUM_TOLERANCE = 0.01  # of probabilities that were written with few digits
TRAINING = ["arm", "seed", "fold"]


@dataclass(frozen=True)
class Answered:
    """A training's answers to n examples, in the order of their numbers.

    examples, labels, predicted: (n,) int, positions in `Trainings`. probabilities: (n, classes) float32, NaN where
    they are not known. subjects: (n,) text, or None.
    """

    examples: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray
    subjects: np.ndarray | None


@dataclass(frozen=True)
class Scored:
    """What a training's answers to n examples scored, (n,) float; the rest as `Answered` has it."""

    examples: np.ndarray
    scores: np.ndarray
    subjects: np.ndarray | None


@dataclass(frozen=True)
class Training:
    """One training of an arm, tested on a fold, or on all examples (None). answered, scored: what is known of its
    answers. results: where nothing is, what is given of MEASURES, fractions from 0 to 1, or its score.
    """

    arm: str
    seed: str
    fold: str | None
    answered: Answered | None = None
    scored: Scored | None = None
    results: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Trainings:
    """All of them. examples, classes: their names, of none where results alone are given. arms: in their order."""

    arms: Sequence[str]
    folds: Sequence[str] | None
    every: Sequence[Training]
    examples: Sequence[str] = ()
    classes: Sequence[str] = ()

    @property
    def measured(self) -> list[str]:
        """Which of MEASURES are known of them, of answers all; or that it is a score."""
        if any(one.scored is not None or SCORE in (one.results or ()) for one in self.every):
            return [SCORE]
        return [name for name in MEASURES if all(one.results is None or name in one.results for one in self.every)]

    def seeds_of(self, arm: str) -> list[str]:
        return in_order({one.seed for one in self.every if one.arm == arm})


def trainings(given: GivenTable) -> Trainings:
    """Raises InputError naming what is lacking, twice there, or contradicts itself."""
    table = given.table
    frame = pd.DataFrame(
        {
            "arm": table["arm"].to_pandas(),
            "seed": table["seed"].to_pandas() if "seed" in table.column_names else "1",
            "fold": table["fold"].to_pandas() if "fold" in table.column_names else "",
        }
    )
    there = {*table.column_names}
    read = _with_answers if "label" in there else _with_scores if {"example", SCORE} <= there else _with_results
    found = read(given, table, frame)
    _check_folds(frame)
    return found


def _with_results(given: GivenTable, table: pa.Table, frame: pd.DataFrame) -> Trainings:
    if (twice := frame.duplicated(TRAINING)).any():
        row = int(twice.idxmax())
        raise InputError(f"{given.where(row)}: {_name(*frame.loc[row, TRAINING])} stands there before.")
    measured = {name: table[name].to_pylist() for name in (*MEASURES, SCORE) if name in table.column_names}
    every = [
        Training(arm, seed, fold or None, results={name: values[row] for name, values in measured.items()})
        for row, (arm, seed, fold) in enumerate(frame.itertuples(index=False))
    ]
    return Trainings(_arms(frame), _folds(frame), every)


def _with_answers(given: GivenTable, table: pa.Table, frame: pd.DataFrame) -> Trainings:
    classes, probabilities = _classes(given, table)
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise InputError(f"{given.path}: {len(classes)} classes, expected 2 to {MOST_CLASSES}.")
    examples = _examples(table, frame)
    frame["label"] = _places(table["label"], classes)
    if "predicted" in table.column_names:
        frame["predicted"] = _places(table["predicted"], classes)
    elif probabilities is not None:
        frame["predicted"] = probabilities.argmax(axis=1)
    _check_once(given, frame, examples)
    _check_same(given, frame, "label", "labelled", examples, classes)
    _check_examples(given, frame, examples)
    every = [
        Training(*training, answered=_answered(part, probabilities, len(classes)))
        for training, part in _by_training(frame)
    ]
    return Trainings(_arms(frame), _folds(frame), every, examples, classes)


def _with_scores(given: GivenTable, table: pa.Table, frame: pd.DataFrame) -> Trainings:
    examples = _examples(table, frame)
    frame["score"] = table["score"].to_numpy()
    _check_once(given, frame, examples)
    _check_examples(given, frame, examples)
    every = [
        Training(*training, scored=Scored(part["example"].to_numpy(), part["score"].to_numpy(), _subjects(part)))
        for training, part in _by_training(frame)
    ]
    return Trainings(_arms(frame), _folds(frame), every, examples)


def _examples(table: pa.Table, frame: pd.DataFrame) -> list[str]:
    """The names of the examples; the frame gets which one every row is of, and of whom if that is given."""
    examples = in_order(pc.unique(table["example"]).to_pylist())
    frame["example"] = _places(table["example"], examples)
    if "subject" in table.column_names:
        frame["subject"] = table["subject"].to_pandas()
    return examples


def _by_training(frame: pd.DataFrame) -> Iterator[tuple[tuple[str, str, str | None], pd.DataFrame]]:
    """Arm, seed and fold of every training with its rows, in the order of the examples."""
    for (arm, seed, fold), part in frame.groupby(TRAINING, sort=False):  # type: ignore[misc]
        yield (arm, seed, fold or None), part.sort_values("example")


def _arms(frame: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(frame["arm"]))


def _folds(frame: pd.DataFrame) -> list[str] | None:
    folds = {*frame["fold"]}
    return None if folds == {""} else in_order(folds)


def _classes(given: GivenTable, table: pa.Table) -> tuple[list[str], np.ndarray | None]:
    """The names of the classes, and the probabilities (n, classes) where they are given."""
    answers = [table[name] for name in ("label", "predicted") if name in table.column_names]
    named = {name for column in answers for name in pc.unique(column).to_pylist()}
    columns = [name for name in table.column_names if name.startswith(PROBABILITY)]
    if not columns:
        return in_order(named), None
    classes = in_order([name.removeprefix(PROBABILITY) for name in columns])
    if lacking := named - {*classes}:
        raise InputError(f"{given.path}: no column {PROBABILITY}{min(lacking)} beside {', '.join(columns)}.")
    probabilities = np.stack([table[PROBABILITY + name].to_numpy() for name in classes], axis=1)
    sums = probabilities.sum(axis=1)
    if (wrong := np.flatnonzero(np.abs(sums - 1) > SUM_TOLERANCE)).size:
        where = given.where(int(wrong[0]))
        raise InputError(
            f"{where}: the probabilities sum to {sums[wrong[0]]:.3g}, expected 1 (of logits take the softmax)."
        )
    return classes, probabilities


def _places(cells: pa.ChunkedArray, names: Sequence[str]) -> np.ndarray:
    return pc.index_in(cells, value_set=pa.array(names, pa.string())).to_numpy()


def _answered(part: pd.DataFrame, probabilities: np.ndarray | None, classes: int) -> Answered:
    unknown = np.full((len(part), classes), np.nan, np.float32)
    return Answered(
        examples=part["example"].to_numpy(),
        labels=part["label"].to_numpy(),
        predicted=part["predicted"].to_numpy(),
        probabilities=unknown if probabilities is None else probabilities[part.index].astype(np.float32),
        subjects=_subjects(part),
    )


def _subjects(part: pd.DataFrame) -> np.ndarray | None:
    return part["subject"].to_numpy(str) if "subject" in part else None


def _check_once(given: GivenTable, frame: pd.DataFrame, examples: Sequence[str]) -> None:
    twice = frame.duplicated(["arm", "seed", "example"])
    if twice.any():
        row = int(twice.idxmax())
        arm, seed, example = frame.loc[row, ["arm", "seed", "example"]]
        raise InputError(
            f"{given.where(row)}: {_name(arm, seed)} has answered example {examples[example]} before. One row a "
            "training and example is expected; trainings of one arm are told apart by their seed."
        )


def _check_same(
    given: GivenTable,
    frame: pd.DataFrame,
    column: str,
    what: str,
    examples: Sequence[str],
    values: Sequence[str] | None = None,
) -> None:
    """That an example has one value in the column, whoever answered it. values: what its numbers stand for."""
    first = frame.groupby("example")[column].transform("first")
    other = frame[column] != first
    if other.any():
        row = int(other.idxmax())
        now, before = (one[row] if values is None else values[one[row]] for one in (frame[column], first))
        example = examples[frame["example"][row]]
        raise InputError(f"{given.where(row)}: example {example} is {what} {now}, and {before} elsewhere.")


def _check_examples(given: GivenTable, frame: pd.DataFrame, examples: Sequence[str]) -> None:
    """That an example is in one fold and of one subject, and every training has answered what others did."""
    _check_same(given, frame, "fold", "in fold", examples)
    if "subject" in frame:
        _check_same(given, frame, "subject", "of subject", examples)
    _check_whole(frame, examples)


def _check_whole(frame: pd.DataFrame, examples: Sequence[str]) -> None:
    """That every training has answered what others did: all, or all of its fold."""
    of_fold = {fold: set(part) for fold, part in frame.groupby("fold")["example"]}
    for (arm, seed, fold), part in frame.groupby(TRAINING, sort=False)["example"]:  # type: ignore[misc]
        if len(part) < len(of_fold[fold]):
            lacking = min(of_fold[fold] - set(part))
            hint = "" if fold else " Were examples tested in turn? Then say in which fold, by --column fold=COLUMN."
            raise InputError(
                f"{_name(arm, seed, fold)}: {len(part)} of {len(of_fold[fold])} examples answered; "
                f"{examples[lacking]} is lacking.{hint}"
            )


def _check_folds(frame: pd.DataFrame) -> None:
    """That every training of an arm was tested in all folds."""
    every = frame["fold"].nunique()
    for (arm, seed), tested in frame.groupby(["arm", "seed"], sort=False)["fold"].nunique().items():  # type: ignore[misc]
        if tested < every:
            raise InputError(f"{_name(arm, seed)}: {tested} of {every} folds.")


def _name(arm: str, seed: str, fold: str = "") -> str:
    return f"arm {arm}, seed {seed}" + (f", fold {fold}" if fold else "")
