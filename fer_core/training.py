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
from sklearn.utils.class_weight import compute_class_weight

from fer_core import compiled
from fer_core.by_class import BALANCED_ACCURACY, MACRO_F1
from fer_core.checkpoint import read_checkpoint, this_process, write_checkpoint
from fer_core.compiled import CROSS_ENTROPY
from fer_core.config import Network, TrainConfig, TrialConfig
from fer_core.data.dataset import EMOTIONS
from fer_core.data.protocols import Learning, Testing, stratified
from fer_core.epoch import Epoch, best_of, worth
from fer_core.evaluation import Evaluation, evaluate
from fer_core.examples import Examples
from fer_core.model import network_input
from fer_core.passes import BATCH
from fer_core.targets import Targets, one_hot

WORTH = "worth"  # of an epoch, by what the configuration says to go by
# Of an epoch's fields, what the passes call them.
MEASURED = {
    "accuracy": "accuracy",
    "loss": CROSS_ENTROPY,
    "macro_f1": MACRO_F1,
    "balanced_accuracy": BALANCED_ACCURACY,
}
# What Keras' callbacks count from epoch to epoch. EarlyStopping's best weights are saved beside them.
STOPPING_COUNTERS = ("wait", "stopped_epoch", "best", "best_epoch")
PLATEAU_COUNTERS = ("wait", "best", "cooldown_counter")


class Training:
    """The training of `config` with `seed` on the images of `learning`.

    Call `run_epoch` until `finished`; `history` holds the epochs. With `checkpoint`, a path, a training saved
    there goes on from its last epoch. network: the user's own, where `config` has its settings.
    """

    def __init__(
        self,
        config: TrialConfig,
        seed: int,
        learning: Learning,
        checkpoint: Path | None = None,
        network: Network | None = None,
    ) -> None:
        _make_deterministic()
        self.config, self.seed, self._network = config, seed, network
        self.history: list[Epoch] = []
        self._classes, self._given = learning.classes, learning.features
        self._passes = compiled.take(config, seed, network, self._classes, self._given)
        rows = stratified(learning.train_labels, config.data.train_images)
        images, labels = learning.train_images[rows], learning.train_labels[rows]
        shares = None if learning.train_distributions is None else learning.train_distributions[rows]
        self._targets = Targets(config.train.targets, labels, shares, len(self._classes))
        weights = class_weights(config.train.class_weights, labels, len(self._classes))
        self._train = Examples.on_device(
            network_input(images), self._targets.of_epoch(0, seed), None if weights is None else weights[labels]
        )
        rows = stratified(learning.val_labels, config.data.val_images)
        self._val = Examples.on_device(
            network_input(learning.val_images[rows]), one_hot(learning.val_labels[rows], len(self._classes))
        )
        self._stopping = keras.callbacks.EarlyStopping(
            WORTH, mode="max", patience=config.train.stop_patience, restore_best_weights=True
        )
        self._plateau = keras.callbacks.ReduceLROnPlateau(
            "val_accuracy",
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
        if self._targets.change:
            self._train = self._train.towards(self._targets.of_epoch(number, self.seed))
        trained = self._passes.train(self._train, order, self.config.train.batch_size)
        validated = self._passes.evaluate(self._val, BATCH)
        measured: dict[str, Any] = {
            "epoch": number + 1,
            **{f"train_{name}": trained[key] for name, key in MEASURED.items()},
            **{f"val_{name}": validated[key] for name, key in MEASURED.items()},
        }
        self._stopping.on_epoch_end(number, {WORTH: worth(measured, self.config.train.monitor)})
        if self.config.train.schedule == "plateau":
            self._plateau.on_epoch_end(number, {"val_accuracy": measured["val_accuracy"]})
        epoch = Epoch(**measured, learning_rate=learning_rate, seconds=time.perf_counter() - start)
        self.history.append(epoch)
        return epoch

    def test(self, testing: Testing) -> Evaluation:
        """Restore the weights of the best epoch (the paper's ModelCheckpoint) and evaluate them."""
        if self._stopping.best_weights is not None:
            self.model.set_weights(self._stopping.best_weights)
        return evaluate(self.answers(testing.images), testing)

    def answers(self, images: np.ndarray) -> np.ndarray:
        """The probabilities (n, classes) float32 of n images like those that train, as the network stands."""
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
        compiled.give_back(self._passes, self.config, self._network, self._classes, self._given)
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


def class_weights(kind: str, labels: np.ndarray, classes: int = len(EMOTIONS)) -> np.ndarray | None:
    """The weight of each class's images in the loss (classes,) float32, of mean 1 over the images. None: no weights.

    balanced: every class has the same share of the loss. sqrt: a class's weight is the root of that, scaled.
    """
    if kind == "none":
        return None
    present, counts = np.unique(labels, return_counts=True)
    weights = compute_class_weight("balanced", classes=present, y=labels)
    if kind == "sqrt":
        weights = np.sqrt(weights)
        weights *= counts.sum() / (weights * counts).sum()
    found = np.zeros(classes, np.float32)
    found[present] = weights
    return found


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
