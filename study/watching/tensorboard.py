"""Scalars and hyperparameters of every trial for TensorBoard, written by the driver while the study runs."""

import math
from pathlib import Path

from tensorboardX import SummaryWriter
from tensorboardX.summary import hparams

from search_spaces.score import SCORE
from search_spaces.space import MEASURES
from study.plan import TrialSpec
from study.watching.watcher import Row, Watcher

FOLDER = "tensorboard"


class TensorBoard(Watcher):
    """Writes a run a trial into `folder`: `tensorboard --logdir` shows them while the study runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, SummaryWriter] = {}

    def on_epoch(self, spec: TrialSpec, epoch: Row) -> None:
        """The curves: everything that is measured after an epoch."""
        writer = self._writer(spec)
        for name, value in epoch.items():
            if name != "epoch" and isinstance(value, float) and math.isfinite(value):
                writer.add_scalar(name, value, epoch["epoch"])

    def on_end(self, spec: TrialSpec, row: Row) -> None:
        """The settings beside the results, for the tab HPARAMS."""
        settings = {name: str(value) if value is None else value for name, value in spec.config.flat().items()}
        names = {f"best/val_{name}": f"val_{name}" for name in (*MEASURES, SCORE)}
        names |= {f"test_{name}": f"test_{name}" for name in (*MEASURES, SCORE)}
        found = {tag: row[name] for tag, name in names.items()}
        results = {tag: value for tag, value in found.items() if value is not None and math.isfinite(value)}
        writer = self._writer(spec)
        # Not add_hparams: it opens a second file, which within the same second is the same one.
        for summary in hparams({**settings, "arm": spec.arm, "phase": spec.phase}, results):
            writer.file_writer.add_summary(summary)
        for name, value in results.items():
            writer.add_scalar(name, value, row["epochs"])
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
