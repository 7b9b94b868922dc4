"""Do ten annotators' votes teach a network more than the label that most of them agree on?

Barsoum et al. (2016), who gathered FER+'s votes, say so: majority voting does not perform as well as their
distribution in the cross-entropy, or a label drawn from it in every epoch. The arms are these three, all chosen and
tested by the majority's labels.

Command:  python -m study.run --space soft_labels --data fer2013.csv --labels fer2013new.csv
Cost:     three arms: budget quick, on two CPU cores, about 3 minutes
Outcome:  a quarter of the width, 8,000 images, 8 epochs, 6 seeds (results/reference/soft_labels-ferplus-quarter): the
          distribution is better than the label by 0.56 points (+0.23 to +0.88, p = 0.004), a label drawn from it is
          worse by 1.07 (-1.60 to -0.54, p = 0.004). At full size and over more epochs: not yet known
"""

from search_spaces.space import Float, Space

SPACE = Space(
    name="soft_labels",
    question="Do annotators' votes teach a network more than the label that most of them agree on?",
    scientific={"train.targets": ("label", "distribution", "drawn")},
    nuisance={
        "train.learning_rate": Float(2e-4, 5e-3, log=True),
        "train.label_smoothing": Float(0.0, 0.2),
    },
)
