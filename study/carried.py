"""A network or trainer of the user's own on its way to the workers: its code travels with the trials.

What a space's file defines is pickled with its code; what another module does, by name.
"""

import inspect
import pickle
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_core.script import Script


def file_of(brought: Any) -> Path:
    """The file that defines a network or trainer. That of a class by its methods: a space's file is no module."""
    if isinstance(brought, Script):
        return brought.path
    classes = inspect.getmro(brought) if isinstance(brought, type) else ()
    methods = (value for one in classes for value in vars(one).values() if inspect.isfunction(value))
    return Path(inspect.getfile(next(methods, brought))).resolve()


def folder_of(brought: Any) -> Path:
    """The folder from which what lies beside its file is imported; of a package's module, the package's own."""
    packages = 0 if isinstance(brought, Script) else brought.__module__.count(".")
    return file_of(brought).parents[packages]


@dataclass(frozen=True)
class Carried:
    """folder: where its module lies, for what that imports from beside it, on nodes that have the folder."""

    pickled: bytes
    folder: str

    def unpack(self) -> Any:
        """The network or trainer, in another process."""
        if self.folder not in sys.path:
            sys.path.append(self.folder)
        return pickle.loads(self.pickled)
