"""What accuracy costs: parameters and time."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.analysis.arms import ArmFindings
from study.analysis.measures import Measure
from study.report.figures.style import Subject, legend_above, measure_axis, panels, style_of, with_unit


def cost(subject: Subject) -> Figure | None:
    """Test accuracy, or score, of every confirmed arm over its parameters, and over the time of one training."""
    arms = subject.confirmed
    if not arms or subject.found.evidence.only_judged:
        return None
    figure, (by_size, by_time) = panels(1, 2, height=3.0)
    for arm in arms:
        if arm.parameters is not None:
            _point(subject, by_size, arm, arm.parameters)
        _point(subject, by_time, arm, arm.seconds)
    _, measure = _shown(subject)
    by_size.set(xlabel="parameters", ylabel=f"{with_unit(f'test {measure.title}', measure.scale)}, 95 % interval")
    by_time.set(xlabel="seconds of one training, mean over seeds", xlim=(0, 1.1 * max(a.seconds for a in arms)))
    by_size.xaxis.set_major_formatter("{x:,.0f}")
    by_size.tick_params(axis="x", labelrotation=20)
    for panel in (by_size, by_time):
        measure_axis(panel, measure.scale)
    legend_above(figure, by_time.get_legend_handles_labels()[0])
    return figure


def _shown(subject: Subject) -> tuple[str, Measure]:
    """Accuracy, or where a score judges that."""
    measures = subject.found.evidence.measures
    name = "accuracy" if "accuracy" in measures else subject.found.evidence.measure
    return name, measures[name]


def _point(subject: Subject, axes: Axes, arm: ArmFindings, x: float) -> None:
    tested, style = arm.estimates[_shown(subject)[0]], style_of(subject, arm.arm)
    margin = tested.margin() if tested.repeats >= 2 else None
    axes.errorbar(
        x, tested.value, margin, color=style.colour, marker=style.marker, markersize=7, capsize=3, label=arm.arm,
        linestyle="",
    )  # fmt: skip
