"""The images that the networks take most often for something else."""

import numpy as np
from matplotlib.figure import Figure

from study.report.figures.classes import answers_of
from study.report.figures.style import Subject, panels

COLUMNS, ROWS = 8, 3


def mistaken_faces(subject: Subject) -> Figure | None:
    """The test images that most trainings got wrong, the surest mistakes first, with label and prediction."""
    trainings = [one for arm in subject.found.arms for one in answers_of(subject, arm)]
    if not trainings or subject.faces is None:
        return None
    images = trainings[0].images
    trainings = [one for one in trainings if np.array_equal(one.images, images)]
    wrong = np.mean([~one.correct for one in trainings], axis=0)
    probabilities = np.mean([one.probabilities for one in trainings], axis=0)
    labels = trainings[0].labels
    taken_for = _most_often_wrong(trainings)
    sure = probabilities[np.arange(len(images)), taken_for]
    order = np.lexsort((-sure, -wrong))[: COLUMNS * ROWS]
    order = order[wrong[order] > 0]
    if not len(order):
        return None
    names = subject.found.evidence.record["class_names"]
    figure, axes = panels(ROWS, COLUMNS, width=1.25, height=1.75)
    for panel in axes:
        panel.set_axis_off()
    for panel, at in zip(axes, order, strict=False):
        panel.imshow(subject.faces[images[at]], cmap="gray", vmin=0, vmax=255)
        text = f"{names[labels[at]]}\n→ {names[taken_for[at]]}\n{100 * wrong[at]:.0f} % wrong"
        panel.set_title(text, fontsize=8, loc="left")
    return figure


def _most_often_wrong(trainings: list) -> np.ndarray:
    """For every image the class, other than its label, that it was taken for most often."""
    labels = trainings[0].labels
    votes = np.zeros((len(labels), int(trainings[0].probabilities.shape[1])))
    for one in trainings:
        votes[np.arange(len(labels)), one.predicted] += 1
    votes[np.arange(len(labels)), labels] = -1
    return votes.argmax(axis=1)
