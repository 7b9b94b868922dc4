"""Accuracy over how alike a test image is to the one most like it among those that train."""

from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure

from fer_core.data.likeness import SAME_PHOTOGRAPH
from study.report.figures.classes import answers_of
from study.report.figures.style import INK, Subject, legend_above, panels, percent_axis, style_of

EDGES = (0.1, 0.15, 0.2, SAME_PHOTOGRAPH, 0.35, 0.45)


def seen(subject: Subject) -> Figure | None:
    """Every arm's mean over its seeds, in steps of likeness, the last of them identical images."""
    alike = subject.found.evidence.likeness
    if alike is None or not subject.found.seen:
        return None
    figure, (axes,) = panels(1, 1, width=7.2, height=3.6)
    counts = np.zeros(len(EDGES) + 2, int)
    for arm in subject.confirmed:
        answers = answers_of(subject, arm)
        images = np.concatenate([one.images for one in answers])
        distinct = np.concatenate([one.distinct for one in answers if one.distinct is not None])
        step = np.where(distinct, np.digitize(alike["likeness"].reindex(images), EDGES), len(EDGES) + 1)
        right = np.concatenate([one.correct for one in answers])
        tested = np.bincount(step, minlength=len(counts))
        counts = np.maximum(counts, tested // len(answers))
        shares = np.bincount(step, right, len(counts)) / np.maximum(tested, 1)
        axes.plot(np.flatnonzero(tested), shares[tested > 0], label=arm.arm, **style_of(subject, arm.arm).line)
    axes.set_xticks(
        range(len(counts)), [f"{text}\n{n:,}" for text, n in zip(_steps(), counts, strict=True)], fontsize=8
    )
    axes.axvline(EDGES.index(SAME_PHOTOGRAPH) + 0.5, color=INK, linestyle=":", linewidth=1.2)
    axes.set(xlabel="likeness to a training image, and how many test images have it", ylabel="test accuracy")
    percent_axis(axes)
    legend_above(figure, axes.get_legend_handles_labels()[0])
    return figure


def _steps() -> list[str]:
    between = [f"{low:g} to {high:g}" for low, high in pairwise(EDGES)]
    return [f"below {EDGES[0]:g}", *between, f"above {EDGES[-1]:g}", "identical"]
