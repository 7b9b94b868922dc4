"""A trainer in an environment of its own: another Python, with other packages, on the same machine.

PyTorch, its CUDA and a script's pinned releases need not go together with those of this project. So the script runs
in a process of that Python (`fer_core.apart`), which is told through a pipe what a trainer is told.
"""

import os
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path

from fer_core.errors import InputError

NOT_THEIRS = ("PYTHONPATH", "PYTHONHOME")  # which are set for this Python


@dataclass(frozen=True)
class Script:
    """The trainer that a space has from a script, run by another Python.

    path: the script, any file whose class `trainer` has the methods of `fer_core.trainer.Trainer`, which it need not
    be derived from: of this project it imports nothing. python: the command that starts the other Python, 3.9 or
    later with NumPy: a path, from the script's folder on if it is not absolute, or with words before, such as
    `apptainer exec --nv torch.sif python`; None for this one. It must be there on every node; the script travels.
    Raises InputError if there is no such script.
    """

    path: Path
    trainer: str
    python: str | None = None
    text: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        try:
            text = Path(self.path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as problem:
            words = getattr(problem, "strerror", None) or problem
            beside = f" Beside the space's file: Path(__file__).with_name({str(self.path)!r})."
            hint = "" if Path(self.path).is_absolute() else beside
            raise InputError(f"{self.path}: {words}.{hint}") from None
        object.__setattr__(self, "path", Path(self.path).resolve())
        object.__setattr__(self, "text", text)

    @property
    def __name__(self) -> str:  # as what else a space may bring has one
        return self.trainer

    def start(self) -> list[str]:
        """The words that start the other Python."""
        first, *others = shlex.split(self.python or shlex.quote(sys.executable))
        if "/" in first:
            first = str(self.path.parent / Path(first).expanduser())
        return [first, *others]

    def environment(self) -> dict[str, str]:
        """The variables that it has: this process', without what would mislead another Python."""
        return {name: value for name, value in os.environ.items() if not (self.python and name in NOT_THEIRS)}
