"""FER+: what ten people saw in each image of FER2013, instead of its own labels (Barsoum et al. 2016).

The file `fer2013new.csv` has a row of votes for every row of FER2013, in its order: for eight emotions, for `unknown`
and for `NF`, no face.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from fer_core.data.dataset import EMOTIONS, USAGES, Dataset, Listing
from fer_core.errors import InputError

NAME = "ferplus"
# The columns of the file that are emotions, in the order of the classes here: FER2013's, and contempt.
CLASSES = (*EMOTIONS, "contempt")
EMOTION_COLUMNS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt")
OTHER_COLUMNS = ("unknown", "NF")
OUTLIER = 1  # votes for an emotion up to which they are not counted


def with_votes(dataset: Dataset, path: Path) -> Dataset:
    """FER2013 with the labels that most votes in `path` agree on, majority voting as FER+'s authors do it, and with
    the distributions of the votes over the classes.

    Single votes are not counted. Images are left out for which no emotion then has more than half of the votes, and
    those without a name, which FER+ leaves out, too. Raises InputError if the rows are not those of `dataset`.
    """
    listing, kept = _voted(dataset.listing, path)
    return listing.with_images(dataset.images, kept)


def list_votes(listing: Listing, path: Path) -> Listing:
    """The same of what is known before the images are decoded."""
    voted, kept = _voted(listing, path)
    return voted.only(kept)


def _voted(listing: Listing, path: Path) -> tuple[Listing, np.ndarray]:
    """Every image with its new label, and which of them are kept, (n,) bool."""
    table = _read(path)
    if table.num_rows != len(listing.labels):
        raise InputError(
            f"{path}: {table.num_rows:,} rows of votes for {len(listing.labels):,} images of {listing.name}. "
            "Expected all of FER2013 in its own order."
        )
    usages = pc.index_in(table["Usage"], value_set=pa.array(USAGES)).to_numpy(zero_copy_only=False)
    wrong = np.flatnonzero(usages != listing.usages)
    if len(wrong):
        raise InputError(
            f"{path}, row {wrong[0] + 1}: another usage than that row of {listing.name}. Expected its order."
        )
    votes = np.stack([table[name].to_numpy() for name in (*EMOTION_COLUMNS, *OTHER_COLUMNS)], axis=1)
    votes = np.where(votes <= OUTLIER, 0, votes)
    labels = votes.argmax(axis=1)
    agreed = 2 * votes.max(axis=1) > votes.sum(axis=1)
    named = pc.not_equal(pc.fill_null(table["Image name"], ""), "").to_numpy(zero_copy_only=False)
    kept = agreed & named & (labels < len(CLASSES))
    of_classes = votes[:, : len(CLASSES)]
    distributions = of_classes / np.maximum(of_classes.sum(axis=1, keepdims=True), 1)
    voted = Listing(
        NAME, labels.astype(np.uint8), listing.usages, CLASSES, distributions=distributions.astype(np.float32)
    )
    return voted, kept


def _read(path: Path) -> pa.Table:
    names = ("Usage", "Image name", *EMOTION_COLUMNS, *OTHER_COLUMNS)
    types = {name: pa.string() if name in names[:2] else pa.int64() for name in names}
    try:
        table = pa.csv.read_csv(path, convert_options=pa.csv.ConvertOptions(column_types=types))
    except (pa.ArrowInvalid, OSError) as problem:
        raise InputError(f"{path}: not the votes of FER+ ({str(problem).splitlines()[0][:200]}).") from None
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise InputError(f"{path}: no column '{missing[0]}'. Expected the votes of FER+, fer2013new.csv.")
    return table
