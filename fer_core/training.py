"""One training, epoch by epoch: deterministic, and resumable after any epoch.

An epoch's order of images is drawn from the seed and the epoch's number alone. Everything else that the next
epoch depends on stands in the model's and the optimiser's variables (the states of dropout and of the shifts
among them) and in the counters of Keras' callbacks; `Training.save` writes all of it, so that a training
that was killed continues bit for bit as if it had not been.
"""

import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer_core import compiled
from fer_core.checkpoint import read_checkpoint, this_process, write_checkpoint
from fer_core.config import Network, TrainConfig, TrialConfig
from fer_core.data.protocols import Learning, Testing, stratified
from fer_core.epoch import Epoch, best_of, worth
from fer_core.evaluation import Evaluation, Scored
from fer_core.examples import Examples
from fer_core.model import network_input
from fer_core.passes import BATCH
from fer_core.scoring import Scoring
from fer_core.tasks import task_of

WORTH = "worth"  # of an epoch, by what the configuration says to go by
# What Keras' callbacks count from epoch to epoch. EarlyStopping's best weights are saved beside them.
STOPPING_COUNTERS = ("wait", "stopped_epoch", "best", "best_epoch")
PLATEAU_COUNTERS = ("wait", "best", "cooldown_counter")


class Training:
    """The training of `config` with `seed` on the images of `learning`.

    Call `run_epoch` until `finished`; `history` holds the epochs. With `checkpoint`, a path, a training saved
    there goes on from its last epoch. network: the user's own, where `config` has its settings. scoring: how answers
    are judged where `learning` has numbers in the place of classes.
    """

    def __init__(
        self,
        config: TrialConfig,
        seed: int,
        learning: Learning,
        checkpoint: Path | None = None,
        network: Network | None = None,
        scoring: Scoring | None = None,
    ) -> None:
        _make_deterministic()
        self.config, self.seed, self._network = config, seed, network
        self.history: list[Epoch] = []
        train = stratified(learning.train_labels, config.data.train_images)
        val = stratified(learning.val_labels, config.data.val_images)
        self._task, self._given = task_of(config.train, learning, train, val, scoring), learning.features
        self._passes = compiled.take(config, seed, network, self._task.told, self._given)
        self._train = Examples.on_device(
            network_input(learning.train_images[train]), self._task.towards(0, seed), self._task.weights
        )
        self._val = Examples.on_device(network_input(learning.val_images[val]), self._task.val)
        self._stopping = keras.callbacks.EarlyStopping(
            WORTH, mode="max", patience=config.train.stop_patience, restore_best_weights=True
        )
        self._plateau = keras.callbacks.ReduceLROnPlateau(
            WORTH,
            mode="max",
            patience=config.train.plateau_patience,
            factor=config.train.plateau_factor,
        )
        for callback in (self._stopping, self._plateau):
            callback.set_model(self.model)
            callback.on_train_begin()
        if (saved := read_checkpoint(checkpoint)) is not None:
            self._load(*saved)

    @property
    def model(self) -> keras.Model:
        return self._passes.model

    @property
    def diverged(self) -> bool:
        """Whether the loss of the last epoch was not finite."""
        return bool(self.history) and not self.history[-1].finite

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, there has been no better one for too long, or the training diverged."""
        return len(self.history) >= self.config.train.epochs or self._stopping.stopped_epoch > 0 or self.diverged

    @property
    def best(self) -> Epoch:
        return best_of(self.history, self.config.train.monitor)

    @property
    def parameters(self) -> int:
        """How many numbers are trained: moving averages and the shift's setting are none."""
        return sum(math.prod(variable.shape) for variable in self.model.trainable_variables)

    def run_epoch(self) -> Epoch:
        """Train for one epoch, validate, and let the callbacks count. Raises RuntimeError once finished."""
        if self.finished:
            raise RuntimeError("the training has finished.")
        start = time.perf_counter()
        number = len(self.history)
        if self.config.train.schedule == "cosine":
            self.model.optimizer.learning_rate = cosine_rate(self.config.train, number)
        learning_rate = float(self.model.optimizer.learning_rate)
        order = np.random.default_rng((self.seed, number)).permutation(len(self._train.labels))
        if self._task.change:
            self._train = self._train.towards(self._task.towards(number, self.seed))
        trained = self._passes.train(self._train, order, self.config.train.batch_size)
        measured: dict[str, Any] = {
            "epoch": number + 1,
            **self._task.measured(self._passes, trained, self._train, self._val),
        }
        self._stopping.on_epoch_end(number, {WORTH: worth(measured, self.config.train.monitor)})
        if self.config.train.schedule == "plateau":
            self._plateau.on_epoch_end(number, {WORTH: self._task.rising(measured)})
        epoch = Epoch(**measured, learning_rate=learning_rate, seconds=time.perf_counter() - start)
        self.history.append(epoch)
        return epoch

    def test(self, testing: Testing) -> Evaluation | Scored:
        """Restore the weights of the best epoch (the paper's ModelCheckpoint) and evaluate them."""
        if self._stopping.best_weights is not None:
            self.model.set_weights(self._stopping.best_weights)
        return self._task.tested(self.answers(testing.images), testing)

    def answers(self, images: np.ndarray) -> np.ndarray:
        """What the network, as it stands, makes of n images like those that train: probabilities (n, classes), or
        numbers (n, k), float32.
        """
        given = keras.ops.convert_to_tensor(network_input(images))
        return keras.ops.convert_to_numpy(self._passes.predict(given, BATCH)).astype(np.float32)

    def save_network(self, path: Path) -> None:
        """Write the network as it stands, without its optimiser, to `path` (.keras), whole or not at all."""
        partial = path.with_name(f"partial-{this_process()}-{path.name}")
        keras.Model(self.model.inputs, self.model.outputs, name=self.model.name).save(partial)
        partial.replace(path)

    def load_network(self, path: Path) -> None:
        """Let the network be the one in `path`, which `save_network` wrote of a training of the same settings."""
        self._stopping.best_weights = None
        keras.Model(self.model.inputs, self.model.outputs, name=self.model.name).load_weights(path)

    def release(self) -> None:
        """Leave the compiled network to the next training in this process. This one is over."""
        compiled.give_back(self._passes, self.config, self._network, self._task.told, self._given)
        del self._passes

    def save(self, path: Path) -> None:
        """Write everything the next epoch depends on to `path`, whole or not at all."""
        record = {
            "history": [asdict(epoch) for epoch in self.history],
            "stopping": {name: getattr(self._stopping, name) for name in STOPPING_COUNTERS},
            "plateau": {name: getattr(self._plateau, name) for name in PLATEAU_COUNTERS},
        }
        arrays: dict[str, Any] = {f"variable_{i:04}": np.asarray(v) for i, v in enumerate(self._variables())}
        arrays |= {f"best_{i:04}": np.asarray(w) for i, w in enumerate(self._stopping.best_weights or [])}
        write_checkpoint(path, record, arrays)

    def _load(self, record: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        for i, variable in enumerate(self._variables()):
            variable.assign(arrays[f"variable_{i:04}"])
        best = [arrays[name] for name in sorted(arrays) if name.startswith("best_")]
        self._stopping.best_weights = best or None
        for callback, counters in ((self._stopping, record["stopping"]), (self._plateau, record["plateau"])):
            for name, value in counters.items():
                setattr(callback, name, value)
        self.history = [Epoch(**epoch) for epoch in record["history"]]

    def _variables(self) -> list[Any]:
        return compiled.state_variables(self.model) + list(self.model.optimizer.variables)


def train(
    config: TrialConfig,
    seed: int,
    learning: Learning,
    checkpoint: Path | None = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> Training:
    """Train to the end, saving to `checkpoint` after every epoch if it is given."""
    training = Training(config, seed, learning, checkpoint)
    while not training.finished:
        on_epoch(training.run_epoch())
        if checkpoint is not None:
            training.save(checkpoint)
    return training


def cosine_rate(train: TrainConfig, number: int) -> float:
    """The rate of epoch `number`, counted from 0: half a cosine from the first rate down towards 0.

    (Loshchilov and Hutter 2017, eq. 5, without restarts; a step an epoch.)
    """
    return train.learning_rate * 0.5 * (1 + math.cos(math.pi * number / train.epochs))


def _make_deterministic() -> None:
    """Ask the backend for operations that give the same bits every time."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
