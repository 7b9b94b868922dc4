"""A network or trainer of the user's own on its way to the workers: its code travels with the trials.

What a space's file defines is pickled with its code; what an installed package does, by name.
"""

import pickle
import sys
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Carried:
    """folder: where the space's file lies, for what it imports from beside it; empty for an installed one."""

    pickled: bytes
    folder: str

    def unpack(self) -> Any:
        """The network or trainer, in another process."""
        if self.folder and self.folder not in sys.path:
            sys.path.insert(0, self.folder)
        return pickle.loads(self.pickled)
