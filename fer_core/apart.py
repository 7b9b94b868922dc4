"""A trainer that lives in a process of another Python, as a `Script` (`fer_core.script`) has it.

The process rests when its trial has ended, and serves the next one, which need not start a Python and import anew.
"""

import os
import signal
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from fer_core import script_host
from fer_core.config import Value
from fer_core.script import Script
from fer_core.script_host import READY, Noting, read_message, write_message
from fer_core.trainer import Trainer

HOST = Path(script_host.__file__)  # what runs there
LAST_LINES = 20  # of what it printed, for one that ends without a word
GRACE = 5.0  # seconds, in which a process that was let go of has ended


class ScriptError(RuntimeError):
    """The script failed, with its own traceback as the message, or its process ended."""


class Apart(Trainer):
    """A script's trainer, which lives in a process of its own."""

    def __init__(
        self,
        script: Script,
        settings: Mapping[str, Value],
        seed: int,
        images: np.ndarray,
        labels: np.ndarray,
        classes: Sequence[str],
    ) -> None:
        self._noting = settings if isinstance(settings, Noting) else None
        self._process = _process_of(script)
        weakref.finalize(self, self._process.rest)
        plain = dict(settings if self._noting is None else self._noting.unnoted())
        said = {"settings": plain, "seed": seed, "classes": list(classes)}
        self._ask("make", said, images=images, labels=labels)

    def train_epoch(self, number: int) -> None:
        self._ask("train_epoch", {"number": number})

    def predict(self, images: np.ndarray) -> np.ndarray:
        return self._ask("predict", {}, images=images)["probabilities"]

    def score(self, images: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return self._ask("score", {}, images=images, targets=targets)["scores"]

    def validated(self, accuracy: float, loss: float) -> None:
        self._ask("validated", {"accuracy": accuracy, "loss": loss})

    def scored(self, score: float) -> None:
        self._ask("scored", {"score": score})

    def save(self, path: Path) -> None:
        for state in self._ask("save", {}).values():
            state.tofile(path)

    def load(self, path: Path) -> None:
        self._ask("load", {}, state=np.fromfile(path, np.uint8))

    def _ask(self, what: str, said: Mapping[str, Any], **arrays: np.ndarray) -> dict[str, np.ndarray]:
        found, answered = self._process.ask(what, said, arrays)
        self.learning_rate, self.parameters = found["learning_rate"], found["parameters"]
        if self._noting is not None:
            self._noting.read.update(found["read"])
        return answered


def make_trainer(
    brought: Callable[[Mapping[str, Value], int, np.ndarray, np.ndarray, Sequence[str]], Trainer] | Script,
    settings: Mapping[str, Value],
    seed: int,
    images: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
) -> Trainer:
    """The trainer that a space brings, by its class or by a script, made of what `Trainer` takes."""
    if isinstance(brought, Script):
        return Apart(brought, settings, seed, images, labels, classes)
    return brought(settings, seed, images, labels, classes)


class _Process:
    """The other Python. It ends when this process does, or lets go of it."""

    def __init__(self, script: Script) -> None:
        self.script = script
        try:
            self._process = subprocess.Popen(
                [*script.start(), "-c", HOST.read_text(encoding="utf-8")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=script.environment(),
                start_new_session=True,  # Ctrl-C is this process' to hear
            )
        except OSError as problem:
            raise ScriptError(f"{script.python} cannot be started: {problem.strerror}") from None
        self._ended = False
        self._printed: deque[str] = deque(maxlen=LAST_LINES)
        self._printing = threading.Thread(target=self._pass_on_errors, daemon=True)
        self._printing.start()
        said = {"path": str(script.path), "text": script.text, "trainer": script.trainer}
        self._await_ready()
        self.ask("read_script", said, {})

    def ask(self, what: str, said: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> script_host.Message:
        """What it says of itself, and the arrays that it answers with. Raises ScriptError, and is of no more use."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            write_message(self._process.stdin, {"ask": what, **said}, arrays)
            answer = read_message(self._process.stdout)
        except BrokenPipeError:
            answer = None
        if answer is not None and "problem" not in answer[0]:
            return answer
        self.end()
        problem: str = self._last_words() if answer is None else answer[0]["problem"]
        raise ScriptError(problem.strip())

    def rest(self) -> None:
        """Be there for the next trial by the same script, which need not start a Python and import anew."""
        if not self._ended:
            _resting.append(self)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        """Let go of the other Python, which then ends by itself, or else is ended with what it has started."""
        self._ended = True
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):  # of what could not be sent
                pipe.close()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _last_words(self) -> str:
        """Why it has ended: how, and the last that it printed."""
        status = self._process.returncode
        self._printing.join(timeout=1)  # a process that it has left behind may hold the other end
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        words = next((line for line in reversed(self._printed) if line.strip()), "")
        return f"{self.script.path.name}, run by {self.script.python or 'this Python'}, {how}. {words}"

    def _await_ready(self) -> None:
        assert self._process.stdout is not None
        while (line := self._process.stdout.readline()) not in (READY, b""):
            self._pass_on(line)

    def _pass_on_errors(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._pass_on(line)

    def _pass_on(self, line: bytes) -> None:
        text = line.decode(errors="replace")
        self._printed.append(text.rstrip())
        sys.stderr.write(text)


_resting: list[_Process] = []  # of which the next trial takes one over


def _process_of(script: Script) -> _Process:
    while _resting:
        process = _resting.pop()
        if process.script == script and process.alive:
            return process
        process.end()
    return _Process(script)
