"""The curves of the paper's Figure 4: accuracy and loss over the epochs, or a score where that judges."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from study.analysis.arms import ArmFindings
from study.report.figures.style import INK, ArmStyle, Subject, legend_above, measure_axis, panels, style_of, with_unit


def curves(subject: Subject) -> Figure | None:
    """Training and validation of every arm's confirmation, mean and range over its seeds."""
    by_arm = {arm.arm: _epochs(subject, arm) for arm in subject.confirmed}
    by_arm = {arm: rows for arm, rows in by_arm.items() if len(rows)}
    if not by_arm:
        return None
    judge = subject.found.evidence.judged_by
    shown = {"accuracy": "accuracy", "loss": "loss"}
    if judge.of_scores:
        shown = {"score": with_unit(judge.title, judge.scale)}
    figure, axes = panels(1, len(shown), width=6.4 if judge.of_scores else 4.4)
    for panel, (name, title) in zip(axes, shown.items(), strict=True):
        for arm, rows in by_arm.items():
            _curve(panel, rows, f"val_{name}", style_of(subject, arm), validation=True)
            _curve(panel, rows, f"train_{name}", style_of(subject, arm), validation=False)
        panel.set(xlabel="epoch", ylabel=title)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    measure_axis(axes[0], judge.scale)
    arms = [Line2D([], [], color=s.colour, marker=s.marker, label=a) for a in by_arm for s in [style_of(subject, a)]]
    parts = [
        Line2D([], [], color=INK, linewidth=2, label="validation, band over seeds"),
        Line2D([], [], color=INK, linewidth=1, linestyle="--", label="training, marks open"),
    ]
    legend_above(figure, [*arms, *parts])
    return figure


def _epochs(subject: Subject, arm: ArmFindings) -> pd.DataFrame:
    epochs = subject.found.evidence.epochs
    return epochs[epochs["trial"].isin(arm.confirmations["trial"])]


def _curve(axes: Axes, rows: pd.DataFrame, column: str, style: ArmStyle, *, validation: bool) -> None:
    line = rows.groupby("epoch")[column].agg(["mean", "min", "max"])
    look: dict[str, Any] = {"color": style.colour, "marker": style.marker, "markevery": max(1, len(line) // 8)}
    if validation:
        axes.plot(line.index, line["mean"], linewidth=2, markersize=5, **look)
        axes.fill_between(line.index, line["min"], line["max"], color=style.colour, alpha=0.15, linewidth=0)
    else:
        axes.plot(
            line.index, line["mean"], linewidth=1, linestyle="--", markersize=4, markerfacecolor="white", **look
        )
