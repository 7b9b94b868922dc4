"""What is the most accurate network of this shape with no more parameters than the paper's?

Everything is tuned at once: where the SE blocks stand, width and depth of what can be widened, augmentation,
regularisation, optimiser and schedule, under the paper's 3,487,975 parameters. The tables hold accuracy and
parameters of every trial, for the front of the two.

Command:  python -m study.run --space best --budget full
Cost:     one arm, of networks up to the full size: meant for GPUs; budget quick, on two CPU cores, about 11 minutes
Outcome:  budget quick (5,000 images, five epochs): of four trials the first won, the paper's configuration at that
          scale, with 44.2 % (40.5 to 47.8, 3 seeds). Before a search began with it, four trials over fifteen settings
          came to 41.1 % (38.5 to 43.7, 3 seeds) and 48 to 42.0 % (40.4 to 43.7, 5 seeds;
          results/reference/best-fer2013-quick, an hour beside other work). At full size: not yet known
"""

from fer_core.config import TrialConfig
from fer_core.size import parameters
from search_spaces.space import Choice, Float, Space

SE = ("block", "conv")
MOST_PARAMETERS = parameters(TrialConfig())

SPACE = Space(
    name="best",
    question="What is the most accurate network of this shape with no more parameters than the paper's?",
    nuisance={
        "model.se_placement": Choice(("none", "block", "conv")),
        "model.se_reduction": Choice((2, 4, 8, 16, 32), when={"model.se_placement": SE}),
        "model.se_squeeze": Choice(("mean", "max"), when={"model.se_placement": SE}),
        "model.width": Float(0.125, 1.5),
        "model.kernel_size": Choice((3, 5)),
        "model.dense_units": Choice((64, 128, 256, 512)),
        "model.dropout": Float(0.0, 0.5),
        "model.dense_dropout": Float(0.0, 0.7),
        "augment.shift": Float(0.0, 0.2),
        "augment.flip": Choice((False, True)),
        "train.optimizer": Choice(("adam", "sgd")),
        "train.learning_rate": Float(2e-4, 0.1, log=True),
        "train.weight_decay": Float(0.0, 0.1, when={"train.optimizer": ("adam",)}),
        "train.label_smoothing": Float(0.0, 0.2),
        "train.schedule": Choice(("plateau", "cosine")),
    },
    constraints={
        f"at most {MOST_PARAMETERS:,} parameters, the paper's": lambda config: parameters(config) <= MOST_PARAMETERS
    },
)
