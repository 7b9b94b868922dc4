"""Which regularisation closes the gap between training and test accuracy that the paper regrets?

Table 1 has 86 to 89 % on the training images and 68 to 69 % on the test images, and section 3.2 asks for a method
against it. Each remedy alone with its tuned strength, none of them, and all together.

Command:  python -m study.run --space regularisation
Cost:     six arms: budget quick, on two CPU cores and FER2013, about 6 minutes
Outcome:  budget quick, 3 seeds (an eighth of the width, 5,000 images, five epochs;
          results/reference/regularisation-fer2013-quick): nothing can be told from no regularisation; weight decay
          has +2.9 points (-0.1 to +6.0), flips +1.4 (+0.0 to +2.7), smoothing -0.5, dropout -4.2, all -5.2 (-7.1 to
          -3.3). So short a training has little to regularise. At full size: not yet known
"""

from search_spaces.space import Float, Space

NO_DROPOUT = {"model.dropout": 0.0, "model.dense_dropout": 0.0}

SPACE = Space(
    name="regularisation",
    question="Which regularisation closes the gap between training and test accuracy?",
    variants={
        "none": NO_DROPOUT,
        "dropout": {},
        "weight_decay": NO_DROPOUT,
        "label_smoothing": NO_DROPOUT,
        "flip": {**NO_DROPOUT, "augment.flip": True},
        "all": {"augment.flip": True},
    },
    nuisance={
        "train.learning_rate": Float(2e-4, 5e-3, log=True),
        "model.dropout": Float(0.05, 0.5, when={"variant": ("dropout", "all")}),
        "model.dense_dropout": Float(0.1, 0.7, when={"variant": ("dropout", "all")}),
        "train.weight_decay": Float(1e-3, 0.3, log=True, when={"variant": ("weight_decay", "all")}),
        "train.label_smoothing": Float(0.02, 0.3, when={"variant": ("label_smoothing", "all")}),
    },
)
