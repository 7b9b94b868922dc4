"""Do squeeze-and-excitation blocks help the paper's network, and where should they stand?

The paper puts one SE block at the end of each of its three blocks (Figure 2), reports 69.04 % against 68.01 %
for the network without, from one run of each, and says that a block after every convolution would do better
still (section 3.2). This space compares the three, each with its own tuned learning rate, shift and, where
there is an SE block, reduction ratio.

Command:  python -m study.run --space se_placement
Cost:     budget quick, on two CPU cores: about a minute on the embedded faces, 3 on FER2013
Outcome:  full size, 60 epochs, 5 seeds, 4 search trials an arm (results/reference/se_placement-fer2013-full): none
          69.4 %, block 70.9 %, conv 70.3 %; block less none +1.53 points (+0.39 to +2.67), the paper's gain
          replicated, p = 0.053 once corrected; conv less none +0.93 (-0.16 to +2.01). A quarter of the width, 12
          epochs (se_placement-fer2013-quarter): 63.9, 64.2 and 64.0 %, +0.35 (-0.54 to +1.24) and +0.16 (-0.71 to
          +1.03), undecided. An eighth, 5,000 images, 5 epochs (se_placement-fer2013-tuned): conv less none -1.35
          (-2.31 to -0.40), worse
"""

from search_spaces.space import Choice, Float, Space

SPACE = Space(
    name="se_placement",
    question="Do SE blocks help this network, and should they stand per block or after every convolution?",
    scientific={"model.se_placement": ("none", "block", "conv")},
    nuisance={
        "train.learning_rate": Float(2e-4, 5e-3, log=True),
        "augment.shift": Float(0.0, 0.2),
        "model.se_reduction": Choice((2, 4, 8, 16, 32), when={"model.se_placement": ("block", "conv")}),
    },
)
