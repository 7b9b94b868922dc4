"""Finding a space: by its name, one of an installed package, or by the path of a Python file that defines `SPACE`.

A package offers its spaces as entry points of the group `fer_study.spaces`, each leading to a `Space`.
"""

import importlib
import pkgutil
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import search_spaces
from fer_core.errors import InputError
from fer_core.own_code import load_code
from search_spaces.space import Space

NOT_SPACES = {"space", "parameter", "claim", "score", "catalogue"}
GROUP = "fer_study.spaces"


def space_names() -> list[str]:
    """The spaces that come with the project, then those of installed packages."""
    return [*_own_names(), *sorted(_offered())]


def load_space(name: str) -> Space:
    """The space called `name`, or the one in the Python file at that path. Raises InputError."""
    if name in _own_names():
        return importlib.import_module(f"search_spaces.{name}").SPACE
    if name in _offered():
        return _load_offered(_offered()[name])
    path = Path(name)
    if path.suffix != ".py":
        raise InputError(
            f"--space {name}: no such space. There are: {', '.join(space_names())}; or give a Python file."
        )
    if not path.is_file():
        raise InputError(f"--space {name}: no such file.")
    return _load_file(path.resolve())


def space_text(name: str) -> str:
    """What the file of a space says of it: its docstring, or the question where it has none."""
    space = load_space(name)
    own = name in _own_names()
    doc = importlib.import_module(f"search_spaces.{name}").__doc__ if own else None
    return (doc or space.question).strip()


def _own_names() -> list[str]:
    return sorted(m.name for m in pkgutil.iter_modules(search_spaces.__path__) if m.name not in NOT_SPACES)


def _offered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in _own_names()}


def _load_offered(point: EntryPoint) -> Space:
    where = f"space {point.name} ({point.value}, of {point.dist.name if point.dist else 'an installed package'})"
    try:
        space = point.load()
    except Exception as problem:
        raise InputError(f"{where}: {type(problem).__name__}: {problem}") from None
    if not isinstance(space, Space):
        raise InputError(f"{where}: is no search_spaces.space.Space.")
    return space


def _load_file(path: Path) -> Space:
    space = getattr(load_code(path), "SPACE", None)
    if not isinstance(space, Space):
        raise InputError(f"{path}: defines no SPACE. Expected SPACE = search_spaces.space.Space(...).")
    return space
