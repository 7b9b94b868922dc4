"""Which reduction ratio should the SE blocks have, per block and after every convolution?

The paper leaves the ratio open; Hu et al. (2018) use 16, for networks with up to 2,048 channels where this one has
32 to 256. Each ratio gets its own learning rate and shift.

Command:  python -m study.run --space reduction_ratio
Cost:     ten arms: budget quick, on two CPU cores and FER2013, about 10 minutes
Outcome:  budget quick, 3 seeds (an eighth of the width, 5,000 images, five epochs;
          results/reference/reduction_ratio-fer2013-quick), on the mean over both placements: no ratio can be told
          from another; 8 is within 0.9 points of 4 and of 32. At full size: not yet known
"""

from search_spaces.space import Float, Space

SPACE = Space(
    name="reduction_ratio",
    question="Which reduction ratio should the SE blocks have, per block and after every convolution?",
    scientific={"model.se_reduction": (16, 2, 4, 8, 32), "model.se_placement": ("block", "conv")},
    nuisance={"train.learning_rate": Float(2e-4, 5e-3, log=True), "augment.shift": Float(0.0, 0.2)},
)
