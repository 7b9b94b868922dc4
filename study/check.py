"""`python -m study.check FILE.py`: does a network or trainer of one's own keep what a study relies on?

Two short epochs of every arm on a few faces, several times over: with the same seed, with another one, and with a
stop in between, from which another training goes on.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_core.apart import ScriptError, make_trainer
from fer_core.command_line import Parser, at_least, run_command
from fer_core.config import TrialConfig, Value
from fer_core.data.sources import SYNTHETIC, find_source
from fer_core.errors import InputError
from fer_core.features import noun
from fer_core.form import Form
from fer_core.script_host import Noting
from fer_core.trainer import Trainer
from search_spaces.catalogue import load_space
from search_spaces.space import Arm, Space
from study.plan import Plan, make_plan
from study.planning.inputs import check_inputs
from study.planning.other_python import check_script

if TYPE_CHECKING:
    from fer_core.data.dataset import Dataset
    from fer_core.data.protocols import Learning
    from fer_core.own_training import OwnTraining
    from fer_core.training import Training

EXAMPLES = """examples:
  python -m study.check my_space.py                    on the embedded faces
  python -m study.check my_space.py --data fer2013.csv --images 2000

Exit status: 0 it does, 1 it does not, 2 the command or its input is wrong."""

EPOCHS = 2
SEED, OTHER_SEED = 1, 2


@dataclass(frozen=True)
class Held:
    """One thing that a study relies on: whether it holds, and what follows if it does not."""

    what: str
    holds: bool
    otherwise: str


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(
        prog="study.check",
        description="Check a network or trainer of one's own: can it be repeated, resumed, does it heed settings?",
        examples=EXAMPLES,
    )
    parser.add_argument("space", metavar="NAME|FILE.py", help="a space with a network or trainer of its own")
    parser.add_argument("--data", metavar="PATH", help="as of study.run (default: the embedded faces)")
    parser.add_argument(
        "--images", type=at_least(28), default=500, metavar="N", help="training images (default: 500)"
    )
    options = parser.parse_args(arguments)
    space = load_space(options.space)
    if space.brought is None:
        raise InputError(f"{options.space}: trains the paper's network, there is nothing of your own to check.")
    check_script(space)
    _quiet()
    good = True
    for arm in space.arms:
        plan = plan_of(space)
        dataset = _read(options.data, first_config(plan, arm).data.form)
        check_inputs(plan, dataset.listing)
        print(f"{arm.name}:", flush=True)
        learning = _some(dataset, options.images)
        try:
            for one in check_arm(space, arm, learning):
                print(f"  ok   {one.what}" if one.holds else f"  NOT  {one.what}: {one.otherwise}", flush=True)
                good = good and one.holds
        except Exception as problem:  # the user's own code: they want to see where
            print(str(problem) if isinstance(problem, ScriptError) else traceback.format_exc(), file=sys.stderr)
            hint = "" if options.data else " (on images; --data PATH if yours are other examples)"
            print(f"  NOT  works: {space.brought.__name__} failed, see above{hint}")
            good = False
    print("A study can rely on it." if good else "A study cannot rely on it yet.")
    return 0 if good else 1


def check_arm(space: Space, arm: Arm, learning: Learning) -> Iterator[Held]:
    """What holds of the trainer in this arm, at the first point of its search. Raises whatever is raised in it."""
    config = first_config(plan_of(space), arm)
    watched = Watched(space)
    with TemporaryDirectory(prefix="fer-study-") as folder:
        checkpoint = Path(folder) / "half.npz"
        whole = watched.begin(config, SEED, learning)
        whole.run_epoch()
        whole.save(checkpoint)
        epoch = whole.run_epoch()
        answers = watched.answers(whole, learning)
        size = checkpoint.stat().st_size / 2**20
        seconds = f"{epoch.seconds:.2g} s an epoch of {len(learning.train_labels):,} {noun(learning.features)}s"
        does = "predicts" if space.score is None else f"{space.score.told_by}s"
        yield Held(f"trains and {does}: {seconds}, a checkpoint of {size:.2g} MiB", True, "")
        yield Held(
            f"{does} without changing",
            np.array_equal(answers, watched.answers(whole, learning)),
            f"it {does} the same examples differently a second time (is a dropout or a normalisation still in "
            "training mode?)",
        )
        yield Held(
            "can be repeated",
            np.array_equal(answers, watched.trained(config, SEED, learning)),
            "two trainings with the same seed differ, so the study's numbers will not come back",
        )
        resumed = watched.begin(config, SEED, learning, checkpoint)
        resumed.run_epoch()
        yield Held(
            "goes on after a stop as if there had been none",
            np.array_equal(answers, watched.answers(resumed, learning)),
            "`save` leaves out something that the next epoch depends on, such as an optimiser's state",
        )
        yield Held(
            "heeds the seed",
            not np.array_equal(answers, watched.trained(config, OTHER_SEED, learning)),
            "trainings with different seeds are the same, so their spread says nothing",
        )
        assert config.own is not None
        unread = sorted({name for name, value in config.own.settings if value is not None} - watched.read)
        yield Held("heeds its settings", not unread, f"it never asks for {', '.join(unread)}")


def plan_of(space: Space) -> Plan:
    return make_plan(space, budget="full", protocol="challenge", data_name="", epochs=EPOCHS)


def first_config(plan: Plan, arm: Arm) -> TrialConfig:
    """The first point of the arm's search."""
    from study.search.sampler import starting_point

    return plan.arm_config(arm, starting_point(plan, arm, 0))


