"""Which test images show a photograph that was there to learn from: measured on the images of a study."""

import numpy as np
import pandas as pd

from fer_core.config import FOLDS, Fold
from fer_core.data.dataset import Dataset
from fer_core.data.likeness import likeness
from fer_core.data.protocols import known_and_tested


def measure_likeness(dataset: Dataset, protocols: tuple[str, ...], folds: int | None) -> pd.DataFrame:
    """The table of `study/analysis/likeness.py`: a row for every image that is tested in one of the `protocols`.

    folds: of the protocol FOLDS. All that was given to learn from counts, also where a study trained on a part of it,
    as for `without twins`.
    """
    parts, seen = [], np.empty(0, np.int64)
    for protocol, fold in _divisions(protocols, folds):
        known, tested = known_and_tested(dataset.listing, protocol, fold)
        tested = np.setdiff1d(tested, seen)  # two protocols test some of the same images beside the same others
        seen = np.union1d(seen, tested)
        if len(tested):
            found = likeness(dataset.images[tested], dataset.images[known])
            rows = {"image": tested, "likeness": found.values, "most_like": known[found.others]}
            parts.append(pd.DataFrame(rows))
    return pd.concat(parts).set_index("image").sort_index()


def _divisions(protocols: tuple[str, ...], folds: int | None) -> list[tuple[str, Fold | None]]:
    if protocols != (FOLDS,):
        return [(protocol, None) for protocol in protocols]
    assert folds is not None
    return [(FOLDS, Fold(number, folds)) for number in range(folds)]
