"""How much the networks of an arm gain by answering together, over how many they are."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from study.analysis.answers import Answers, aligned
from study.analysis.ensembles import together
from study.analysis.measures import Measure
from study.report.figures.classes import answers_of
from study.report.figures.style import Subject, legend_above, panels, percent_axis, style_of

ORDERS = 20  # at least, in which an arm's networks join
SEED = 0


def ensembles(subject: Subject) -> Figure | None:
    """Every arm's measure over the number of networks: the mean over the orders in which they may join."""
    found = subject.found
    if not found.ensembles:
        return None
    measure = found.evidence.judged_by
    figure, (axes,) = panels(1, 1, width=6.2, height=3.6)
    for arm in subject.confirmed:
        values = _by_number(answers_of(subject, arm), measure)
        axes.plot(range(1, len(values) + 1), values, label=arm.arm, **style_of(subject, arm.arm).line)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="networks that answer together", ylabel=f"test {measure.title}")
    percent_axis(axes)
    legend_above(figure, axes.get_legend_handles_labels()[0])
    return figure


def _by_number(answers: list[Answers], measure: Measure) -> np.ndarray:
    """(K,): of 1, 2, ... K of them, on the images that all answered. Each of them is as often the n-th to join."""
    answers, random = aligned(answers), np.random.default_rng(SEED)
    count = len(answers)
    drawn = [random.permutation(count) for _ in range(-(-ORDERS // count))]
    orders = [np.roll(order, by) for order in drawn for by in range(count)]
    growing = [together([answers[at] for at in order[:n]]) for order in orders for n in range(1, count + 1)]
    return measure.observe(growing).by_seed.reshape(-1, count).mean(axis=0)
