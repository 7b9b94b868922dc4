"""Finding a space by its name or by the path of a Python file that defines `SPACE`."""

import importlib
import importlib.util
import pkgutil
import traceback
from pathlib import Path

import search_spaces
from fer_core.errors import InputError
from search_spaces.space import Space

NOT_SPACES = {"space", "catalogue"}


def space_names() -> list[str]:
    """The spaces that come with the project."""
    return sorted(m.name for m in pkgutil.iter_modules(search_spaces.__path__) if m.name not in NOT_SPACES)


def load_space(name: str) -> Space:
    """The space called `name`, or the one in the Python file at that path. Raises InputError."""
    if name in space_names():
        return importlib.import_module(f"search_spaces.{name}").SPACE
    path = Path(name)
    if path.suffix != ".py":
        raise InputError(
            f"--space {name}: no such space. There are: {', '.join(space_names())}; or give a Python file."
        )
    if not path.is_file():
        raise InputError(f"--space {name}: no such file.")
    return _load_file(path.resolve())


def _load_file(path: Path) -> Space:
    spec = importlib.util.spec_from_file_location(f"space_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as problem:
        raise InputError(f"{path}, line {_line(path, problem)}: {type(problem).__name__}: {problem}") from None
    space = getattr(module, "SPACE", None)
    if not isinstance(space, Space):
        raise InputError(f"{path}: defines no SPACE. Expected SPACE = search_spaces.space.Space(...).")
    return space


def _line(path: Path, problem: Exception) -> int:
    """Where in the user's own file `problem` arose."""
    if isinstance(problem, SyntaxError):
        return problem.lineno or 1
    lines = [f.lineno for f in traceback.extract_tb(problem.__traceback__) if f.filename == str(path)]
    return lines[-1] or 1 if lines else 1
