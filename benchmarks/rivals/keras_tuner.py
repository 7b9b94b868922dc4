"""KerasTuner: one trial after the other in one process, with all cores."""

import sys
from pathlib import Path

import keras
import keras_tuner

from benchmarks.rivals.network import EPOCHS, TRIALS, build, flow


class Model(keras_tuner.HyperModel):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        return build(hp.Float("learning_rate", 2e-4, 5e-3, sampling="log"))

    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: object, **given: object) -> object:
        train, val = flow(self.folder, "train", hp.Float("shift", 0.0, 0.2)), flow(self.folder, "val")
        return model.fit(train, validation_data=val, epochs=EPOCHS, verbose=0, callbacks=given["callbacks"])


def main(folder: str) -> None:
    tuner = keras_tuner.BayesianOptimization(
        Model(Path(folder)), objective="val_accuracy", max_trials=TRIALS, directory=folder, overwrite=True
    )
    tuner.search(verbose=0)
    print(tuner.oracle.get_best_trials(1)[0].score)


if __name__ == "__main__":
    main(sys.argv[1])