class Watched:
    """What the user has brought to a space, and which of its settings it has asked for."""

    def __init__(self, space: Space) -> None:
        self._network, self._trainer = space.network, space.trainer
        self._scoring = None if space.score is None else space.score.scoring
        self.read: set[str] = set()

    def begin(
        self, config: TrialConfig, seed: int, learning: Learning, checkpoint: Path | None = None
    ) -> Training | OwnTraining:
        if self._trainer is not None:
            from fer_core.own_training import OwnTraining

            return OwnTraining(self._noting_trainer, config, seed, learning, checkpoint, self._scoring)
        from fer_core.training import Training

        return Training(config, seed, learning, checkpoint, self._noting_network, self._scoring)

    def _noting_trainer(self, settings: Mapping[str, Value], *others: Any) -> Trainer:
        assert self._trainer is not None
        return make_trainer(self._trainer, Noting(settings, self.read), *others)

    def _noting_network(self, x: Any, settings: Mapping[str, Value]) -> Any:
        assert self._network is not None
        return self._network(x, Noting(settings, self.read))

    def trained(self, config: TrialConfig, seed: int, learning: Learning) -> np.ndarray:
        """What it makes of the validation images after all epochs, as `answers` has it."""
        training = self.begin(config, seed, learning)
        while not training.finished:
            training.run_epoch()
        return self.answers(training, learning)

    def answers(self, training: Training | OwnTraining, learning: Learning) -> np.ndarray:
        """What it makes of the validation images, (n, classes), or where a score judges what that is of."""
        from fer_core.own_training import OwnTraining

        if self._scoring is not None and isinstance(training, OwnTraining):
            return training.numbers(learning.val_images, learning.val_towards)
        return training.answers(learning.val_images)


def _quiet() -> None:
    """TensorFlow tells of its processor and of repeated tracing; here every training is anew on purpose."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


@cache
def _read(data: str | None, form: Form) -> Dataset:
    from fer_core.data.progress import read_with_progress
    from study.watching.display import make_console

    return read_with_progress(find_source(data or SYNTHETIC), make_console(), form)


def _some(dataset: Dataset, images: int) -> Learning:
    """So many training images, and a quarter as many to validate."""
    from fer_core.data.protocols import Learning, default_protocol, split, stratified
    from fer_core.targets import one_hot

    learning, _ = split(dataset, default_protocol(dataset))
    train = stratified(learning.train_labels, images)
    shares = learning.train_distributions
    val = stratified(learning.val_labels, max(1, len(train) // 4))
    return Learning(
        learning.train_images[train],
        learning.train_labels[train],
        learning.val_images[val],
        learning.val_labels[val],
        learning.classes,
        # For a network that is to learn distributions: those that all agree, where no others are known.
        one_hot(learning.train_labels, len(learning.classes))[train] if shares is None else shares[train],
        None if learning.train_targets is None else learning.train_targets[train],
        None if learning.val_targets is None else learning.val_targets[val],
    )


if __name__ == "__main__":
    run_command(main)
