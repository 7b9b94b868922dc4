"""Is the paper's learning rate of 0.002 a good one for its network, with and without SE blocks?

The paper gives one rate for both of its networks (section 2.3) and no other that was tried. Five rates, each with
its own tuned shift and patience before the rate drops.

Command:  python -m study.run --space learning_rate
Cost:     ten arms: budget quick, on two CPU cores and FER2013, about 9 minutes
Outcome:  budget quick, 3 seeds (an eighth of the width, 5,000 images, five epochs;
          results/reference/learning_rate-fer2013-quick), on the mean over both placements: 0.004 is better than
          0.002 (+2.5 points, +2.1 to +3.0), 0.008 perhaps more (+3.9, +2.5 to +5.2, undecided), 0.0005 costs some
          8. At full size: not yet known
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
