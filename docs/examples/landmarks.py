"""Do facial landmarks tell emotions better once place, size and tilt of the face are taken out of them?

A space on features instead of images: 68 points a face, (68, 2), as dlib, OpenFace or MediaPipe find them. Its
network is two dense layers on the points; the arms differ in what is done to them before. (Landmarks in place of
pixels are an old way: Cootes et al. 1995. docs/your_own.md says how the points of FER2013 were found.)

Command:  python -m study.run --space docs/examples/landmarks.py --data landmarks.npz --budget standard --epochs 20
          with --searches 5 --trials 8 --seeds 3
Cost:     23 minutes on two CPU cores, beside other work
Outcome:  as found 53.28 %, scaled 53.71, upright 54.17: no difference larger than a point, and undecided
          (results/reference/landmarks-fer2013; docs/findings.md, "Landmarks instead of pixels")
"""

from search_spaces.space import Choice, Float, Space

RIGHT_EYE, LEFT_EYE = slice(36, 42), slice(42, 48)  # of the 68 points of iBUG 300-W


def dense(points, settings):
    """Two dense layers on points (batch, 68, 2), pixels of images 48 pixels wide."""
    from keras import layers, ops

    if settings["place"] == "found":
        x = points / 48 - 0.5
    else:
        x = points - ops.mean(points, axis=1, keepdims=True)
        x = x / ops.sqrt(ops.mean(ops.square(x), axis=(1, 2), keepdims=True) + 1e-6)
    if settings["place"] == "upright":
        eyes = ops.mean(x[:, LEFT_EYE], axis=1) - ops.mean(x[:, RIGHT_EYE], axis=1)
        eyes = eyes / ops.sqrt(ops.sum(ops.square(eyes), axis=1, keepdims=True) + 1e-6)
        cosine, sine = eyes[:, None, 0], eyes[:, None, 1]
        x = ops.stack([x[..., 0] * cosine + x[..., 1] * sine, x[..., 1] * cosine - x[..., 0] * sine], axis=2)
    x = layers.Flatten()(x)
    for _ in range(2):
        x = layers.Dense(settings["units"], use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
        x = layers.Dropout(settings["dropout"])(x)
    return x


SPACE = Space(
    name="landmarks",
    question="Do facial landmarks tell emotions better once place, size and tilt of the face are taken out of them?",
    network=dense,
    scientific={"place": ("found", "scaled", "upright")},
    nuisance={
        "train.learning_rate": Float(3e-4, 3e-2, log=True),
        "dropout": Float(0.0, 0.5),
        "units": Choice((64, 256)),
    },
    fixed={"augment.shift": 0.0, "train.schedule": "cosine"},  # points cannot be shifted as images are
    published={"train.learning_rate": 0.002, "dropout": 0.25, "units": 256},
)
