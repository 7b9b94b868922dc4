"""How figures look: legible in grey and to the colour-blind, the same arm the same everywhere."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.analysis.arms import ArmFindings
from study.analysis.findings import Findings
from study.analysis.measures import Measure
from study.scale import SHARES, Scale

# Okabe and Ito's colours, two of which are one grey: so each has a marker, a dash and a hatch of its own.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 2)))
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "++")
MOST_ARMS = len(COLOURS)  # that one panel can tell apart
INK = "#222222"
FAR = 3.0  # interquartile ranges: where Tukey's (1977) outer fences stand
DPI = 150
SETTINGS: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "grid.color": "#E4E4E4",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "text.parse_math": False,  # a dollar sign in a name is one
    "pdf.fonttype": 42,  # letters stay letters
    "savefig.facecolor": "white",
}


@dataclass(frozen=True)
class Subject:
    """What figures are drawn from: the findings, and the data set's images (n, side, side[, 3]) uint8, if at hand."""

    found: Findings
    faces: np.ndarray | None = None

    @property
    def arms(self) -> list[ArmFindings]:
        """The arms that a panel shows: the first six."""
        return list(self.found.arms[:MOST_ARMS])

    @property
    def confirmed(self) -> list[ArmFindings]:
        """Those of them that were confirmed."""
        return [arm for arm in self.arms if arm.seeds]


@dataclass(frozen=True)
class ArmStyle:
    colour: str
    marker: str
    dash: Any
    hatch: str

    @property
    def line(self) -> dict[str, Any]:
        """What `plot` takes for a line with marks."""
        return {"color": self.colour, "marker": self.marker, "linestyle": self.dash, "markersize": 5}

    @property
    def marks(self) -> dict[str, Any]:
        """What `plot` takes for marks alone; thousands of them stay pixels in a PDF."""
        return {**self.line, "linestyle": "", "rasterized": True}


def style_of(subject: Subject, arm: str) -> ArmStyle:
    position = subject.found.evidence.arms.index(arm) % MOST_ARMS
    return ArmStyle(COLOURS[position], MARKERS[position], DASHES[position], HATCHES[position])


def panels(rows: int, columns: int, width: float = 4.4, height: float = 3.2) -> tuple[Figure, list[Axes]]:
    """A figure of rows x columns axes, each `width` by `height` inches, and its axes in reading order."""
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return figure, list(np.atleast_1d(figure.subplots(rows, columns)).ravel())


def legend_above(figure: Figure, marks: Iterable[Any]) -> None:
    """A legend of the figure's own, above its panels, in as few rows as its width holds.

    marks: what has a label, as `Axes.get_legend_handles_labels` gives; every label is shown once.
    """
    entries = {str(mark.get_label()): mark for mark in marks}
    names = list(entries)
    columns = len(names)
    while columns > 1 and _legend_width(names, columns) > figure.get_figwidth():
        columns -= 1
    figure.legend(entries.values(), names, loc="outside upper center", ncols=columns, fontsize=8)


def _legend_width(names: Sequence[str], columns: int) -> float:
    """About so many inches: matplotlib fills one column after the other."""
    return sum(0.55 + 0.065 * max(map(len, column)) for column in np.array_split(names, columns))


def measure_axis(axes: Axes, scale: Scale, along: str = "y") -> None:
    """An axis of values of what judges, as they are recorded: shares in per cent."""
    if scale is SHARES:
        percent_axis(axes, along)


def fence(values: Sequence[float], measure: Measure) -> tuple[float, float]:
    """From where to where values of what judges are shown: all of shares; of scores, which know no bounds, none that
    are worse than the others by so much that these would be one point (beyond Tukey's outer fence).
    """
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    if not measure.of_scores or not len(known):
        return -np.inf, np.inf
    quarter, three_quarters = np.quantile(known, [0.25, 0.75])
    far = FAR * (three_quarters - quarter) or np.inf
    return (quarter - far, np.inf) if measure.higher_is_better else (-np.inf, three_quarters + far)


def with_unit(title: str, scale: Scale) -> str:
    """What stands beside such an axis: the unit, too, where there is one and the numbers do not have it."""
    return title if scale is SHARES or not scale.unit else f"{title}, {scale.unit}"


def percent_axis(axes: Axes, along: str = "y") -> None:
    (axes.yaxis if along == "y" else axes.xaxis).set_major_formatter(mpl.ticker.PercentFormatter(1.0, symbol=" %"))


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write `name`.png and `name`.pdf, whole or not at all. The bytes depend on the figure alone."""
    written = []
    for suffix, metadata in (("png", {"Software": None}), ("pdf", {"CreationDate": None, "Producer": None})):
        path = folder / f"{name}.{suffix}"
        partial = path.with_suffix(f".partial.{suffix}")
        figure.savefig(partial, dpi=DPI, metadata=metadata, format=suffix)
        figure.set_layout_engine(None)  # once found, the layout stays: finding it takes as long as drawing
        partial.replace(path)
        written.append(path)
    return written


def hide_unused(axes: Iterable[Axes]) -> None:
    for one in axes:
        one.set_visible(False)
