"""What accuracy costs: parameters and time."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.analysis.arms import ArmFindings
from study.report.figures.style import Subject, legend_above, panels, percent_axis, style_of


def cost(subject: Subject) -> Figure | None:
    """Test accuracy of every confirmed arm over its parameters, and over the time of one training."""
    arms = subject.confirmed
    if not arms or subject.found.evidence.only_judged:
        return None
    figure, (by_size, by_time) = panels(1, 2, height=3.0)
    for arm in arms:
        if arm.parameters is not None:
            _point(subject, by_size, arm, arm.parameters)
        _point(subject, by_time, arm, arm.seconds)
    by_size.set(xlabel="parameters", ylabel="test accuracy, 95 % interval")
    by_time.set(xlabel="seconds of one training, mean over seeds", xlim=(0, 1.1 * max(a.seconds for a in arms)))
    by_size.xaxis.set_major_formatter("{x:,.0f}")
    by_size.tick_params(axis="x", labelrotation=20)
    for panel in (by_size, by_time):
        percent_axis(panel)
    legend_above(figure, by_time.get_legend_handles_labels()[0])
    return figure


def _point(subject: Subject, axes: Axes, arm: ArmFindings, x: float) -> None:
    tested, style = arm.estimates["accuracy"], style_of(subject, arm.arm)
    margin = tested.margin() if tested.repeats >= 2 else None
    axes.errorbar(
        x, tested.value, margin, color=style.colour, marker=style.marker, markersize=7, capsize=3, label=arm.arm,
        linestyle="",
    )  # fmt: skip
