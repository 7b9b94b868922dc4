"""Other places that hear of every epoch: TensorBoard here, MLflow and Weights & Biases."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from fer_core.errors import InputError
from study.watching.aside import Aside
from study.watching.watcher import Watcher

# The package that each needs.
PACKAGES = {"tensorboard": "tensorboardX", "mlflow": "mlflow", "wandb": "wandb"}
LOGS = tuple(PACKAGES)


def check_logs(names: Sequence[str] | None) -> None:
    """Raises InputError if the package of one is not installed."""
    for name in names or []:
        if find_spec(PACKAGES[name]) is None:
            raise InputError(f"--log {name}: needs {PACKAGES[name]}, which is not installed.")


@contextmanager
def watchers(
    names: Sequence[str] | None, space: str, folder: Path, say: Callable[[str], object]
) -> Iterator[list[Watcher]]:
    """Those of a study of the space `space` in `folder`. say: takes what people should know, in a sentence."""
    with ExitStack() as stack:
        yield [stack.enter_context(_watcher(name, space, folder, say)) for name in dict.fromkeys(names or [])]


@contextmanager
def _watcher(name: str, space: str, folder: Path, say: Callable[[str], object]) -> Iterator[Watcher]:
    if name == "tensorboard":
        from study.watching.tensorboard import FOLDER, TensorBoard

        board = TensorBoard(folder / FOLDER)
        try:
            yield board
        finally:
            board.close()
        return
    from study.watching.trackers import MLflow, WeightsAndBiases

    make = (
        partial(MLflow, f"{space} {folder.name}")
        if name == "mlflow"
        else partial(WeightsAndBiases, space, folder.name, folder)
    )
    with Aside(name, make, say) as aside:
        yield aside
