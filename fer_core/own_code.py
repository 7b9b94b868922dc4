"""Reading a user's own Python file: a space, or the layers that a network has of its own."""

import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from fer_core.errors import InputError


def load_code(path: Path) -> ModuleType:
    """The module in `path`, called `space_` and the file's stem; from then on, what lies beside it can be imported.

    It does not go into `sys.modules`: so what it defines is pickled with its code. Raises InputError with the line.
    """
    spec = importlib.util.spec_from_file_location(f"space_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as problem:
        raise InputError(f"{path}, line {_line(path, problem)}: {type(problem).__name__}: {problem}") from None
    return module


def _line(path: Path, problem: Exception) -> int:
    """Where in the user's own file `problem` arose."""
    if isinstance(problem, SyntaxError):
        return problem.lineno or 1
    lines = [f.lineno for f in traceback.extract_tb(problem.__traceback__) if f.filename == str(path)]
    return lines[-1] or 1 if lines else 1
