"""The curves of the paper's Figure 4: accuracy and loss over the epochs."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from study.analysis.arms import ArmFindings
from study.report.figures.style import INK, ArmStyle, Subject, legend_above, panels, percent_axis, style_of


def curves(subject: Subject) -> Figure | None:
    """Training and validation of every arm's confirmation, mean and range over its seeds."""
    by_arm = {arm.arm: _epochs(subject, arm) for arm in subject.confirmed}
    by_arm = {arm: rows for arm, rows in by_arm.items() if len(rows)}
    if not by_arm:
        return None
    figure, axes = panels(1, 2)
    for panel, name in zip(axes, ("accuracy", "loss"), strict=True):
        for arm, rows in by_arm.items():
            _curve(panel, rows, f"val_{name}", style_of(subject, arm), validation=True)
            _curve(panel, rows, f"train_{name}", style_of(subject, arm), validation=False)
        panel.set(xlabel="epoch", ylabel=name)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    percent_axis(axes[0])
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
