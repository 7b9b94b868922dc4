"""The table `likeness`: how alike every test image is to the one most like it among those that train.

It follows from the data alone. The report makes it where the images are at hand (`study/report/likeness.py`), and
from then on the study's folder has it, wherever it goes.
"""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from study.records.parquet import read_file, write_parquet
from study.records.schemas import SCHEMA_VERSION, VERSION_KEY

NAME = "likeness"
FILE = f"{NAME}.parquet"
SCHEMA = pa.schema(
    {"image": pa.int32(), "likeness": pa.float32(), "most_like": pa.int32()},
    metadata={VERSION_KEY: str(SCHEMA_VERSION)},
)


def read_likeness(folder: Path) -> pd.DataFrame | None:
    """The table of the study in `folder`, by image; None where there is none. Raises InputError if it is broken."""
    path = folder / FILE
    if not path.exists():
        return None
    return read_file(path, SCHEMA).to_pandas().set_index("image")


def write_likeness(table: pd.DataFrame, folder: Path) -> None:
    """Write it, whole or not at all."""
    write_parquet(pa.Table.from_pandas(table.reset_index(), SCHEMA, preserve_index=False), folder, NAME)
