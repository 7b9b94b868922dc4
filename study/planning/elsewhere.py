"""The other data that a study's networks are tested on, too: where it is, and what of it is tested, in words."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from fer_core.data.sources import Source, find_source, list_images
from fer_core.errors import InputError
from fer_core.features import noun
from fer_core.form import Form
from study.planning.inputs import check_alike

if TYPE_CHECKING:
    from rich.console import Console

    from fer_core.data.dataset import Dataset, Listing
    from fer_core.data.protocols import Learning, Testing

    Others = Mapping[str, Mapping[Form, Dataset]]  # by name, in every form that a trial may see

OPTION = "--also-test"


def find_others(given: Iterable[Sequence[str]] | None) -> dict[str, Source]:
    """The sources that `--also-test` names, each a path and, perhaps, how to tell its subjects; by their names.

    Raises InputError where there is no such path, and where two have one name.
    """
    found: dict[str, Source] = {}
    for path, *subjects in given or []:
        if len(subjects) > 1:
            raise InputError(f"{OPTION} {' '.join((path, *subjects))}: expected a path and at most one pattern.")
        source = find_source(path, subjects=subjects[0] if subjects else None, option=OPTION)
        same = found.get(source.name)
        if same is not None and same.named == source.named:  # as where a study has been told so before
            continue
        if same is not None:
            raise InputError(f"{OPTION} {path}: there is another data set called {source.name}. Rename one.")
        found[source.name] = source
    return found


def read_others(sources: Mapping[str, Source], forms: Sequence[Form], console: "Console") -> "Others":
    """The images of the `sources` in all `forms`, the first one first."""
    from fer_core.data.progress import read_with_progress

    return {
        name: {form: read_with_progress(source, console, form) for form in forms} for name, source in sources.items()
    }


def fingerprints(others: "Others", own: str) -> dict[str, str] | None:
    """Those of the `others` in their first form; None of none. Raises InputError where one is the study's `own`."""
    found = {name: next(iter(seen.values())).fingerprint() for name, seen in others.items()}
    for name, fingerprint in found.items():
        if fingerprint == own:
            raise InputError(f"{OPTION} {name}: is the data that trains.")
    return found or None


def tested_texts(others: "Others", part: "tuple[Learning, Testing]") -> list[str]:
    """What of the `others` is tested with this part of the data that trains, a line each."""
    import numpy as np

    learning, testing = part
    found = []
    for name, tested in testing.elsewhere.items():
        other = next(iter(others[name].values()))
        every, each = len(other.labels), noun(other.features)
        seen = ", ".join(learning.classes[label] for label in np.unique(tested.labels))
        subjects = "" if tested.subjects is None else f", {len(np.unique(tested.subjects)):,} subjects"
        twins = int(np.count_nonzero(~tested.distinct))
        known = f", {twins:,} with a twin in training" if twins else ""
        found.append(f"tested on, too: {name}, {len(tested.labels):,} of {every:,} {each}s ({seen}){subjects}{known}")
    return found


def later_text(lacking: Mapping[str, Sequence[str]], again: int) -> str:
    """What comes of trials that have ended and are yet to answer other data, by its names; so many are trained again
    for it.
    """
    names = ", ".join(dict.fromkeys(name for each in lacking.values() for name in each))
    return (
        f"trained before, and now tested on {names}, too: {len(lacking) - again} networks that were kept, "
        f"{again} that are trained again"
    )


def expected(source: Source, own: "Listing | None") -> dict[str, int] | None:
    """How many images of `source` will be `tested`, `of` how many; None where that is not known before it is decoded.

    own: what is known so of the data that trains. Raises InputError as reading does.
    """
    other = list_images(source)
    if other is None or own is None:
        return None
    from fer_core.data.elsewhere import rows_elsewhere

    check_alike(source.name, other.features, own.features)

    return {"tested": len(rows_elsewhere(other, own.classes)), "of": len(other.labels)}


def expected_text(name: str, counts: Mapping[str, int] | None) -> str:
    """The same in words."""
    if counts is None:
        return f"tested on, too: {name}, the images of classes that both data sets have"
    return f"tested on, too: {name}, {counts['tested']:,} of {counts['of']:,} images"
