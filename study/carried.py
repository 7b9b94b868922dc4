"""A trainer of the user's own on its way to the workers: its code travels with the trials, as the project's does.

A class from a space's file is pickled with its code; one from an installed package by name.
"""

import pickle
import sys
from dataclasses import dataclass
from typing import Any

from fer_core.trainer import Trainer


@dataclass(frozen=True)
class Carried:
    """folder: where the space's file lies, for what it imports from beside it; empty for an installed one."""

    pickled: bytes
    folder: str

    def unpack(self) -> type[Trainer]:
        """The trainer, in another process."""
        if self.folder and self.folder not in sys.path:
            sys.path.insert(0, self.folder)
        trainer: Any = pickle.loads(self.pickled)
        return trainer
