"""What is known of an arm: the effort spent on it, its winner, and the winner's confirmation by every measure."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from fer_core.config import Value, in_cell
from study.analysis.answers import aligned
from study.analysis.estimate import Estimate, Observed, estimate
from study.analysis.evidence import Evidence
from study.analysis.folds import FOLD, by_fold
from study.analysis.measures import Measure, filled
from study.plan import study_seed
from study.records.folder import settings_in
from study.search.selection import best_winner, goal_of, winners

KEY = ["study", "seed"]


@dataclass(frozen=True)
class Effort:
    """Search trials of an arm by how they ended, and what they cost."""

    trials: int
    completed: int
    pruned: int
    diverged: int
    failed: int
    epochs: int
    seconds: float


@dataclass(frozen=True)
class ArmFindings:
    """An arm, its winners, one a search, and their confirmations; NaN where there are none.

    winners: their identities. configs: their settings, search by search; config: those of the best by
    validation. tuned: which of them the search varied. validation: the winners', in the search, their mean. untuned:
    the quartiles of the search trials' validation, which say how the arm does when it is not tuned. confirmations:
    one row a (study, seed), in every fold where images were tested in turn. estimates: by measure, over them.
    failed_confirmations: how many did not end well. learned: False where every one of them answers all test images
    with one class. seconds: of one confirmation, their mean. folds: in how many they were tested; None where the test
    images do not come in turn.
    """

    arm: str
    effort: Effort
    winners: Sequence[str]
    configs: Sequence[Mapping[str, Any]]
    config: Mapping[str, Any] | None
    tuned: tuple[str, ...]
    validation: float
    untuned: tuple[float, float, float]
    confirmations: pd.DataFrame
    failed_confirmations: int
    learned: bool
    estimates: Mapping[str, Estimate]
    parameters: int | None
    seconds: float
    folds: int | None = None

    @property
    def seeds(self) -> int:
        return len(self.confirmations) if self.folds is None else len(by_fold(self.confirmations))

    @property
    def searches(self) -> int:
        """How many searches the confirmed winners come from."""
        return searches_of(self.confirmations).nunique()


def arm_findings(evidence: Evidence, arm: str) -> ArmFindings:
    """Everything about `arm` that the tables hold."""
    rows = evidence.by_arm[arm]
    search = rows[rows["phase"] == "search"]
    found = _winners(evidence, arm, rows)
    confirm = rows[rows["phase"] == "confirm"]
    wanted = {(study, seed): row["config"] for (study, seed), row in found.items()}
    searched = zip(confirm["study"], study_seed(confirm["seed"]), strict=True)
    chosen = confirm[confirm["config"] == pd.Series([wanted.get(key) for key in searched], confirm.index, object)]
    ended = chosen[chosen["status"] == "completed"].set_index(KEY).sort_index()
    rows_found, names = dict(enumerate(found.values())), settings_in(evidence.record)
    best = best_winner(rows_found, goal_of(evidence.record))
    quartiles = search[f"val_{evidence.measure}"].quantile([0.25, 0.5, 0.75])
    parameters = ended["parameters"].dropna()
    return ArmFindings(
        arm=arm,
        effort=_effort(search),
        winners=[row["trial"] for row in found.values()],
        configs=[_settings(row, names) for row in found.values()],
        config=None if best is None else _settings(rows_found[best], names),
        tuned=_tuned_in(search, names),
        validation=_validation(evidence, list(found.values())),
        untuned=tuple(map(float, quartiles)),  # type: ignore[arg-type]
        confirmations=ended,
        failed_confirmations=len(chosen) - len(ended),
        learned=_learned(evidence, ended),
        estimates={name: estimate(observe(evidence, ended, measure)) for name, measure in evidence.measures.items()},
        parameters=int(parameters.iloc[0]) if len(parameters) else None,
        seconds=float(ended["seconds"].mean()),
        folds=None if evidence.folds is None else int(ended[FOLD].nunique()),
    )


def _learned(evidence: Evidence, confirmations: pd.DataFrame) -> bool:
    """Whether any of them tells test images apart, as far as its answers are known."""
    answers = [evidence.answers.get(trial) for trial in confirmations["trial"]]
    return not answers or any(one is None or np.ptp(one.predicted) > 0 for one in answers)


def observe(evidence: Evidence, confirmations: pd.DataFrame, measure: Measure) -> Observed:
    """The measure over `confirmations`, from the predictions if all have them, else from the trials' own columns."""
    (observed,) = observe_all(evidence, [confirmations], measure)
    return observed


