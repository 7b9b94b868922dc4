"""Where a score judges numbers: what was answered beside what is true."""

from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.analysis.answers import Scores
from study.report.figures.style import INK, Subject, panels

MOST_TARGETS = 4  # that are shown
CELLS = 40  # along an axis


def answers(subject: Subject) -> Figure | None:
    """How many test images, over all seeds, have which answer and which target; a row a target, a column an arm."""
    known = subject.found.evidence.scores
    arms = [
        (arm, scores)
        for arm in subject.confirmed
        if (scores := [known[trial] for trial in arm.confirmations["trial"] if trial in known])
    ]
    if not arms or any(one.answers is None for _, scores in arms for one in scores):
        return None
    names = subject.found.evidence.record["targets"][:MOST_TARGETS]
    figure, axes = panels(len(names), len(arms), width=3.6, height=3.4)
    for panel, ((position, name), (arm, scores)) in zip(axes, product(enumerate(names), arms), strict=True):
        _cloud(panel, scores, position)
        panel.set(title=arm.arm, xlabel=name, ylabel=f"{name}, answered")
    return figure


def _cloud(axes: Axes, scores: list[Scores], position: int) -> None:
    """Answers farther off than what is true of any image, by a tenth of its range, stand at the edge."""
    given = [
        (one.answers[:, position], one.targets[:, position])
        for one in scores
        if one.answers is not None and one.targets is not None
    ]
    found, true = (np.concatenate(parts) for parts in zip(*given, strict=True))
    low, high = float(true.min()), float(true.max())
    room = (high - low) / 10 or 1.0
    low, high = low - room, high + room
    extent = (low, high, low, high)
    axes.hexbin(true, found.clip(low, high), gridsize=CELLS, extent=extent, bins="log", mincnt=1, cmap="Blues")
    axes.plot([low, high], [low, high], color=INK, linewidth=1, linestyle=":")
    axes.set(xlim=(low, high), ylim=(low, high))
    axes.grid(visible=False)
