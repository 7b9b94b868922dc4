"""The search: how an arm does untuned, what each hyperparameter did, and which of them matter."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from study.analysis.arms import ArmFindings
from study.analysis.importance import importances
from study.report.figures.style import (
    INK,
    Subject,
    fence,
    hide_unused,
    legend_above,
    measure_axis,
    panels,
    percent_axis,
    style_of,
    with_unit,
)
from study.report.summary import value_text

# A logarithmic scale's end over its beginning: beyond, only powers of ten have room for their names.
WIDEST_WITH_ALL_TICKS = 2000.0
MOST_CATEGORIES = 8  # different whole numbers of a setting that stand side by side rather than on a scale


def untuned(subject: Subject) -> Figure | None:
    """The empirical distribution of every arm's search trials: one that diverged or failed counts as the worst."""
    arms = [(arm, rows) for arm in subject.arms if len(rows := _search(subject, arm)) > 1]
    if not arms:
        return None
    judge = subject.found.evidence.judged_by
    worst = -np.inf if judge.higher_is_better else np.inf
    figure, (axes,) = panels(1, 1, width=6.4)
    for arm, rows in arms:
        values = np.sort(_measured(subject, rows).fillna(worst).to_numpy())
        share = np.arange(1, len(values) + 1) / len(values)
        seen, style = np.isfinite(values), style_of(subject, arm.arm)
        if not seen.any():
            continue
        # From the share of trials without a value, up a step at every trial.
        x = np.concatenate([values[seen][:1], values[seen]])
        y = np.concatenate([[share[seen][0] - 1 / len(values)], share[seen]])
        axes.step(
            x, y, where="post", color=style.colour, linestyle=style.dash, label=f"{arm.arm}, {len(values)} trials"
        )
        axes.plot(x[-1:], y[-1:], style.marker, color=style.colour)
    shown = _every(subject)
    within = shown[shown.between(*fence(shown, judge))]
    if len(within) < len(shown):
        margin = 0.05 * (within.max() - within.min())
        axes.set_xlim(within.min() - margin, within.max() + margin)
    axes.set(xlabel=_axis(subject), ylabel="share of trials at or below", ylim=(0, 1.05))
    measure_axis(axes, judge.scale, "x")
    legend_above(figure, axes.get_legend_handles_labels()[0])
    return figure


def hyperparameters(subject: Subject) -> Figure | None:
    """Validation over each tuned setting: completed trials filled, others open, the winner of an arm ringed."""
    names = list(dict.fromkeys(name for arm in subject.arms for name in arm.tuned))
    if not names:
        return None
    columns = min(3, len(names))
    figure, axes = panels(-(-len(names) // columns), columns, width=3.8, height=3.0)
    for panel, name in zip(axes, names, strict=False):
        _scatter(subject, panel, name)
    hide_unused(axes[len(names) :])
    legend_above(figure, axes[0].get_legend_handles_labels()[0])
    return figure


def _scatter(subject: Subject, axes: Axes, name: str) -> None:
    column = f"config.{name}"
    every = pd.concat([_search(subject, arm)[column] for arm in subject.arms]).dropna().infer_objects()
    places = _categories(every)
    shown = _every(subject)
    within = shown[shown.between(*fence(shown, subject.found.evidence.judged_by))]
    for arm in subject.arms:
        rows, style = _search(subject, arm), style_of(subject, arm.arm)
        rows = rows[rows[column].notna()] if name in arm.tuned else rows.iloc[:0]
        x = rows[column].map(places) if places else rows[column]
        y = _measured(subject, rows).clip(within.min(), within.max())
        completed = rows["status"] == "completed"
        axes.plot(x[completed], y[completed], label=arm.arm, **style.marks)
        axes.plot(x[~completed], y[~completed], markerfacecolor="white", **style.marks)
        best = rows["trial"].isin(arm.winners)
        axes.plot(x[best], y[best], "o", markersize=12, markerfacecolor="none", color=INK)
    if places:
        axes.set_xticks(list(places.values()), [value_text(value) for value in places])
    elif name in subject.found.evidence.logarithmic:
        axes.set_xscale("log")
        wide = every.max() / every.min() > WIDEST_WITH_ALL_TICKS
        axes.xaxis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.tick_params(axis="x", labelrotation=30)
    beyond = "" if len(within) == len(shown) else "\n(others, far off, at the edge)"
    axes.set(xlabel=name, ylabel=_axis(subject) + beyond)
    measure_axis(axes, subject.found.evidence.judged_by.scale)


def _categories(values: pd.Series) -> dict[Any, int]:
    """A place for each value, if they are few whole numbers or no numbers; else none, and they stand on a scale."""
    different = values.unique().tolist()
    is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if is_number and (len(different) > MOST_CATEGORIES or any(value != round(value) for value in different)):
        return {}
    return {value: place for place, value in enumerate(sorted(different, key=None if is_number else str))}


def importance(subject: Subject) -> Figure | None:
    """The share of validation that each tuned setting decides, by PED-ANOVA within every arm."""
    evidence = subject.found.evidence
    told = evidence.logarithmic, evidence.measure, evidence.judged_by.higher_is_better
    by_arm = {arm.arm: importances(_search(subject, arm), arm.tuned, *told) for arm in subject.arms}
    shares = {arm: found for arm, found in by_arm.items() if found}
    if not shares:
        return None
    names = list(dict.fromkeys(name for found in shares.values() for name in found))
    figure, (axes,) = panels(1, 1, width=6.4, height=1.0 + 0.3 * len(names) * (len(shares) + 0.5))
    height = 0.8 / len(shares)
    for position, (arm, found) in enumerate(shares.items()):
        at = np.array([names.index(name) for name in found]) + (position - (len(shares) - 1) / 2) * height
        values, style = list(found.values()), style_of(subject, arm)
        axes.barh(at, values, 0.9 * height, color=style.colour, hatch=style.hatch, edgecolor="white", label=arm)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set(xlabel="importance for validation, shares of each arm", xlim=(0, 1))
    percent_axis(axes, "x")
    axes.grid(axis="y", visible=False)
    legend_above(figure, axes.get_legend_handles_labels()[0])
    return figure


def _every(subject: Subject) -> pd.Series:
    """Validation of all search trials that ended well."""
    return pd.concat([_measured(subject, _search(subject, arm)) for arm in subject.arms]).dropna()


def _search(subject: Subject, arm: ArmFindings) -> pd.DataFrame:
    rows = subject.found.evidence.by_arm[arm.arm]
    return rows[rows["phase"] == "search"]


def _measured(subject: Subject, rows: pd.DataFrame) -> pd.Series:
    """Validation of trials that ended well; NaN of others."""
    return rows[f"val_{subject.found.evidence.measure}"].where(rows["status"].isin(["completed", "pruned"]))


def _axis(subject: Subject) -> str:
    judge = subject.found.evidence.judged_by
    return with_unit(f"validation {judge.title}", judge.scale)
