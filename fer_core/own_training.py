"""A training by a trainer of the user's own, behind the same methods as `fer_core.training.Training`.

Imports no framework: the trainer does.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from fer_core.apart import make_trainer
from fer_core.checkpoint import read_checkpoint, this_process, write_checkpoint
from fer_core.config import TrialConfig, Value
from fer_core.data.protocols import Learning, Testing, stratified
from fer_core.epoch import Epoch, best_of
from fer_core.evaluation import Evaluation, Scored, evaluate, measure, scored
from fer_core.scoring import Scoring
from fer_core.script import Script
from fer_core.script_host import seed_all, seeded
from fer_core.trainer import Trainer

EPOCHS = "train.epochs"
BATCH = 512  # images that `predict` or `score` is given at a time
SUM_TOLERANCE = 1e-3  # of a row of probabilities, which half precision leaves so far from 1


class OwnTraining:
    """The training of `config`, which names a trainer's settings, by that trainer, with `seed`, on `learning`.

    Call `run_epoch` until `finished`; `history` holds the epochs. With `checkpoint`, a path, a training saved there
    goes on from its last epoch. scoring: how, where a score judges.
    """

    def __init__(
        self,
        trainer: Callable[[Mapping[str, Value], int, np.ndarray, np.ndarray, Sequence[str]], Trainer] | Script,
        config: TrialConfig,
        seed: int,
        learning: Learning,
        checkpoint: Path | None = None,
        scoring: Scoring | None = None,
    ) -> None:
        assert config.own is not None
        self.config, self.seed, self._name, self._scoring = config, seed, config.own.name, scoring
        self.history: list[Epoch] = []
        rows = stratified(learning.train_labels, config.data.train_images)
        images, labels, targets = learning.train_images[rows], learning.train_labels[rows], learning.towards[rows]
        rows = stratified(learning.val_labels, config.data.val_images)
        self._val = learning.val_images[rows], learning.val_towards[rows]
        rows = stratified(labels, len(rows))  # a training accuracy for as much work as the validation
        self._train = images[rows], targets[rows]
        self._classes = learning.classes
        settings = {**dict(config.own.settings), EPOCHS: config.train.epochs}
        self._trainer = seeded(lambda: make_trainer(trainer, settings, seed, images, targets, self._classes), seed)
        self._state = self._best_state = b""
        if (saved := read_checkpoint(checkpoint)) is not None:
            self._load(*saved)

    @property
    def diverged(self) -> bool:
        """Whether the loss of the last epoch, or its score, was not finite."""
        return bool(self.history) and not self.history[-1].finite

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, there has been no better one for too long, or the training diverged."""
        done, train = len(self.history), self.config.train
        return done > 0 and (done >= train.epochs or done - self.best.epoch >= train.stop_patience or self.diverged)

    @property
    def best(self) -> Epoch:
        return best_of(self.history, self.config.train.monitor)

    @property
    def parameters(self) -> int | None:
        """How many numbers are trained, as far as the trainer says so."""
        return self._trainer.parameters

    def run_epoch(self) -> Epoch:
        """Train for one epoch, validate, and keep what stands then.

        Raises RuntimeError once finished, and whatever the trainer raises.
        """
        if self.finished:
            raise RuntimeError("the training has finished.")
        start, number = time.perf_counter(), len(self.history) + 1
        seed_all(self.seed, number)
        self._trainer.train_epoch(number)
        trained, validated = self._measure(*self._train), self._measure(*self._val)
        epoch = Epoch(
            epoch=number,
            **{f"train_{name}": value for name, value in trained.items()},
            **{f"val_{name}": value for name, value in validated.items()},
            learning_rate=self._trainer.learning_rate,
            seconds=time.perf_counter() - start,
        )
        self.history.append(epoch)
        self._tell(validated)
        self._state = self._saved()
        if self.best is epoch:
            self._best_state = self._state
        return epoch

    def _tell(self, validated: Mapping[str, float]) -> None:
        if self._scoring is not None:
            self._trainer.scored(validated["score"])
        else:
            self._trainer.validated(validated["accuracy"], validated["loss"])

    def test(self, testing: Testing) -> Evaluation | Scored:
        """Go back to the best epoch and evaluate what stood then."""
        self._restore(self._best_state)
        if self._scoring is not None:
            return self._scored(self._scoring, testing.images, testing.towards)
        return evaluate(self.answers(testing.images).astype(np.float32), testing)

    def save_network(self, path: Path) -> None:
        """Write what the trainer saved after the best epoch to `path`, whole or not at all."""
        partial = path.with_name(f"partial-{this_process()}-{path.name}")
        partial.write_bytes(self._best_state)
        partial.replace(path)

    def load_network(self, path: Path) -> None:
        """Let what `test` goes back to be what is in `path`, which `save_network` wrote of the same settings."""
        self._best_state = path.read_bytes()

    def release(self) -> None:
        """This one is over."""
        del self._trainer

    def save(self, path: Path) -> None:
        """Write everything the next epoch depends on to `path`, whole or not at all."""
        arrays = {"state": np.frombuffer(self._state, np.uint8)}
        if self._best_state is not self._state:
            arrays["best"] = np.frombuffer(self._best_state, np.uint8)
        write_checkpoint(path, {"history": [asdict(epoch) for epoch in self.history]}, arrays)

    def _load(self, record: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        self.history = [Epoch(**epoch) for epoch in record["history"]]
        self._state = arrays["state"].tobytes()
        self._best_state = arrays["best"].tobytes() if "best" in arrays else self._state
        self._restore(self._state)

    def _measure(self, images: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        if self._scoring is not None:
            return {"score": self._scored(self._scoring, images, targets).score}
        return asdict(measure(self.answers(images), targets))

    def _scored(self, scoring: Scoring, images: np.ndarray, targets: np.ndarray) -> Scored:
        found = self.numbers(images, targets)
        if scoring.of_answers:
            return scored(scoring, found, targets)
        return Scored(scoring.result(found, targets), found)

    def numbers(self, images: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Where a score judges, what the trainer says of each of the images as it stands: its answers (n, k), or what
        they score, (n,). Raises ValueError if that is not a number each.
        """
        batches = range(0, len(images), BATCH)
        parts = [self._numbers(images[at : at + BATCH], targets[at : at + BATCH]) for at in batches]
        return np.concatenate(parts).astype(float)

    def _numbers(self, images: np.ndarray, targets: np.ndarray) -> np.ndarray:
        assert self._scoring is not None
        if self._scoring.of_answers:
            method, found, expected = "predict", np.asarray(self._trainer.predict(images)), targets.shape
        else:
            method, expected = "score", targets.shape[:1]
            found = np.asarray(self._trainer.score(images, targets))
        if found.shape != expected or found.dtype.kind not in "fiub":
            raise ValueError(
                f"{self._name}.{method} gave {found.dtype} {found.shape}, expected a number for each of the "
                f"{len(images)} examples, {expected}"
            )
        return found

    def answers(self, images: np.ndarray) -> np.ndarray:
        """The probabilities (n, classes) of `images`, as it stands. Raises ValueError if they are none."""
        batches = range(0, len(images), BATCH)
        return np.concatenate([self._probabilities(images[at : at + BATCH]) for at in batches])

    def _probabilities(self, images: np.ndarray) -> np.ndarray:
        name = f"{self._name}.predict"
        found, expected = np.asarray(self._trainer.predict(images)), (len(images), len(self._classes))
        if found.shape != expected:
            raise ValueError(f"{name} gave an array {found.shape}, expected probabilities {expected}")
        sums = found.sum(axis=1, dtype=float)
        wrong = np.isfinite(sums) & ((np.abs(sums - 1) > SUM_TOLERANCE) | (found < 0).any(axis=1))
        if wrong.any():
            row = found[wrong][0]
            raise ValueError(f"{name} gave a row {np.round(row, 3).tolist()}, expected probabilities, of sum 1")
        return found

    def _saved(self) -> bytes:
        with _scratch() as path:
            self._trainer.save(path)
            if not path.is_file():
                raise ValueError(f"{self._name}.save left no file {path.name}")
            return path.read_bytes()

    def _restore(self, state: bytes) -> None:
        with _scratch() as path:
            path.write_bytes(state)
            self._trainer.load(path)


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fer-study-") as folder:
        yield Path(folder) / "state"