def observe_all(evidence: Evidence, arms: list[pd.DataFrame], measure: Measure) -> list[Observed]:
    """The same of several arms, on the test images that all of their confirmations answered."""
    if evidence.folds is not None:
        return [_observe_folds(evidence, rows, measure) for rows in arms]
    observed = _observe_all(evidence, arms, measure)
    if not evidence.repeats_search:
        return observed
    in_folds = evidence.learned_folds is not None
    return [
        replace(one, searches=searches_of(rows).to_numpy(), in_folds=in_folds) if len(one.by_seed) else one
        for one, rows in zip(observed, arms, strict=True)
    ]


def searches_of(confirmations: pd.DataFrame) -> pd.Index:
    """Which search every row belongs to: the same in those of the same search, whichever study ran it."""
    return study_seed(confirmations.index.get_level_values("seed"))


def _observe_all(evidence: Evidence, arms: list[pd.DataFrame], measure: Measure) -> list[Observed]:
    trials = [trial for rows in arms for trial in rows["trial"]]
    found = [evidence.tested.get(trial) for trial in trials]
    answers = aligned([one for one in found if one is not None])
    if not answers or len(answers) < len(trials) or not measure.can_tell(answers):
        if measure.column is None or all(rows[measure.column].isna().all() for rows in arms):
            return [Observed(np.empty(0)) for _ in arms]
        return [Observed(rows[measure.column].to_numpy(float)) for rows in arms]
    of_arms = iter(answers)
    parts = [list(itertools.islice(of_arms, len(rows))) for rows in arms]
    return [measure.observe(part) if part else Observed(np.empty(0)) for part in parts]


def _observe_folds(evidence: Evidence, rows: pd.DataFrame, measure: Measure) -> Observed:
    """Of arms with the same seeds in the same folds the values have the same places."""
    trials = by_fold(rows).to_numpy()
    table = [[evidence.tested.get(trial) for trial in of_seed] for of_seed in trials]
    answers = [one for of_seed in table for one in of_seed if one is not None]
    if answers and len(answers) == len(rows) and measure.can_tell(answers):
        return measure.observe_folds(table)
    if measure.column is None or rows[measure.column].isna().all():
        return Observed(np.empty(0))
    value = dict(zip(rows["trial"], rows[measure.column], strict=True))
    cells = filled(np.array([[value.get(trial, np.nan) for trial in of_seed] for of_seed in trials], float))
    return Observed(cells.mean(axis=1), cells, folds=True)


def _tuned_in(search: pd.DataFrame, names: Sequence[str]) -> tuple[str, ...]:
    """Which settings of these `names` differ between an arm's search trials."""
    varied = [name for name in names if search[f"config.{name}"].nunique(dropna=False) > 1]
    return tuple(name for name in varied if f"config.{name}" != FOLD)


def _settings(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Value]:
    """A row's configuration; None where a study of an older version lacks the setting."""
    return {name: in_cell(name, row[f"config.{name}"]) for name in names}


def _winners(evidence: Evidence, arm: str, rows: pd.DataFrame) -> dict[tuple[int, int], Mapping[str, Any]]:
    """The winner of every search, by study and the search's seed, the searches in their order."""
    found = {}
    for study, part in rows.groupby("study"):
        record = evidence.records[int(study)]  # type: ignore[call-overload]
        for row in winners(record, arm, part, evidence.epochs).values():
            found[row["study"], study_seed(row["seed"])] = row
    return found


def _validation(evidence: Evidence, found: Sequence[Mapping[str, Any]]) -> float:
    values = [row[f"val_{evidence.measure}"] for row in found if row["phase"] == "search"]
    return float(pd.Series(values, dtype=float).mean())


def _effort(search: pd.DataFrame) -> Effort:
    by_status = search["status"].value_counts()
    return Effort(
        trials=len(search),
        **{status: int(by_status.get(status, 0)) for status in ("completed", "pruned", "diverged", "failed")},
        epochs=int(search["epochs"].sum()),
        seconds=float(search["seconds"].sum()),
    )
