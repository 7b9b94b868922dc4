"""Do depthwise-separable convolutions do as well as full ones, with a fraction of the parameters?

A space with a network of its own, in Keras: `blocks` is the network, all else is the study's, from the shifts to the
schedule. (Separable: Chollet 2017.)

Command:  python -m study.run --space docs/examples/separable.py --data fer2013.csv
Cost:     budget quick on FER2013, on two CPU cores: 3 minutes
Outcome:  at that budget full 31.3 %, separable 30.6 % with an eighth of the parameters: -0.66 points (-7.78 to
          +6.46), undecided. Longer: not yet known
"""

from search_spaces.space import Choice, Float, Space


def blocks(x, settings):
    """Three convolutions, each normalised and pooled, and the mean over places."""
    from keras import layers

    kinds = {"full": layers.Conv2D, "separable": layers.SeparableConv2D}
    for channels in (32, 64, 128):
        x = kinds[settings["convolution"]](channels, settings["kernel"], padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.MaxPooling2D()(layers.ReLU()(x))
    x = layers.GlobalAveragePooling2D()(x)
    return layers.Dropout(settings["dropout"])(x)


SPACE = Space(
    name="separable",
    question="Do depthwise-separable convolutions do as well as full ones, with a fraction of the parameters?",
    network=blocks,
    scientific={"convolution": ("full", "separable")},
    nuisance={
        "train.learning_rate": Float(5e-4, 2e-2, log=True),
        "augment.shift": Float(0.0, 0.2),
        "kernel": Choice((3, 5)),
        "dropout": Float(0.0, 0.5),
    },
    fixed={"train.schedule": "cosine"},
    published={"train.learning_rate": 0.002, "augment.shift": 0.1, "kernel": 3, "dropout": 0.25},
)
