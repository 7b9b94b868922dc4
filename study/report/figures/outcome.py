"""What came out: the differences between arms, and the paper's Table 1 beside ours."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fer_core import paper
from study.analysis.comparisons import Comparison
from study.analysis.effects import level_means
from study.analysis.looks import level_text
from study.analysis.verdicts import is_decided
from study.report.figures.style import (
    COLOURS,
    INK,
    Subject,
    legend_above,
    measure_axis,
    panels,
    percent_axis,
    style_of,
    with_unit,
)

MOST_PAIRS = 40


def differences(subject: Subject) -> Figure | None:
    """Every pair's difference with its interval, zero, and the gain that is claimed."""
    found = subject.found
    pairs = [one for one in found.comparisons if one.difference.repeats >= 2][:MOST_PAIRS]
    if not pairs:
        return None
    figure, (axes,) = panels(1, 1, width=7.2, height=1.2 + 0.34 * len(pairs))
    _intervals(subject, axes, {f"{one.arm} - {one.baseline}": one for one in pairs})
    claim = found.evidence.claim
    if claim is not None and found.evidence.measure == claim.measure:
        measure = found.evidence.judged_by
        at = measure.scale.times * (claim.gain if measure.higher_is_better else -claim.gain)
        axes.axvline(at, color=INK, linestyle=":", linewidth=1.2, label=f"{claim.whose} gain, {claim.amount}")
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1))
    return figure


def elsewhere(subject: Subject) -> Figure | None:
    """Every pair's difference on the data's own test images, and on those of other data that was tested, too."""
    found = subject.found
    rows = {
        f"{pair.arm} - {pair.baseline} on {name}": one
        for pair in found.comparisons
        for name, there in {found.evidence.record["data"]: found, **found.elsewhere}.items()
        for one in there.comparisons
        if (one.arm, one.baseline) == (pair.arm, pair.baseline) and one.difference.repeats >= 2
    }
    if not found.elsewhere or not rows:
        return None
    shown = dict(list(rows.items())[:MOST_PAIRS])
    figure, (axes,) = panels(1, 1, width=7.2, height=1.2 + 0.34 * len(shown))
    _intervals(subject, axes, shown)
    return figure


def _intervals(subject: Subject, axes: Axes, rows: Mapping[str, Comparison]) -> None:
    for row, one in enumerate(rows.values()):
        _interval(subject, axes, row, one)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    evidence = subject.found.evidence
    axes.set_xlabel(
        f"difference in test {evidence.judged_by.differences}, with {level_text(evidence.looks)} interval"
    )
    axes.grid(axis="y", visible=False)


def _interval(subject: Subject, axes: Axes, row: int, one: Comparison) -> None:
    gap, style, times = one.difference, style_of(subject, one.arm), subject.found.evidence.judged_by.scale.times
    axes.plot([times * gap.low, times * gap.high], [row, row], color=style.colour, linewidth=2)
    axes.plot([times * value for value in gap.by_repeat], [row + 0.25] * gap.repeats, "|", color=style.colour)
    filled = style.colour if is_decided(one.verdict) else "white"
    axes.plot(times * gap.value, row, style.marker, color=style.colour, markerfacecolor=filled, markersize=8)


def factors(subject: Subject) -> Figure | None:
    """The test result over the values of every crossed factor: the mean of the others' combinations, and each."""
    evidence, arms = subject.found.evidence, subject.found.arms
    means = {factor: level_means(evidence, arms, factor) for factor in evidence.factors}
    means = {factor: of_values for factor, of_values in means.items() if of_values}
    if not means:
        return None
    tested = {arm.arm: arm.estimates[evidence.measure].value for arm in arms}
    figure, axes = panels(1, len(means))
    for panel, (factor, of_values) in zip(axes, means.items(), strict=True):
        places = range(len(of_values))
        for group in zip(*evidence.factors[factor].values(), strict=True):
            panel.plot(places, [tested[arm] for arm in group], "o-", color="#999999", linewidth=1, markersize=3)
        margins = [one.margin() if one.repeats >= 2 else 0.0 for one in of_values.values()]
        panel.errorbar(
            places, [one.value for one in of_values.values()], margins, color=COLOURS[0], marker="s", linewidth=2.5,
            markersize=7, capsize=4,
        )  # fmt: skip
        panel.set_xticks(places, of_values, rotation=30 if max(map(len, of_values)) > 8 else 0)
        scale = evidence.judged_by.scale
        panel.set(xlabel=factor, ylabel=with_unit(f"test {evidence.judged_by.title}", scale))
        panel.grid(axis="x", visible=False)
        measure_axis(panel, scale)
    return figure


def table_1(subject: Subject) -> Figure | None:
    """The paper's test accuracies, its configurations as they ran here once, and the tuned winners of their arms."""
    found = subject.found
    titles = found.evidence.reported
    by_name = {arm.arm: arm for arm in found.arms}
    runs = {title: row["test_accuracy"] for title, row in found.evidence.paper_runs.items()}
    if not any(title in runs or by_name[arm].seeds for title, arm in titles.items()):
        return None
    figure, (axes,) = panels(1, 1, width=7.2, height=1.6 + 0.5 * len(titles))
    for row, (title, arm) in enumerate(titles.items()):
        style, tested = style_of(subject, arm), by_name[arm].estimates["accuracy"]
        axes.plot(paper.REPORTED_TEST_ACCURACY[title], row - 0.2, "*", color=INK, markersize=11, label="Table 1")
        if title in runs:
            axes.plot(
                runs[title], row, "x", color=style.colour, markersize=8, markeredgewidth=2,
                label="its configuration here, one seed",
            )  # fmt: skip
        if tested.repeats >= 2:
            axes.plot([tested.low, tested.high], [row + 0.2] * 2, color=style.colour, linewidth=2)
        if tested.seeds:
            axes.plot(
                tested.value, row + 0.2, style.marker, color=style.colour, markersize=8,
                label=f"the arm here, mean of {tested.seeds} with 95 % interval",
            )  # fmt: skip
    axes.set_yticks(range(len(titles)), [f"{title}\n(arm {arm})" for title, arm in titles.items()])
    axes.set_ylim(len(titles) - 0.5, -0.5)
    axes.set_xlabel("test accuracy")
    percent_axis(axes, "x")
    axes.grid(axis="y", visible=False)
    legend_above(figure, axes.get_legend_handles_labels()[0])
    return figure
