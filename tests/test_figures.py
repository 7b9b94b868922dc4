"""What figures of a study with many arms or few trials look like, where it can be measured."""

from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from study.analysis.answers import Scores
from study.analysis.findings import find
from study.report.figures import registry
from study.report.figures.style import MOST_ARMS, SETTINGS, Subject
from study.report.figures.tuning import hyperparameters
from tests.made import RATES, make_study


@pytest.fixture(scope="module")
def many_arms(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """As many arms as a panel shows, the paper's two and others with long names, ten search trials each."""
    others = [f"dropout_before_softmax_{position}" for position in range(MOST_ARMS - 2)]
    arms = dict.fromkeys(("none", "block", *others), 0.5)
    crossed = {"one": {"a": ["none", *others[:2]], "b": ["block", *others[2:]]}}
    folder = tmp_path_factory.mktemp("many") / "study"
    alike = {image: image / 140 for image in range(140)}
    study = make_study(folder, arms, search=10, images=140, elsewhere={"wild": 70}, likeness=alike, factors=crossed)
    return Subject(find([study])[0], faces=np.zeros((140, 48, 48), dtype=np.uint8))


def of_numbers(subject: Subject) -> Subject:
    """The same study as if its networks had answered with numbers."""
    images, draw = np.arange(140), np.random.default_rng(0)
    targets = draw.normal(0, 1, (140, 2))
    trials = [trial for arm in subject.found.arms for trial in arm.confirmations["trial"]]
    scores = {
        trial: Scores(images, np.zeros((140, 1)), answers=targets + draw.normal(0, 1, (140, 2)), targets=targets)
        for trial in trials
    }
    evidence = subject.found.evidence
    record = {**evidence.record, "targets": ["valence", "arousal"]}
    return Subject(replace(subject.found, evidence=replace(evidence, scores=scores, records=(record,))))


@pytest.mark.parametrize("figure", registry.FIGURES, ids=lambda figure: figure.name)
def test_a_legend_stays_within_its_figure_and_off_what_is_drawn(figure: registry.Figure, many_arms: Subject) -> None:
    with mpl.rc_context(SETTINGS):
        drawing = figure.draw(of_numbers(many_arms) if figure.name == "answers" else many_arms)
        assert drawing is not None
        drawing.draw_without_rendering()
    for legend in _legends(drawing):
        frame = legend.get_window_extent()
        assert frame.x0 >= 0
        assert frame.x1 <= drawing.bbox.x1
        assert not any(frame.overlaps(axes.patch.get_window_extent()) for axes in drawing.axes)


def _legends(figure: Figure) -> list:
    return [*figure.legends, *(legend for axes in figure.axes if (legend := axes.get_legend()))]


def test_a_setting_with_fractions_stands_on_a_scale_however_few_trials_there_are(tmp_path: Path) -> None:
    few = Subject(find([make_study(tmp_path / "study", {"none": 0.5, "block": 0.5})])[0])
    with mpl.rc_context(SETTINGS):
        figure = hyperparameters(few)
    assert figure is not None
    (panel,) = (axes for axes in figure.axes if axes.get_xlabel() == "train.learning_rate")
    shown = np.concatenate([np.asarray(line.get_xdata(), dtype=float) for line in panel.lines])
    assert set(shown) == set(RATES[:3])
    assert panel.get_xscale() == "log"
