"""Does "SE blocks help" survive each of the choices that the paper leaves open?

`python -m fer_core.paper` lists the settings that the paper does not give and what is assumed for each. Here one of
them changes at a time, and SE per block is compared with no SE under each, both with their own learning rate.

Command:  python -m study.run --space paper_gaps
Cost:     24 arms: budget quick, on two CPU cores and FER2013, about 20 minutes
Outcome:  budget quick, 3 seeds (an eighth of the width, 5,000 images, five epochs;
          results/reference/paper_gaps-fer2013-quick): on the mean over the variants block has +1.4 points (-0.4 to
          +3.2), undecided, and no variant decides by itself; most of the mean is no_dense_norm (+15.1, +5.0 to
          +25.1), without which it is about +0.1. At full size: not yet known
"""

from search_spaces.space import Float, Space

SPACE = Space(
    name="paper_gaps",
    question="Does it help to add SE blocks whatever the settings that the paper leaves open?",
    scientific={"model.se_placement": ("none", "block")},
    variants={
        "as_assumed": {},
        "no_batch_norm": {"model.batch_norm": False},
        "no_dense_norm": {"model.dense_norm": False},
        "no_dropout": {"model.dropout": 0.0, "model.dense_dropout": 0.0},
        "dropout_before_softmax": {"model.dropout": 0.0, "model.dense_dropout": 0.5},
        "no_shift": {"augment.shift": 0.0},
        "shift_0.2": {"augment.shift": 0.2},
        "dense_1024": {"model.dense_units": 1024},
        "kernel_5": {"model.kernel_size": 5},
        "squeeze_max": {"model.se_squeeze": "max"},
        "reduction_4": {"model.se_reduction": 4},
        "plateau_after_3": {"train.plateau_patience": 3, "train.plateau_factor": 0.5},
    },
    nuisance={"train.learning_rate": Float(2e-4, 5e-3, log=True)},
)
