"""By class and confidence: the confusion matrices of the paper's Figure 3, and the reliability diagram."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from study.analysis.answers import Answers, joined
from study.analysis.arms import ArmFindings
from study.analysis.folds import by_fold
from study.analysis.measures import BINS, confidence_bin
from study.report.figures.style import INK, Subject, hide_unused, legend_above, panels, percent_axis, style_of

MOST_NUMBERED, MOST_NAMED = 12, 50  # classes whose cells have room for a number; whose axes for names
CELL = 0.42  # inches of a side of one
DARK = 0.55  # of a cell's share, from which on its number is white


def confusions(subject: Subject) -> Figure | None:
    """Share of each label's test images that was taken for each class, over all seeds; a panel an arm."""
    arms = [(arm, answers) for arm in subject.confirmed if (answers := answers_of(subject, arm))]
    if not arms:
        return None
    names = subject.found.evidence.record["class_names"]
    large = len(names) > MOST_NUMBERED
    columns = min(2 if large else 3, len(arms))
    rows = -(-len(arms) // columns)
    side = max(4.0, min(8.0, CELL * len(names)))  # inches
    figure, axes = panels(rows, columns, width=side, height=side - 0.1)
    for panel, (arm, answers) in zip(axes, arms, strict=False):
        labels = np.concatenate([one.labels for one in answers])
        predicted = np.concatenate([one.predicted for one in answers])
        shares = confusion_matrix(labels, predicted, labels=range(len(names)), normalize="true")
        _matrix(panel, shares, names)
        in_folds = "" if arm.folds is None else f" in {arm.folds} folds"
        panel.set_title(f"{arm.arm}, {len(answers)} seed{'s' if len(answers) > 1 else ''}{in_folds}")
    hide_unused(axes[len(arms) :])
    return figure


def _matrix(axes: Axes, shares: np.ndarray, names: Sequence[str]) -> None:
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.grid(visible=False)
    for (row, column), share in np.ndenumerate(shares) if len(names) <= MOST_NUMBERED else ():
        colour = "white" if share > DARK else INK
        axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=8, color=colour)
    shown = range(0, len(names), -(-len(names) // MOST_NAMED))
    axes.set_xticks(
        shown, [names[at] for at in shown], rotation=45 if len(names) <= MOST_NUMBERED else 90, ha="right"
    )
    axes.set_yticks(shown, [names[at] for at in shown])
    axes.set(xlabel="predicted", ylabel="label, rows in %")
    axes.spines[:].set_visible(False)


def reliability(subject: Subject) -> Figure | None:
    """How often networks are right when they say how sure they are (Guo et al. 2017, Figure 1), over all seeds."""
    arms = [(arm, answers) for arm in subject.confirmed if (answers := answers_of(subject, arm))]
    if not arms or not all(one.has_probabilities for _, answers in arms for one in answers):
        return None
    figure, (diagram, counts) = panels(1, 2, height=3.4)
    diagram.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=":", label="as sure as right")
    for arm, answers in arms:
        confidence = np.concatenate([one.probabilities.max(axis=1) for one in answers]).astype(float)
        right = np.concatenate([one.correct for one in answers])
        bins = confidence_bin(confidence)
        size = np.bincount(bins, minlength=BINS)
        some = size > 0
        style = style_of(subject, arm.arm)
        x = np.bincount(bins, confidence, BINS)[some] / size[some]
        y = np.bincount(bins, right, BINS)[some] / size[some]
        error = arm.estimates["calibration_error"].value
        diagram.plot(x, y, label=f"{arm.arm}, error {100 * error:.1f} %", **style.line)
        counts.plot((np.arange(BINS) + 0.5) / BINS, size / size.sum(), label=arm.arm, **style.line)
    diagram.set(xlabel="confidence", ylabel="share right", xlim=(0, 1), ylim=(0, 1))
    noun = subject.found.evidence.noun
    counts.set(xlabel="confidence", ylabel=f"share of test {noun}s", xlim=(0, 1), ylim=(0, None))
    for panel in (diagram, counts):
        percent_axis(panel, "x")
        percent_axis(panel, "y")
    legend_above(figure, diagram.get_legend_handles_labels()[0])
    return figure


def answers_of(subject: Subject, arm: ArmFindings) -> list[Answers]:
    """The arm's answers, seed by seed, those that are at hand; of all folds together."""
    known = subject.found.evidence.answers
    if arm.folds is None:
        return [known[trial] for trial in arm.confirmations["trial"] if trial in known]
    table = by_fold(arm.confirmations).to_numpy()
    parts = [[known[trial] for trial in of_seed if trial in known] for of_seed in table]
    return [joined(of_seed) for of_seed in parts if of_seed]
