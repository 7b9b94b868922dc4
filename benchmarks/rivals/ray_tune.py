"""Ray Tune as its guide for Keras has it: a function, OptunaSearch, ASHA, the Keras callback."""

import sys
from pathlib import Path

from ray import tune
from ray.tune.integration.keras import TuneReportCheckpointCallback
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch


def train(config: dict) -> None:
    from benchmarks.rivals.network import EPOCHS, build, flow

    folder = Path(config["folder"])
    build(config["learning_rate"]).fit(
        flow(folder, "train", config["shift"]),
        validation_data=flow(folder, "val"),
        epochs=EPOCHS,
        verbose=0,
        callbacks=[TuneReportCheckpointCallback(metrics={"accuracy": "val_accuracy"})],
    )


def main(folder: str) -> None:
    tuner = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space={
            "learning_rate": tune.loguniform(2e-4, 5e-3),
            "shift": tune.uniform(0, 0.2),
            "folder": str(Path(folder).resolve()),
        },
        tune_config=tune.TuneConfig(
            metric="accuracy",
            mode="max",
            num_samples=12,
            search_alg=OptunaSearch(),
            scheduler=ASHAScheduler(max_t=3, grace_period=3),  # all trials to their end, as the others
            max_concurrent_trials=2,
        ),
        run_config=tune.RunConfig(storage_path=str(Path(folder).resolve() / "ray"), verbose=0),
    )
    print(tuner.fit().get_best_result().metrics["accuracy"])


if __name__ == "__main__":
    main(sys.argv[1])
