"""One trial on a Ray worker: a step is an epoch, and the state is our own checkpoint.

Ray keeps the process warm and hands it the next trial; a trial that comes back after a crash, on whichever
node, finds its last epoch under its identity.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ray
from ray import tune

from fer_core import device_memory
from fer_core.config import TRAINER, TrialConfig
from fer_core.data.protocols import Learning, Testing
from fer_core.evaluation import Scored
from fer_core.scoring import Scoring
from study.carried import Carried
from study.records.folder import network_file
from study.records.shelf import Shelf

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from fer_core.own_training import OwnTraining
    from fer_core.training import Training


OUT_OF_MEMORY = "out of memory"


@dataclass(frozen=True)
class Report:
    """What a step tells the driver.

    epochs: those not reported before, as rows. status: `completed` or `diverged`, None while the trial goes on, or
    OUT_OF_MEMORY if its share of the GPU was too small: then it has not ended, and needs a larger one. worker: the
    columns `parameters` and `node`. test: the `test_*` columns with the images' rows, labels, probabilities, which
    have no twin, and whom they show if that is known, and all but the first likewise of other data, by its name, as
    `elsewhere`; where a score judges scores, or answers and targets, in the place of labels and probabilities. None
    unless the trial was tested.
    """

    epochs: list[dict[str, Any]]
    status: str | None
    worker: dict[str, Any]
    test: dict[str, Any] | None


class TrialRun(tune.Trainable):
    """Runs the trial in `config`: `trial` (its identity), `settings` (flat), `seed`, `phase`, `gpu` (its share of
    one, or 0), `learning`, and unless the phase is `search`, `testing`, `keep`, whether the network shall be kept,
    and `again`, whether the trial has ended before: then the network that was kept of it, if any, is tested, and
    nothing is trained.

    config["learning"]: a list with one reference into Ray's object store to what the trial learns from: a node holds
    it once and its trials read it without a copy. config["testing"]: the same of the test images, which are fetched
    when a trial has ended; the code that runs a search trial has no way to them. checkpoints, models: folders that
    all nodes share, as paths or URIs; the second takes the networks that are kept. threads: how many the backend
    may use on the CPU. brought: the user's own network or trainer. scoring: how, where a score judges.
    """

    def setup(  # type: ignore[override]  # tune.with_parameters passes the others by name
        self,
        config: dict[str, Any],
        checkpoints: str,
        models: str,
        threads: int,
        brought: Carried | None = None,
        scoring: Scoring | None = None,
    ) -> None:
        # TensorFlow reads these at its first operation, and OMP_NUM_THREADS, which Ray sets, not at all.
        os.environ.update(TF_NUM_INTRAOP_THREADS=str(threads), TF_NUM_INTEROP_THREADS="1")
        self._checkpoints, self._models = Shelf(checkpoints), Shelf(models)
        self._training: Training | OwnTraining | None = None
        self._carried = brought
        self._brought: Any = None
        self._by_trainer, self._scoring = TRAINER in config["settings"], scoring
        self._gpu, self._prepared = config["gpu"], False
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take up another trial. It begins with its first step: before that it does not run yet, to Ray, and nobody
        would notice that it hangs.
        """
        self._next: dict[str, Any] | None = new_config
        self._testing, self._keep = new_config.get("testing"), new_config.get("keep", False)
        return True

    def _lacks_memory(self, problem: Exception) -> bool:
        return self._gpu > 0 and device_memory.is_exhausted(problem)

    def _prepare(self) -> None:
        """What a worker does once: both may import whatever there is."""
        if self._carried is not None:
            self._brought = self._carried.unpack()
        if not self._by_trainer:
            device_memory.limit(self._gpu)
        self._prepared = True

    def _begin(self, config: dict[str, Any]) -> None:
        if not self._prepared:
            self._prepare()
        self._next = None
        settings, seed = TrialConfig.from_flat(config["settings"]), config["seed"]
        self._checkpoint = f"{config['trial']}.npz"
        self._network = network_file(config["trial"], self._by_trainer)
        if self._training is not None:
            self._training.release()
            self._training = None
        learning: Learning = ray.get(config["learning"][0])
        self._training = self._train(settings, seed, learning, self._checkpoints.bring(self._checkpoint))
        self._reported = 0
        self._kept = config.get("again", False) and self._models.bring(self._network).is_file()
        if self._kept:
            self._training.load_network(self._models.path(self._network))

    def _train(self, config: TrialConfig, seed: int, learning: Learning, checkpoint: Path) -> Training | OwnTraining:
        if self._by_trainer:
            from fer_core.own_training import OwnTraining

            assert self._brought is not None
            return OwnTraining(self._brought, config, seed, learning, checkpoint, self._scoring)
        from fer_core.training import Training  # imports TensorFlow or JAX: on workers only

        return Training(config, seed, learning, checkpoint, self._brought, self._scoring)

    @property
    def _current(self) -> Training | OwnTraining:
        assert self._training is not None
        return self._training

    def step(self) -> dict[str, Any]:
        """Train for an epoch. The first step after a crash reports the epochs before it and trains none: the driver
        may not have heard of the last one, and may want to stop the trial there.
        """
        try:
            if self._next is not None:
                self._begin(self._next)
            return self._step()
        except Exception as problem:
            if not self._lacks_memory(problem):
                raise
        self._forget()
        worker = {"parameters": None, "node": platform.node()}
        return {"report": Report([], OUT_OF_MEMORY, worker, None), "done": True}

    def _forget(self) -> None:
        """Leave the memory that this process holds to the next trial."""
        self._training = None
        if not self._by_trainer:
            from fer_core import compiled

            compiled.forget()

    def _step(self) -> dict[str, Any]:
        training = self._current
        if self._kept:
            return {"report": Report([], "completed", self._worker(), self._test()), "done": True}
        if self._reported == len(training.history):
            training.run_epoch()
            training.save(self._checkpoints.path(self._checkpoint))
            self._checkpoints.send(self._checkpoint)
        epochs = [vars(epoch) for epoch in training.history[self._reported :]]
        self._reported = len(training.history)
        tested = training.finished and not training.diverged and self._testing is not None
        status = ("diverged" if training.diverged else "completed") if training.finished else None
        report = Report(epochs, status, self._worker(), self._test() if tested else None)
        return {"report": report, "done": training.finished}

    def _worker(self) -> dict[str, Any]:
        return {"parameters": self._current.parameters, "node": platform.node()}

    def _test(self) -> dict[str, Any]:
        assert self._testing is not None
        testing: Testing = ray.get(self._testing[0])
        result = self._current.test(testing)
        if self._keep and not self._kept:
            self._current.save_network(self._models.path(self._network))
            self._models.send(self._network)
        if isinstance(result, Scored):
            return {"test_score": result.score, **_scored(result), **_tested(testing)}
        return {
            "test_accuracy": result.accuracy,
            "test_loss": result.loss,
            "test_accuracy_distinct": result.accuracy_distinct,
            "test_macro_f1": result.macro_f1,
            "test_balanced_accuracy": result.balanced_accuracy,
            **_answers(testing, result.probabilities),
            "elsewhere": {
                name: _answers(other, self._current.answers(other.images))
                for name, other in testing.elsewhere.items()
            },
        }

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: see the module's docstring."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: see the module's docstring."""


def _answers(testing: Testing, probabilities: np.ndarray) -> dict[str, Any]:
    return {"labels": testing.labels, "probabilities": probabilities, **_tested(testing)}


def _scored(result: Scored) -> dict[str, Any]:
    """What is kept of every image: its score, and the answer to it with its target, as far as there are any."""
    kept = {"scores": result.each, "answers": result.answers, "targets": result.targets}
    return {name: values for name, values in kept.items() if values is not None}


def _tested(testing: Testing) -> dict[str, Any]:
    return {"images": testing.rows, "distinct": testing.distinct, "subjects": testing.subjects}
