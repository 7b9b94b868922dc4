"""The table `likeness`: how alike every test image is to the one most like it among those that train.

It follows from the data alone. The report makes it where the images are at hand (`study/report/likeness.py`), and
from then on the study's folder has it, wherever it goes.
"""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fer_core.errors import InputError
from study.tables import SCHEMA_VERSION, VERSION_KEY

FILE = "likeness.parquet"
SCHEMA = pa.schema(
    {"image": pa.int32(), "likeness": pa.float32(), "most_like": pa.int32()},
    metadata={VERSION_KEY: str(SCHEMA_VERSION)},
)


def read_likeness(folder: Path) -> pd.DataFrame | None:
    """The table of the study in `folder`, by image; None where there is none. Raises InputError if it is broken."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        with pa.OSFile(str(path)) as file:  # as `study.tables.read_parquet` has it
            table = pq.read_table(file, schema=SCHEMA)
    except (pa.ArrowException, OSError) as problem:
        raise InputError(f"{path}: cannot be read ({str(problem).splitlines()[0]}).") from None
    return table.to_pandas().set_index("image")


def write_likeness(table: pd.DataFrame, folder: Path) -> None:
    """Write it, whole or not at all."""
    path = folder / FILE
    partial = path.with_suffix(".parquet.partial")
    pq.write_table(
        pa.Table.from_pandas(table.reset_index(), SCHEMA, preserve_index=False), partial, compression="zstd"
    )
    partial.replace(path)
