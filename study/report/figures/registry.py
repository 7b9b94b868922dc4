"""All figures of a report, in the order of the page."""

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure as Drawing

from study.report.figures.classes import confusions, reliability
from study.report.figures.cost import cost
from study.report.figures.ensembles import ensembles
from study.report.figures.faces import mistaken_faces
from study.report.figures.learning import curves
from study.report.figures.outcome import differences, elsewhere, factors, table_1
from study.report.figures.seen import seen
from study.report.figures.style import Subject
from study.report.figures.targets import answers
from study.report.figures.tuning import hyperparameters, importance, untuned


@dataclass(frozen=True)
class Figure:
    """A figure: its file's name, title and caption, what it needs, and how to draw it (None: nothing to draw).

    needs: what the page says to be missing where there is nothing to draw; empty for nothing. elsewhere: whether it
    is drawn of other data that was tested, too. of_images: whether it shows images, so that a study of features lacks
    nothing without it. of_classes: whether it shows what was taken for what, so that one by a score lacks nothing.
    """

    name: str
    title: str
    caption: str
    needs: str
    draw: Callable[[Subject], Drawing | None]
    elsewhere: bool = False
    of_images: bool = False
    of_classes: bool = False


FIGURES = (
    Figure(
        "differences",
        "Differences between arms",
        "Mean difference of every pair with its interval, as in the table. Ticks: single seeds; the searches where "
        "every arm was searched more than once; the folds. Filled: decided. Dotted: the gain that is claimed.",
        "two arms confirmed with two common seeds",
        differences,
    ),
    Figure(
        "elsewhere",
        "The same differences on other data",
        "Mean difference of every pair with its interval on the study's own test images and on those of other data, "
        "by the classes that both have. Marks and ticks as above.",
        "",  # most studies test no other
        elsewhere,
    ),
    Figure(
        "factors",
        "Over the values that are compared",
        "Blue: the mean over what else is compared, with the 95 % interval over seeds and test images or subjects, "
        "or over folds. Grey: each combination of the others.",
        "",  # a study that crosses no factors lacks nothing
        factors,
    ),
    Figure(
        "table_1",
        "The paper's Table 1 beside ours",
        "Star: the test accuracy of Table 1, one run. Cross: the paper's configuration as it is, at this study's "
        "scale, one seed. Below it: the arm's confirmation.",
        "",  # nor does one in whose space the paper's configurations do not lie
        table_1,
    ),
    Figure(
        "confusions",
        "Confusion matrices (the paper's Figure 3)",
        "Of every label's test images, the percentage taken for each class, over all seeds of the confirmation.",
        "predictions of confirmed arms",
        confusions,
        elsewhere=True,
        of_classes=True,
    ),
    Figure(
        "answers",
        "Answers beside what is true",
        "How many test images have which target and which answer, over all seeds of the confirmation, darker for "
        "more. Dotted: answers that are right. A column an arm, a row a target, of the first four.",
        "",  # of classes there are the matrices
        answers,
    ),
    Figure(
        "seen",
        "Accuracy by what was there to learn from",
        "Mean over the seeds of the confirmation, by how far the training image most like a test image stands out "
        "from others that come near. Right of the dotted line nearly all show one photograph.",
        "",  # where the images are not at hand, `mistaken_faces` says so
        seen,
    ),
    Figure(
        "ensembles",
        "Several networks together",
        "The study's measure on the test images, by the mean of the probabilities that so many of an arm's "
        "confirmations give, on the mean over the orders in which they may join.",
        "",  # a study with one seed lacks more than this
        ensembles,
    ),
    Figure(
        "curves",
        "Over the epochs (the paper's Figure 4)",
        "Confirmations: mean over the seeds that reached the epoch; the band is their range.",
        "epochs of confirmed arms",
        curves,
    ),
    Figure(
        "untuned",
        "How an arm does when it is not tuned",
        "Share of an arm's search trials that came to a value or less; the farther right, or of an error left, the "
        "better without luck. Pruned trials count with what they had reached.",
        "search trials",
        untuned,
    ),
    Figure(
        "hyperparameters",
        "Validation over each tuned setting",
        "One mark a search trial; open: pruned. Ringed: the winner of its arm, of each search.",
        "search trials that differ in a setting",
        hyperparameters,
    ),
    Figure(
        "importances",
        "Which settings matter",
        "PED-ANOVA within every arm over its completed search trials: the share that each setting has in what the "
        "best quarter of them has in common.",
        "ten completed search trials of an arm",
        importance,
    ),
    Figure(
        "cost",
        "Results against parameters and time",
        "Mean test result of the confirmation with its 95 % interval; time of one training on the machine of the "
        "study.",
        "confirmed arms",
        cost,
    ),
    Figure(
        "mistaken_faces",
        "The images most often mistaken",
        "Test images that the largest share of all confirmation trainings got wrong, the surest mistakes first: "
        "label, what they were taken for most often, share of trainings that were wrong.",
        "predictions, and the study's data at hand (--data)",
        mistaken_faces,
        of_images=True,
        of_classes=True,
    ),
    Figure(
        "reliability",
        "Reliability diagram",
        "Share right over the confidence of the prediction, in 15 bins over all seeds, and how often each confidence "
        "occurs. Below the diagonal: surer than right.",
        "predictions of confirmed arms",
        reliability,
        of_classes=True,
    ),
)
