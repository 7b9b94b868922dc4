"""How many pixels does this network need?

FER2013 has 48 x 48 (section 2.1), of which the paper uses all. Three resolutions, each with its own learning rate and
shift, with and without SE blocks. On images with more pixels, give their own sides in a space of your own.

Command:  python -m study.run --space resolution
Cost:     six arms: budget quick, on two CPU cores and FER2013, about 4 minutes
Outcome:  budget quick, 5 seeds, 3 at a first look (an eighth of the width, 5,000 images, five epochs;
          results/reference/resolution-fer2013-quick), on the mean over both placements: 32 pixels cost 3.7 points
          (1.5 to 5.9), 24 cost 6.2 (3.0 to 9.4). At full size: not yet known
"""

from search_spaces.space import Float, Space

SPACE = Space(
    name="resolution",
    question="How many pixels a side does this network need, with and without SE blocks?",
    scientific={"data.side": (48, 32, 24), "model.se_placement": ("none", "block")},
    nuisance={
        "train.learning_rate": Float(5e-4, 8e-3, log=True),
        "augment.shift": Float(0.0, 0.2),
    },
    fixed={"data.interpolation": "bilinear"},
)
