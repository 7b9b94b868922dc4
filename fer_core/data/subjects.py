"""Who is to be seen in an image, where a data set shows some people several times.

Networks know again the people they were trained on. What is said of new people therefore needs parts that share
nobody, and an interval that counts people, whose images are no independent evidence of each other.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fer_core.errors import InputError

OPTION = "--subjects"


def from_names(names: Sequence[str], pattern: str) -> np.ndarray:
    """The subject of every file by its name, (n,) str: the first group of the regular expression `pattern` that takes
    part, all that it matches where it has none. Raises InputError where it is no expression or a name has no match.
    """
    try:
        expression = re.compile(pattern)
    except re.error as problem:
        raise InputError(f"{OPTION} {pattern}: not a regular expression ({problem}).") from None
    found = []
    for name in names:
        match = expression.search(name)
        if match is None:
            raise InputError(f"{OPTION} {pattern}: does not match the name of the file {name}.")
        groups = [group for group in match.groups() if group is not None]
        found.append(groups[0] if groups else match[0])
    return checked(found, pattern)


def check_nobody_is_named(path: Path, asked: str | None) -> None:
    """Raises InputError where subjects are `asked` for of FER2013 in one file."""
    if asked is not None:
        raise InputError(f"{OPTION} {asked}: {path} has pixels as FER2013, which names nobody.")


def subjects_text(counts: Mapping[str, int]) -> str:
    """The counts of `protocols.subjects_by_part` in words."""
    if "folds" in counts:
        return f"{counts['tested']:,} in {counts['folds']} parts, each tested by networks that saw nobody of it"
    text = f"{counts['train']:,} train, {counts['validate']:,} validate, {counts['tested']:,} are tested, "
    if not counts["known"]:
        return text + "none seen before"
    return text + f"{counts['known']:,} of them seen before: people who were not will be harder"


def checked(subjects: Sequence[str], asked: str) -> np.ndarray:
    """The `subjects` as an array. Raises InputError where they are not several, each with several images."""
    found = np.array(subjects, str)
    people = len(np.unique(found))
    if people < 2:
        raise InputError(f"{OPTION} {asked}: finds one subject, '{found[0]}', in all {len(found):,} images.")
    if people == len(found):
        raise InputError(
            f"{OPTION} {asked}: finds another subject in each of the {people:,} images, such as '{found[0]}'."
        )
    return found
