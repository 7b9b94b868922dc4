"""The other Python that a space's script may have: whether it can run it, and what is installed there."""

import json
import subprocess
from functools import cache
from typing import Any

from fer_core.errors import InputError
from fer_core.script import Script
from search_spaces.space import Space

# Without an import of theirs, and so that any Python can say that it is too old.
QUESTION = """
import json, platform
try:
    from importlib.metadata import distributions
except ImportError:
    distributions = list
found = dict((str(one.metadata["Name"]).lower(), one.version) for one in distributions())
print(json.dumps(dict(found, python=platform.python_version())))
"""
OLDEST = (3, 9)
SECONDS = 120  # that it may take to answer: a container is unpacked


@cache
def packages(script: Script) -> dict[str, str]:
    """The releases of the Python that runs the script, under `python`, and of all that is installed there.

    Raises InputError if on this machine there is none, or one that cannot run it.
    """
    named = f"{script.path.name}: its Python, {script.python},"
    try:
        done = subprocess.run(
            [*script.start(), "-c", QUESTION],
            env=script.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise InputError(f"{named} cannot be started ({getattr(problem, 'strerror', None) or problem}).") from None
    try:
        found: dict[str, str] = json.loads(done.stdout.strip().rpartition("\n")[2])  # a container may speak before
    except ValueError:
        said = (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
        raise InputError(f"{named} cannot be started (status {done.returncode}: {said[:200]}).") from None
    release = found.pop("python")
    if tuple(int(part) for part in release.split(".")[:2]) < OLDEST:
        raise InputError(f"{named} is {release}, expected {'.'.join(map(str, OLDEST))} or later.")
    if "numpy" not in found:
        raise InputError(f"{named} has no NumPy, by which images are handed to the script.")
    return {"python": release, **dict(sorted(found.items()))}


def check_script(space: Space) -> None:
    """Raises InputError where a script's Python is not to be had on this machine, or cannot run it."""
    if isinstance(space.trainer, Script) and space.trainer.python is not None:
        packages(space.trainer)


def script_record(space: Space) -> dict[str, Any] | None:
    """What a study's record keeps of a script and its Python; `packages` is empty if that is not on this machine."""
    script = space.trainer
    if not isinstance(script, Script):
        return None
    try:
        found = {} if script.python is None else packages(script)
    except InputError:
        found = {}
    return {"file": script.path.name, "python": script.python, "packages": found}
