"""Other places that hear of every epoch: TensorBoard here, MLflow and Weights & Biases by Ray's own callbacks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from fer_core.errors import InputError

if TYPE_CHECKING:
    from study.watcher import Watcher

# The package that each needs.
PACKAGES = {"tensorboard": "tensorboardX", "mlflow": "mlflow", "wandb": "wandb"}
LOGS = tuple(PACKAGES)


def check_logs(names: Sequence[str] | None) -> None:
    """Raises InputError if the package of one is not installed."""
    for name in names or []:
        if find_spec(PACKAGES[name]) is None:
            raise InputError(f"--log {name}: needs {PACKAGES[name]}, which is not installed.")


@contextmanager
def watchers(names: Sequence[str] | None, folder: Path) -> Iterator[list["Watcher"]]:
    """Those of ours: TensorBoard, in the study's folder."""
    if "tensorboard" not in (names or []):
        yield []
        return
    from study.tensorboard import FOLDER, TensorBoard

    board = TensorBoard(folder / FOLDER)
    try:
        yield [board]
    finally:
        board.close()
