"""Trials whose training is a formula: what Ray and the engine do with them is real, and takes no time."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from ray import tune

from fer_core.config import TrialConfig
from study.cluster.trial import OUT_OF_MEMORY, Report
from study.records.schemas import MEASURED


def numbers(epoch: int, rate: float) -> dict[str, Any]:
    """An epoch's row: the better, the later and the slower it is."""
    value = 1 - 0.5**epoch - rate
    names = (f"{part}_{name}" for part in ("train", "val") for name in MEASURED)
    return dict.fromkeys(names, value) | {"epoch": epoch, "learning_rate": 0.1, "seconds": 1.0}


class Formula(tune.Trainable):
    """Takes what `study.cluster.trial.TrialRun` takes, and goes on from its last epoch as that does."""

    def setup(self, config: dict[str, Any], **given: Any) -> None:
        self._saved = Path(given["checkpoints"])
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._begin(new_config)
        return True

    def _begin(self, config: dict[str, Any]) -> None:
        self.settings, self.seed, self.gpu = TrialConfig.from_flat(config["settings"]), config["seed"], config["gpu"]
        self._checkpoint = self._saved / f"{config['trial']}.npz"
        self.epoch = int(self._checkpoint.read_text()) if self._checkpoint.exists() else 0
        self._reported = 0

    def step(self) -> dict[str, Any]:
        if self._reported == self.epoch:
            self.epoch += 1
            self._checkpoint.write_text(str(self.epoch))
        new = range(self._reported + 1, self.epoch + 1)
        self._reported = self.epoch
        rows = [numbers(epoch, self.settings.train.learning_rate) for epoch in new]
        done = self.epoch == self.settings.train.epochs
        return {"report": Report(rows, "completed" if done else None, self.worker(), None), "done": done}

    def worker(self) -> dict[str, Any]:
        """As `node`, which GPU it sees and its share of it."""
        return {"parameters": 1, "node": f"{os.environ.get('CUDA_VISIBLE_DEVICES', '')} {self.gpu:g}"}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing, as `study.cluster.trial.TrialRun`."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing, as `study.cluster.trial.TrialRun`."""


class Steady(Formula):
    """Fixed trials take three seconds, so that every worker has started before the first search trial."""

    def _begin(self, config: dict[str, Any]) -> None:
        super()._begin(config)
        if config["phase"] == "fixed":
            time.sleep(3)


class Meeting(Formula):
    """The first four trials wait for each other when their workers start, and again in their first epoch.

    These are the two fixed ones and two arms' first. An arm's second and fourth take a second, so that other workers
    have nothing to do for a while. Every worker leaves a file `started-...` in the study's folder.
    """

    def setup(self, config: dict[str, Any], **given: Any) -> None:
        self._folder = Path(given["checkpoints"]).parent
        super().setup(config, **given)
        (self._folder / f"started-{os.getpid()}").touch()
        self._meet("start")

    def step(self) -> dict[str, Any]:
        if self.epoch == 0:
            self._meet("epoch")
            if self.seed in (100_001, 100_003):
                time.sleep(1)
        return super().step()

    def _begin(self, config: dict[str, Any]) -> None:
        super()._begin(config)
        self._trial = config["trial"] if config["phase"] == "fixed" or self.seed == 100_000 else None

    def _meet(self, moment: str) -> None:
        if self._trial is None:
            return
        (self._folder / f"{moment}-{self._trial}").touch()
        patience = time.monotonic() + 20
        while len(list(self._folder.glob(f"{moment}-*"))) < 4:
            if time.monotonic() > patience:
                raise TimeoutError("the other workers do not start before this one is ready")
            time.sleep(0.05)


class Mortal(Formula):
    """A worker dies when it is to go on with a confirm trial, the first time that one is given to a used worker.

    For every such death it leaves a file `died-...` with the trial's name in the study's folder.
    """

    def setup(self, config: dict[str, Any], **given: Any) -> None:
        self._folder = Path(given["checkpoints"]).parent
        super().setup(config, **given)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        death = self._folder / f"died-{new_config['trial']}"
        if new_config["phase"] == "confirm" and not death.exists():
            death.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().reset_config(new_config)


class Hungry(Formula):
    """In the arm `conv` wants a whole GPU after an epoch."""

    def step(self) -> dict[str, Any]:
        if self.settings.model.se_placement == "conv" and self.gpu < 1 and self.epoch == 1:
            return {"report": Report([], OUT_OF_MEMORY, self.worker(), None), "done": True}
        return super().step()


class Unlucky(Formula):
    """The second search trial of every arm fails in its second epoch, whenever it is tried."""

    def step(self) -> dict[str, Any]:
        if self.seed == 100_001 and self.epoch == 1:
            raise ValueError("the second of every arm")
        return super().step()


class Doomed(Formula):
    """Every trial fails."""

    def step(self) -> dict[str, Any]:
        raise ValueError("whatever the trial")


class Plain(tune.Trainable):
    """The same numbers for Ray Tune alone: `learning_rate` and `epochs` are its configuration."""

    def setup(self, config: dict[str, Any]) -> None:
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.rate, self.epochs, self.epoch = new_config["learning_rate"], new_config["epochs"], 0
        return True

    def step(self) -> dict[str, Any]:
        self.epoch += 1
        return {**numbers(self.epoch, self.rate), "done": self.epoch == self.epochs}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing."""
