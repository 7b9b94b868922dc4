"""What is known of an arm: the effort spent on it, its winner, and the winner's confirmation by every measure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fer_core.config import Value, check, setting_names
from study.analysis.answers import aligned
from study.analysis.estimate import Estimate, Observed, estimate
from study.analysis.evidence import Evidence
from study.analysis.measures import MEASURES
from study.selection import search_of, winner

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
    """An arm, its winner and the winner's confirmation; NaN where there is none.

    winner: its configuration's digest, config: its settings, of the first study where several are pooled; tuned:
    which of them the search varied. validation: the winner's, in the search. untuned: the quartiles of the search
    trials' validation, which say how the arm does when it is not tuned. confirmations: one row a (study, seed).
    estimates: by measure, over them. failed_confirmations: how many did not end well. seconds: of one confirmation,
    their mean.
    """

    arm: str
    effort: Effort
    winner: str | None
    config: Mapping[str, Any] | None
    tuned: tuple[str, ...]
    validation: float
    untuned: tuple[float, float, float]
    confirmations: pd.DataFrame
    failed_confirmations: int
    estimates: Mapping[str, Estimate]
    parameters: int | None
    seconds: float

    @property
    def seeds(self) -> int:
        return len(self.confirmations)


def arm_findings(evidence: Evidence, arm: str) -> ArmFindings:
    """Everything about `arm` that the tables hold."""
    rows = evidence.by_arm[arm]
    search = rows[rows["phase"] == "search"]
    best = _winners(evidence, arm, rows)
    confirm = rows[rows["phase"] == "confirm"]
    chosen = confirm[confirm["config"] == confirm["study"].map({study: row["config"] for study, row in best.items()})]
    ended = chosen[chosen["status"] == "completed"].set_index(KEY).sort_index()
    first = next(iter(best.values()), None)
    quartiles = search[f"val_{evidence.measure}"].quantile([0.25, 0.5, 0.75])
    parameters = ended["parameters"].dropna()
    return ArmFindings(
        arm=arm,
        effort=_effort(search),
        winner=None if first is None else first["config"],
        config=None if first is None else _settings(first),
        tuned=tuned_in(search),
        validation=_validation(evidence, best),
        untuned=tuple(map(float, quartiles)),  # type: ignore[arg-type]
        confirmations=ended,
        failed_confirmations=len(chosen) - len(ended),
        estimates={name: estimate(observe(evidence, ended, name)) for name in MEASURES},
        parameters=int(parameters.iloc[0]) if len(parameters) else None,
        seconds=float(ended["seconds"].mean()),
    )


def observe(evidence: Evidence, confirmations: pd.DataFrame, measure: str) -> Observed:
    """The measure over `confirmations`, from the predictions if all have them, else from the trials' own columns."""
    (observed,) = observe_all(evidence, [confirmations], measure)
    return observed


def observe_all(evidence: Evidence, arms: list[pd.DataFrame], measure: str) -> list[Observed]:
    """The same of several arms, on the test images that all of their confirmations answered."""
    how = MEASURES[measure]
    trials = [trial for rows in arms for trial in rows["trial"]]
    found = [evidence.answers.get(trial) for trial in trials]
    answers = aligned([one for one in found if one is not None])
    lacks_twins = measure == "accuracy_distinct" and any(one.distinct is None for one in answers)
    if not answers or len(answers) < len(trials) or lacks_twins:
        if how.column is None:
            return [Observed(np.empty(0)) for _ in arms]
        return [Observed(rows[how.column].to_numpy(float)) for rows in arms]
    ends = pd.Series([len(rows) for rows in arms]).cumsum()
    observed = how.observe(answers)
    assert observed.answers is not None
    return [
        Observed(observed.by_seed[end - len(rows) : end], observed.answers[end - len(rows) : end])
        for rows, end in zip(arms, ends, strict=True)
    ]


def tuned_in(search: pd.DataFrame) -> tuple[str, ...]:
    """The settings that differ between an arm's search trials."""
    return tuple(name for name in setting_names() if search[f"config.{name}"].nunique(dropna=False) > 1)


def _settings(row: Mapping[str, Any]) -> dict[str, Value]:
    """A row's configuration; None where a study of an older version lacks the setting."""
    values = {name: row[f"config.{name}"] for name in setting_names()}
    return {name: None if v is None or v != v else check(name, v) for name, v in values.items()}


def _winners(evidence: Evidence, arm: str, rows: pd.DataFrame) -> dict[int, Mapping[str, Any]]:
    """Every study's best search trial; where nothing was tuned, the first that was confirmed."""
    found: dict[int, Mapping[str, Any]] = {}
    for study, part in rows.groupby("study"):
        search = search_of(evidence.records[int(study)], arm, part, evidence.epochs)  # type: ignore[call-overload]
        if search:
            best = winner(search, evidence.measure)
        else:
            best = next(iter(part[part["phase"] == "confirm"].to_dict("records")), None)
        if best is not None:
            found[int(study)] = best  # type: ignore[call-overload]
    return found


def _validation(evidence: Evidence, best: Mapping[int, Mapping[str, Any]]) -> float:
    values = [row[f"val_{evidence.measure}"] for row in best.values() if row["phase"] == "search"]
    return float(pd.Series(values, dtype=float).mean())


def _effort(search: pd.DataFrame) -> Effort:
    by_status = search["status"].value_counts()
    return Effort(
        trials=len(search),
        **{status: int(by_status.get(status, 0)) for status in ("completed", "pruned", "diverged", "failed")},
        epochs=int(search["epochs"].sum()),
        seconds=float(search["seconds"].sum()),
    )
