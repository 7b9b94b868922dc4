"""Many images, one after the other, into one array."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np

from fer_core.errors import InputError
from fer_core.form import Form

PROGRESS_EVERY = 200
T = TypeVar("T")


def decode_all(
    each: Iterable[T],
    count: int,
    decode: Callable[[T], np.ndarray],
    form: Form,
    progress: Callable[[int, int], None] = lambda done, total: None,
    unreadable: list[str] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """What `decode` makes of each of so many, (count, *form.in_memory) uint8, and which of them were good, (count,)
    bool. `progress(done, total)` is told of them.

    Raises the InputError of the first that is not; with `unreadable` appends to it what is wrong with each instead.
    """
    images, good = np.empty((count, *form.in_memory), np.uint8), np.ones(count, bool)
    # In a row: threads would only wait for Python's lock, and take twice as long.
    for index, one in enumerate(each):
        if not index % PROGRESS_EVERY:
            progress(index, count)
        try:
            images[index] = decode(one)
        except InputError as problem:
            if unreadable is None:
                raise
            unreadable.append(str(problem))
            good[index] = False
    return images, good
