"""MLflow and Weights & Biases: a run a trial, however often the trial changed its worker or the study went on.

Both find server, project and key in the environment, as their tools usually do.
"""

import math
import time
from pathlib import Path
from typing import Any

from study.plan import TrialSpec
from study.watching.watcher import Row, Watcher

TESTED = (
    *("test_accuracy", "test_loss", "test_accuracy_distinct", "test_macro_f1", "test_balanced_accuracy"),
    "test_score",
)


class MLflow(Watcher):
    """Writes into the experiment of this name. A trial's run has the trial's name as its tag `trial`."""

    def __init__(self, experiment: str) -> None:
        from mlflow import MlflowClient

        self._client = MlflowClient()
        found = self._client.get_experiment_by_name(experiment)
        self._experiment = found.experiment_id if found else self._client.create_experiment(experiment)
        self._runs: dict[str, str] = {}

    def on_epoch(self, spec: TrialSpec, epoch: Row) -> None:
        self._log(spec, _numbers(epoch), epoch["epoch"])

    def on_end(self, spec: TrialSpec, row: Row) -> None:
        self._log(spec, {name: row[name] for name in TESTED if row[name] is not None}, row["epochs"])
        self._client.set_tag(self._run(spec), "status", row["status"])
        self._client.set_terminated(self._runs.pop(spec.trial), "FAILED" if row["status"] == "failed" else "FINISHED")

    def _log(self, spec: TrialSpec, numbers: dict[str, float], epoch: int) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        self._client.log_batch(self._run(spec), [Metric(name, value, now, epoch) for name, value in numbers.items()])

    def _run(self, spec: TrialSpec) -> str:
        """The trial's run: an earlier driver may have begun it."""
        if spec.trial not in self._runs:
            known = self._client.search_runs([self._experiment], f"tags.trial = '{spec.trial}'", max_results=1)
            self._runs[spec.trial] = (known[0] if known else self._begin(spec)).info.run_id
        return self._runs[spec.trial]

    def _begin(self, spec: TrialSpec) -> Any:
        from mlflow.entities import Param

        tags = {"trial": spec.trial, "arm": spec.arm, "phase": spec.phase}
        run = self._client.create_run(self._experiment, tags=tags, run_name=_title(spec))
        settings = {"seed": spec.seed, **spec.config.flat()}
        self._client.log_batch(run.info.run_id, params=[Param(name, str(value)) for name, value in settings.items()])
        return run


class WeightsAndBiases(Watcher):
    """Writes into the project of this name, and the study's group. A run has the trial's name as its id."""

    def __init__(self, project: str, study: str, folder: Path) -> None:
        self._project, self._study, self._folder = project, study, folder
        self._runs: dict[str, Any] = {}

    def on_epoch(self, spec: TrialSpec, epoch: Row) -> None:
        self._run(spec).log(_numbers(epoch), step=epoch["epoch"])

    def on_end(self, spec: TrialSpec, row: Row) -> None:
        run = self._run(spec)
        named = ("status", "best_epoch", "val_accuracy", "val_score", *TESTED)
        run.summary.update({name: row[name] for name in named})
        run.finish(exit_code=int(row["status"] == "failed"))
        del self._runs[spec.trial]

    def _run(self, spec: TrialSpec) -> Any:
        import wandb

        if spec.trial not in self._runs:
            self._runs[spec.trial] = wandb.init(
                project=self._project,
                group=self._study,
                id=f"{self._study}-{spec.trial}",
                name=_title(spec),
                tags=[spec.arm, spec.phase],
                config={"seed": spec.seed, **spec.config.flat()},
                dir=self._folder,
                resume="allow",
                reinit="create_new",
                settings=wandb.Settings(silent=True, console="off"),
            )
        return self._runs[spec.trial]


def _title(spec: TrialSpec) -> str:
    return f"{spec.arm} {spec.phase} {spec.trial}"


def _numbers(epoch: Row) -> dict[str, float]:
    """What was measured: neither tracker takes what is not finite everywhere."""
    return {n: v for n, v in epoch.items() if n != "epoch" and isinstance(v, (int, float)) and math.isfinite(v)}
