"""What holds a user's trainer in another Python, and does what a `Script` (`fer_core.script`) asks through a pipe.

It runs where nothing of this project is installed, from its text alone: so it imports NumPy, what Python itself has,
and no more, and is written for Python 3.9 and later. What every trainer is promised, wherever it runs, stands here.
"""

from __future__ import annotations

import json
import linecache
import math
import os
import queue
import random
import signal
import sys
import tempfile
import threading
import traceback
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

FRAMEWORKS = {"torch", "keras"}  # which have generators of their own
READY = b"The script's host is ready.\n"  # before it, others may print: a container, a module system
METHODS = ("train_epoch", "save", "load")  # that every trainer has, beside what answers

Message = tuple[dict[str, Any], dict[str, np.ndarray]]


def write_message(pipe: IO[bytes], said: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """What is said, as a line of JSON, and the bytes of the arrays, which are of numbers or texts."""
    shapes = {name: [array.dtype.str, array.shape] for name, array in arrays.items()}
    pipe.write(json.dumps({**said, "arrays": shapes}).encode() + b"\n")
    for array in arrays.values():
        pipe.write(array.tobytes())
    pipe.flush()


def read_message(pipe: IO[bytes]) -> Message | None:
    """The next message, its arrays writable; None if the other side has ended."""
    line = pipe.readline()
    if not line.endswith(b"\n"):
        return None
    said, arrays = json.loads(line), {}
    for name, (kind, shape) in said.pop("arrays").items():
        room = bytearray(np.dtype(kind).itemsize * math.prod(shape))
        if pipe.readinto(room) < len(room):  # type: ignore[attr-defined]  # a BufferedReader: all, or the end
            return None
        arrays[name] = np.ndarray(shape, kind, room)
    return said, arrays


def seed_all(seed: int, number: int) -> None:
    """Seed the global generators of Python, NumPy and the frameworks that are loaded, from a trial's seed and the
    number of an epoch, 0 for the time before the first.
    """
    state = int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
    random.seed(state)
    np.random.seed(state)  # the user's script may use it
    for name in FRAMEWORKS & set(sys.modules):
        framework = sys.modules[name]
        (framework.manual_seed if name == "torch" else framework.utils.set_random_seed)(state)


def seeded(make: Callable[[], Any], seed: int) -> Any:
    """What `make` gives, once more if it has loaded a framework, whose generator was not seeded the first time."""
    known = FRAMEWORKS & set(sys.modules)
    seed_all(seed, 0)
    made = make()
    if FRAMEWORKS & set(sys.modules) == known:
        return made
    seed_all(seed, 0)
    return make()


class Noting(dict[str, Any]):
    """Settings that note in `read` which of them are asked for."""

    def __init__(self, settings: Mapping[str, Any], read: set[str]) -> None:
        super().__init__(settings)
        self.read = read

    def unnoted(self) -> Mapping[str, Any]:
        """The same, of which it is not noted what is asked for."""
        return dict(super().items())

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.read.add(name)
        return super().get(name, default)

    def __iter__(self) -> Iterator[str]:  # by which `**settings` and `dict(settings)` go, too
        self.read.update(self.keys())
        return super().__iter__()

    def items(self) -> Any:
        self.read.update(self.keys())
        return super().items()


class Host:
    """Holds one trainer. Its methods are what can be asked, and return the arrays of the answer, if any."""

    def __init__(self) -> None:
        self._class: Any = None
        self._trainer: Any = None
        self._seed = 0
        self._read: set[str] = set()

    def read_script(self, path: str, text: str, trainer: str) -> None:
        """Execute the script, as a module by the name of its file, so that what it defines can be pickled."""
        name = Path(path).stem
        if name in sys.modules:
            raise LookupError(f"{Path(path).name} has the name of a module of Python's, which it would hide")
        module = types.ModuleType(name)
        module.__file__ = path
        sys.modules[name] = module
        sys.path.insert(0, str(Path(path).parent))  # what lies beside it, where that is
        linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)  # the lines of a traceback
        exec(compile(text, path, "exec", dont_inherit=True), vars(module))
        self._class = getattr(module, trainer, None)
        if self._class is None:
            raise LookupError(f"{Path(path).name} defines no {trainer}")
        missing = [method for method in METHODS if not hasattr(self._class, method)]
        if not (hasattr(self._class, "predict") or hasattr(self._class, "score")):
            missing.append("predict, or where a score judges score")
        if missing:
            raise LookupError(f"{trainer} lacks {', '.join(missing)}")

    def make(
        self, settings: dict[str, Any], seed: int, classes: list[str], images: np.ndarray, labels: np.ndarray
    ) -> None:
        self._trainer, self._seed, self._read = None, seed, set()
        noting = Noting(settings, self._read)
        self._trainer = seeded(lambda: self._class(noting, seed, images, labels, classes), seed)

    def train_epoch(self, number: int) -> None:
        seed_all(self._seed, number)
        self._trainer.train_epoch(number)

    def predict(self, images: np.ndarray) -> dict[str, np.ndarray]:
        return {"probabilities": _numbers("predict", self._trainer.predict(images))}

    def score(self, images: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
        return {"scores": _numbers("score", self._trainer.score(images, targets))}

    def validated(self, accuracy: float, loss: float) -> None:
        if hasattr(self._trainer, "validated"):
            self._trainer.validated(accuracy, loss)

    def scored(self, score: float) -> None:
        if hasattr(self._trainer, "scored"):
            self._trainer.scored(score)

    def save(self) -> dict[str, np.ndarray]:
        """What the trainer writes; nothing if it leaves no file."""
        with tempfile.TemporaryDirectory(prefix="fer-study-") as folder:
            path = Path(folder) / "state"
            self._trainer.save(path)
            return {"state": np.fromfile(path, np.uint8)} if path.is_file() else {}

    def load(self, state: np.ndarray) -> None:
        with tempfile.TemporaryDirectory(prefix="fer-study-") as folder:
            path = Path(folder) / "state"
            state.tofile(path)
            self._trainer.load(path)

    def recorded(self) -> dict[str, Any]:
        """What the trainer says of itself, and which settings it has asked for since it was made."""
        rate, parameters = (getattr(self._trainer, name, None) for name in ("learning_rate", "parameters"))
        return {
            "learning_rate": None if rate is None else float(rate),
            "parameters": None if parameters is None else int(parameters),
            "read": sorted(self._read),
        }


def _numbers(method: str, given: Any) -> np.ndarray:
    found = np.asarray(given)
    if found.dtype.kind not in "fiub":
        raise TypeError(f"{method} gave {found.dtype}, expected numbers")
    return found


def main() -> None:
    """Answer until the other side ends, be it in the middle of an epoch."""
    asked, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # processes that a script forks would wait to close what is read here
    os.dup2(2, 1)  # what the script prints is no answer
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # and is there should it be killed
    inbox: queue.Queue[Message] = queue.Queue()
    threading.Thread(target=_listen, args=(asked, inbox), daemon=True).start()
    answers.write(READY)
    answers.flush()
    host = Host()
    while True:
        said, arrays = inbox.get()
        try:
            found = getattr(host, said.pop("ask"))(**said, **arrays)
            write_message(answers, host.recorded(), found or {})
        except BaseException as problem:  # also what a script's own `sys.exit` raises
            write_message(answers, {"problem": _traceback(problem)}, {})


def _listen(asked: IO[bytes], inbox: queue.Queue[Message]) -> None:
    try:
        while message := read_message(asked):
            inbox.put(message)
    finally:  # whoever asked has ended or was killed: no GPU is held for them, nor by what the script has started
        os.killpg(os.getpgrp(), signal.SIGKILL)


def _traceback(problem: BaseException) -> str:
    """Without what lies in this file."""
    frames, here = problem.__traceback__, main.__code__.co_filename
    while frames is not None and frames.tb_frame.f_code.co_filename == here:
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(problem), problem, frames))


if __name__ == "__main__":
    main()
