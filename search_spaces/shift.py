"""How far should the training images be shifted, if at all?

The paper shifts "by a fraction" (section 2.1) without giving it. Five fractions, each with its own learning rate,
with and without SE blocks.

Command:  python -m study.run --space shift
Cost:     ten arms: budget quick, on two CPU cores and FER2013, about 10 minutes
Outcome:  budget quick, 3 seeds (an eighth of the width, 5,000 images, five epochs;
          results/reference/shift-fer2013-quick), on the mean over both placements: 0.2 costs 10.5 points (-13.0 to
          -7.9), 0.3 costs 18.9; 0.05 and 0.1 cannot be told from none. So short a training has nothing to
          regularise. At full size: not yet known
"""

from search_spaces.space import Float, Space

SPACE = Space(
    name="shift",
    question="How far should the training images be shifted, if at all?",
    scientific={"augment.shift": (0.0, 0.05, 0.1, 0.2, 0.3), "model.se_placement": ("none", "block")},
    nuisance={"train.learning_rate": Float(2e-4, 5e-3, log=True)},
)
