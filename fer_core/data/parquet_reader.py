"""FER2013 as one parquet file: `usage`, `emotion`, and `pixels` as 2,304 bytes a row."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fer_core.data.dataset import EMOTIONS, USAGES, Dataset, Listing
from fer_core.data.image import bring_all
from fer_core.errors import InputError
from fer_core.form import PAPERS, Form

SIDE = PAPERS.side  # in which FER2013 is held
MAGIC = b"PAR1"


def is_parquet(path: Path) -> bool:
    """Whether the file is one, whatever it is called."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def schema_of(path: Path) -> pa.Schema:
    """That of the parquet file; one without columns where that cannot be read, as its reader will say."""
    try:
        return pq.read_schema(path)
    except (pa.ArrowException, OSError):
        return pa.schema([])


def read_parquet(path: Path, form: Form) -> Dataset:
    """Read `path`. Raises InputError naming the file and what is wrong in it."""
    listing, table = _listed(path, ["pixels"])
    lengths = pc.binary_length(table["pixels"]).to_numpy()
    wrong = np.flatnonzero(lengths != SIDE * SIDE)
    if len(wrong):
        raise InputError(f"{path}, row {wrong[0] + 1}: {lengths[wrong[0]]} bytes of pixels, expected {SIDE * SIDE}.")
    pixels = np.frombuffer(b"".join(table["pixels"].to_pylist()), np.uint8)
    return listing.with_images(bring_all(pixels.reshape(-1, SIDE, SIDE), form))


def list_parquet(path: Path) -> Listing:
    """What `read_parquet` will read, by the labels alone."""
    return _listed(path, [])[0]


def _listed(path: Path, others: list[str]) -> tuple[Listing, pa.Table]:
    """The listing, and the table with these other columns."""
    try:
        table = pq.read_table(path, columns=["usage", "emotion", *others])
    except (pa.ArrowInvalid, OSError) as problem:
        raise InputError(f"{path}: not FER2013 as parquet: {str(problem).splitlines()[0][:200]}") from None
    labels = table["emotion"].to_numpy()
    usages = pc.index_in(table["usage"], value_set=pa.array(USAGES)).to_numpy()
    wrong = np.flatnonzero((labels < 0) | (labels >= len(EMOTIONS)) | np.isnan(usages))
    if len(wrong):
        row = int(wrong[0])
        raise InputError(
            f"{path}, row {row + 1}: emotion {labels[row]} and usage {table['usage'][row]}, "
            "expected 0 to 6 and Training, PublicTest or PrivateTest."
        )
    return Listing(path.stem, labels.astype(np.uint8), usages.astype(np.uint8)), table
