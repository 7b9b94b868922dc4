"""The search: how an arm does untuned, what each hyperparameter did, and which of them matter."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.analysis.arms import ArmFindings
from study.analysis.importance import importances, is_logarithmic
from study.analysis.measures import MEASURES
from study.report.figures.style import INK, Subject, hide_unused, panels, percent_axis, style_of


def untuned(subject: Subject) -> Figure | None:
    """The empirical distribution of every arm's search trials: one that diverged or failed counts as the worst."""
    arms = [(arm, rows) for arm in subject.arms if len(rows := _search(subject, arm)) > 1]
    if not arms:
        return None
    figure, (axes,) = panels(1, 1, width=6.4)
    for arm, rows in arms:
        values = _measured(subject, rows).fillna(-np.inf).sort_values().to_numpy()
        share = np.arange(1, len(values) + 1) / len(values)
        seen = np.isfinite(values)
        style = style_of(subject, arm.arm)
        # From the share of trials without a value, up a step at every trial.
        x = np.concatenate([values[seen][:1], values[seen]])
        y = np.concatenate([[share[seen][0] - 1 / len(values) if seen.any() else 0], share[seen]])
        axes.step(
            x, y, where="post", color=style.colour, linestyle=style.dash, label=f"{arm.arm}, {len(values)} trials"
        )
        axes.plot(x[-1:], y[-1:], style.marker, color=style.colour)
    axes.set(xlabel=_axis(subject), ylabel="share of trials at or below", ylim=(0, 1.05))
    percent_axis(axes, "x")
    axes.legend(loc="upper left")
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
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), fontsize=8)
    return figure


def _scatter(subject: Subject, axes: Axes, name: str) -> None:
    column, logarithmic, text = f"config.{name}", True, False
    for arm in subject.arms:
        rows, style = _search(subject, arm), style_of(subject, arm.arm)
        if name not in arm.tuned or rows.empty:
            axes.plot([], [], style.marker, color=style.colour, label=arm.arm)
            continue
        rows = rows[rows[column].notna()]
        values = rows[column].tolist()
        text = text or not is_number(rows[column])
        logarithmic = logarithmic and not text and is_logarithmic(values)
        x = rows[column].astype(str) if text else rows[column]
        y, completed = _measured(subject, rows), (rows["status"] == "completed").to_numpy()
        axes.plot(x[completed], y[completed], label=arm.arm, **style.marks)
        axes.plot(x[~completed], y[~completed], markerfacecolor="white", **style.marks)
        if arm.config is not None:
            best = y[(rows["config"] == arm.winner).to_numpy()].max()
            at = str(arm.config[name]) if text else arm.config[name]
            axes.plot([at], [best], "o", markersize=12, markerfacecolor="none", color=INK)
    if logarithmic:
        axes.set_xscale("log")
    axes.set(xlabel=name, ylabel=_axis(subject))
    percent_axis(axes, "y")


def importance(subject: Subject) -> Figure | None:
    """The share of validation that each tuned setting decides, by PED-ANOVA within every arm."""
    measure = subject.found.evidence.measure
    by_arm = {arm.arm: importances(_search(subject, arm), arm.tuned, measure) for arm in subject.arms}
    shares = {arm: found for arm, found in by_arm.items() if found}
    if not shares:
        return None
    names = list(dict.fromkeys(name for found in shares.values() for name in found))
    figure, (axes,) = panels(1, 1, width=6.4, height=1.0 + 0.3 * len(names) * (len(shares) + 0.5))
    height = 0.8 / len(shares)
    for position, (arm, found) in enumerate(shares.items()):
        at = np.arange(len(names)) + (position - (len(shares) - 1) / 2) * height
        values, style = [found.get(name, 0.0) for name in names], style_of(subject, arm)
        axes.barh(at, values, height * 0.9, color=style.colour, label=arm)
        axes.plot(values, at, style.marker, color=INK, markersize=3, linestyle="")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set(xlabel="importance for validation, shares of each arm", xlim=(0, 1))
    percent_axis(axes, "x")
    axes.grid(axis="y", visible=False)
    axes.legend(loc="lower right")
    return figure


def is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _search(subject: Subject, arm: ArmFindings) -> pd.DataFrame:
    rows = subject.found.evidence.by_arm[arm.arm]
    return rows[rows["phase"] == "search"]


def _measured(subject: Subject, rows: pd.DataFrame) -> pd.Series:
    """Validation of trials that ended well; NaN of others."""
    return rows[f"val_{subject.found.evidence.measure}"].where(rows["status"].isin(["completed", "pruned"]))


def _axis(subject: Subject) -> str:
    return f"validation {MEASURES[subject.found.evidence.measure].title}"
