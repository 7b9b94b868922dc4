"""Is the paper's learning rate of 0.002 a good one for its network, with and without SE blocks?

The paper gives one rate for both of its networks (section 2.3) and no other that was tried. Five rates, each with
its own tuned shift and patience before the rate drops.

Command:  python -m study.run --space learning_rate
Cost:     ten arms: budget quick, on two CPU cores and FER2013, about 25 minutes
Outcome:  not yet known
"""

from search_spaces.space import Float, Int, Space

SPACE = Space(
    name="learning_rate",
    question="Is 0.002 a good learning rate for this network, with and without SE blocks?",
    scientific={
        "train.learning_rate": (0.002, 0.0005, 0.001, 0.004, 0.008),
        "model.se_placement": ("none", "block"),
    },
    nuisance={"augment.shift": Float(0.0, 0.2), "train.plateau_patience": Int(3, 12)},
)
