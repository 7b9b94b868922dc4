"""Optuna's `optimize`: one trial after the other in one process, with all cores."""

import sys
from pathlib import Path

import optuna

from benchmarks.rivals.network import EPOCHS, TRIALS, build, flow


def main(folder: str) -> None:
    def objective(trial: optuna.Trial) -> float:
        model = build(trial.suggest_float("learning_rate", 2e-4, 5e-3, log=True))
        train = flow(Path(folder), "train", trial.suggest_float("shift", 0, 0.2))
        fitted = model.fit(train, validation_data=flow(Path(folder), "val"), epochs=EPOCHS, verbose=0)
        return max(fitted.history["val_accuracy"])

    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=TRIALS)
    print(study.best_value)


if __name__ == "__main__":
    main(sys.argv[1])
