"""A trial whose training is a formula, and which wants a whole GPU in the arm `conv`: for pretended GPUs."""

import os
from typing import Any

from ray import tune

from fer_core.config import TrialConfig
from study.trial import OUT_OF_MEMORY, Report


class Hungry(tune.Trainable):
    """Takes what `study.trial.TrialRun` takes. Its epochs are not saved: it begins anew wherever it comes to."""

    def setup(self, config: dict[str, Any], **given: Any) -> None:
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._begin(new_config)
        return True

    def _begin(self, config: dict[str, Any]) -> None:
        self._settings, self._gpu, self._epoch = TrialConfig.from_flat(config["settings"]), config["gpu"], 0

    def step(self) -> dict[str, Any]:
        worker = {"parameters": 1, "node": f"{os.environ['CUDA_VISIBLE_DEVICES']} {self._gpu:g}"}
        if self._settings.model.se_placement == "conv" and self._gpu < 1 and self._epoch == 2:
            return {"report": Report([], OUT_OF_MEMORY, worker, None), "done": True}
        self._epoch += 1
        value = 1 - 0.5**self._epoch - self._settings.train.learning_rate
        names = (f"{part}_{name}" for part in ("train", "val") for name in ("accuracy", "loss", "macro_f1"))
        row = dict.fromkeys(names, value) | {"epoch": self._epoch, "learning_rate": 0.1, "seconds": 1.0}
        done = self._epoch == self._settings.train.epochs
        return {"report": Report([row], "completed" if done else None, worker, None), "done": done}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing, as `study.trial.TrialRun`."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing, as `study.trial.TrialRun`."""
