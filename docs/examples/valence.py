"""Should valence and arousal be learned by their squared error, or by the absolute one, which judges?

A space whose targets are numbers in the place of classes. A linear model reads them from eigenfaces (Turk and
Pentland 1991), trained step by step towards either error; by which of them it is judged is a Score that it gives
every image itself. docs/data.md makes the data from FER+'s votes ("Numbers in the place of classes").

Command:  python -m study.run --space docs/examples/valence.py --data valence.npz --budget standard --epochs 20
          with --searches 5 --trials 8 --seeds 3
Cost:     6 minutes on two CPU cores
Outcome:  the absolute error, by 0.006 (results/reference/valence-ferplus; docs/findings.md, "Valence and arousal")
"""

import pickle

import numpy as np

from fer_core.trainer import Trainer
from search_spaces.space import Choice, Float, Score, Space


class Eigenfaces(Trainer):
    """A linear model on the principal components of the pixels, by stochastic gradients (scikit-learn)."""

    def __init__(self, settings, seed, images, labels, classes):
        from sklearn.decomposition import PCA
        from sklearn.linear_model import SGDRegressor
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer

        flat = FunctionTransformer(lambda faces: faces.reshape(len(faces), -1) / np.float32(255))
        self.seen = make_pipeline(flat, PCA(settings["components"], whiten=True, svd_solver="randomized"))
        self.inputs, self.targets = self.seen.fit_transform(images), labels
        kind = {"squared": "squared_error", "absolute": "epsilon_insensitive"}[settings["loss"]]
        given = {"eta0": settings["rate"], "alpha": settings["decay"], "epsilon": 0.0, "average": True}
        self.models = [SGDRegressor(loss=kind, learning_rate="constant", **given) for _ in classes]
        self.learning_rate, self.parameters = settings["rate"], len(classes) * (settings["components"] + 1)

    def train_epoch(self, number):
        order = np.random.permutation(len(self.inputs))
        for model, wanted in zip(self.models, self.targets.T, strict=True):
            model.partial_fit(self.inputs[order], wanted[order])

    def predict(self, images):
        inputs = self.seen.transform(images)
        return np.stack([model.predict(inputs) for model in self.models], axis=1)

    def score(self, images, targets):  # how far off each is, on the mean over the targets
        return np.abs(self.predict(images) - targets).mean(axis=1)

    def save(self, path):
        path.write_bytes(pickle.dumps(self.models))

    def load(self, path):
        self.models = pickle.loads(path.read_bytes())


SPACE = Space(
    name="valence",
    question="Should valence and arousal be learned by their squared error, or by the absolute one, which judges?",
    trainer=Eigenfaces,
    measure=Score("absolute error", higher_is_better=False),  # of numbers that go from -1 to 1
    scientific={"loss": ("squared", "absolute")},
    nuisance={
        "rate": Float(1e-5, 1e-1, log=True),
        "decay": Float(1e-6, 1e-1, log=True),
        "components": Choice((50, 100, 200)),
    },
)
