"""Which epoch of a training should be tested: the one best by validation accuracy, by validation loss, or the last?

The paper tests the epoch that is best by accuracy, on the images that choose it (section 2.3). Many papers test the
last one, and Keras' own callbacks go by the loss unless they are told otherwise. In the arm `last` no training ends
early.

Command:  python -m study.run --space epoch_choice
Cost:     three arms: budget quick, on two CPU cores and FER2013, about 3 minutes
Outcome:  an eighth of the width, 5,000 images, 30 epochs along a cosine, 8 seeds
          (results/reference/epoch_choice-fer2013; 45 minutes beside other work): loss less accuracy +0.19 points
          (-0.10 to +0.47), last less accuracy +0.02 (-0.20 to +0.23): no difference larger than 0.48 and 0.24. At
          full size, and where the rate waits for a plateau: not yet known
"""

from search_spaces.space import Float, Space

SPACE = Space(
    name="epoch_choice",
    question="Which epoch should be tested: the best by accuracy, the best by loss, or the last?",
    scientific={"train.monitor": ("accuracy", "loss", "last")},
    nuisance={
        "train.learning_rate": Float(2e-4, 5e-3, log=True),
        "augment.shift": Float(0.0, 0.2),
    },
)
