"""Scalars and hyperparameters of every trial for TensorBoard, written by the driver while the study runs."""

import math
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter

from study.plan import TrialSpec

FOLDER = "tensorboard"


class TensorBoard:
    """Writes a run a trial into `folder`: `tensorboard --logdir` shows them while the study runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, SummaryWriter] = {}

    def on_epoch(self, spec: TrialSpec, epoch: dict[str, Any]) -> None:
        """The curves: everything that is measured after an epoch."""
        writer = self._writer(spec)
        for name, value in epoch.items():
            if name != "epoch" and isinstance(value, float) and math.isfinite(value):
                writer.add_scalar(name, value, epoch["epoch"])

    def on_end(self, spec: TrialSpec, row: dict[str, Any]) -> None:
        """The settings beside the results, for the tab HPARAMS."""
        settings = {name: str(value) if value is None else value for name, value in spec.config.flat().items()}
        results = {
            name: row[name]
            for name in ("val_accuracy", "val_macro_f1", "test_accuracy", "test_macro_f1")
            if row[name] is not None and math.isfinite(row[name])
        }
        writer = self._writer(spec)
        writer.add_hparams({**settings, "arm": spec.arm, "phase": spec.phase}, results, name=".", global_step=0)
        writer.close()
        del self._writers[spec.trial]

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()

    def _writer(self, spec: TrialSpec) -> SummaryWriter:
        if spec.trial not in self._writers:
            run = self._folder / spec.arm / f"{spec.phase}-{spec.trial}"
            self._writers[spec.trial] = SummaryWriter(str(run), flush_secs=10)
        return self._writers[spec.trial]
