"""The tables of a study as files: parquet that is whole at every moment, and the lines since."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fer_core.config import value_before
from fer_core.errors import InputError
from study.records.schemas import (
    CONFIG_COLUMNS,
    FER2013_CLASSES,
    KEYS,
    PENDING,
    PROBABILITIES,
    SCHEMA_VERSION,
    SCHEMAS,
    SETTING,
    VERSION_KEY,
    Row,
    with_classes,
)


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """The table `name` of a study, with the rows that its parquet file lacks while the study runs."""
    rows = [row for table_name, row in read_pending(folder) if table_name == name]
    table = read_parquet(folder, name)  # later: a driver moves rows from the pending ones to here, never back
    frame = as_frame(pa.concat_tables([table, pa.Table.from_pylist(rows, schema=table.schema)]))
    return frame.drop_duplicates(KEYS[name], ignore_index=True)


def read_parquet(folder: Path, name: str) -> pa.Table:
    """The parquet file as the schema has it, and after that the settings of a user's own network or trainer. In a
    column that an older version lacks is what was so in effect, if anything.

    Raises InputError if the file cannot be read, or if a newer version wrote it.
    """
    path, schema = folder / f"{name}.parquet", SCHEMAS[name]
    if not path.exists():
        return schema.empty_table()
    table = read_file(path)
    version = int((table.schema.metadata or {}).get(VERSION_KEY, SCHEMA_VERSION))
    if version > SCHEMA_VERSION:
        raise InputError(f"{path}: has schema {version}; this version of fer-study reads up to {SCHEMA_VERSION}.")
    if PROBABILITIES in table.column_names:
        schema = with_classes(schema, _length(table.schema.field(PROBABILITIES).type))
    columns = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.repeat(pa.scalar(_once(field.name), field.type), table.num_rows)
        for field in schema
    ]
    own = [field for field in table.schema if field.name.startswith(SETTING) and field.name not in schema.names]
    for field in own:
        columns.append(table[field.name])
        schema = schema.append(field)
    return pa.Table.from_arrays(columns, schema=schema)


def read_file(path: Path, schema: pa.Schema | None = None) -> pa.Table:
    """The table in a parquet file, as `schema` has it if there is one. Raises InputError if it cannot be read."""
    try:
        # By its path Arrow opens it twice, and a driver may exchange it in between. Of a Python file its threads need
        # the interpreter to let go of it, and abort where that is about to end (apache/arrow 34314).
        with pa.OSFile(str(path)) as file:
            return pq.read_table(file, schema=schema)
    except (pa.ArrowException, OSError) as problem:
        raise InputError(f"{path}: cannot be read as parquet ({str(problem).splitlines()[0]}).") from None


def _length(kind: pa.DataType) -> int:
    return kind.list_size if pa.types.is_fixed_size_list(kind) else FER2013_CLASSES


def as_frame(table: pa.Table) -> pd.DataFrame:
    """For pandas, whose whole numbers become others beside an empty cell: those of the user's own settings do not."""
    frame = table.to_pandas()
    for field in table.schema:
        own = field.name.startswith(SETTING) and field.name not in CONFIG_COLUMNS
        if own and pa.types.is_integer(field.type) and table[field.name].null_count:
            frame[field.name] = pd.Series(table[field.name].to_pylist(), frame.index, object)
    return frame


def _once(column: str) -> Any:
    """What a column held in effect before there was one."""
    if column == "search":
        return 0
    return value_before(column.removeprefix("config.")) if column in CONFIG_COLUMNS else None


def read_pending(folder: Path) -> Iterable[tuple[str, Row]]:
    """The lines since the parquet files were written, up to the last whole one."""
    try:
        content = (folder / PENDING).read_bytes()  # at once: a driver may drop them while they are read
    except FileNotFoundError:
        return
    for line in content.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            return
        name, row = json.loads(line)
        yield name, row


def write_parquet(table: pa.Table, folder: Path, name: str) -> None:
    """Write the table to `name`.parquet in the folder, whole or not at all."""
    path = folder / f"{name}.parquet"
    partial = path.with_suffix(".parquet.partial")
    pq.write_table(table, partial, compression="zstd")
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)
