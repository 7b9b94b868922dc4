"""Features as one table, an example a row: a CSV or a parquet file with its label and numbers, or a text.

The label stands in a column `label`, or another of LABELS, as text or a whole number; numbers that are to be learned
instead in columns such as `target.valence` and `target.arousal`; an example's part, if the file says so, in `split`,
or another of SPLIT. All columns beside these are what is learned from: numbers, one a feature, in their order; or a
single column with a text, or with a list of numbers, of one length in all rows. Where a column `image`, or another of
FILES, names files, that is images (`listed_files`).
"""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fer_core.data.archives import open_csv
from fer_core.data.classes import MOST_CLASSES, in_order, named
from fer_core.data.csv_file import read_header, read_rows
from fer_core.data.dataset import SPLITS, TRAINING, USAGES, Dataset, Listing, in_halves
from fer_core.data.parquet_reader import is_parquet
from fer_core.data.subjects import OPTION, checked
from fer_core.data.target_columns import hint, target_names, targets_in
from fer_core.errors import InputError

LABELS = ("label", "labels", "emotion", "expression", "class", "target")
SPLIT = ("split", "usage", "partition")
FILES = ("image", "img", "file", "path", "filename", "file_name", "filepath", "file_path", "image_path", "img_path")
PIXELS = "pixels"  # which FER2013 has
SOON_READ = 32 << 20  # bytes of a CSV, in about a second
PART_NAMES = {**SPLITS, **{usage.lower(): code for code, usage in enumerate(USAGES)}}


def is_table(columns: Sequence[str]) -> bool:
    """Whether a file with these columns holds features, and not FER2013's images."""
    names = [name.strip().lower() for name in columns]
    answers = {*targets_in(names), *(name for name in names if name in LABELS)}
    return bool(answers) and PIXELS not in names and len({*names} - {*answers, *SPLIT}) > 0


def file_column(columns: Sequence[str]) -> str | None:
    """Which of the columns names files, if one does."""
    return next((name for name in columns if name.strip().lower() in FILES), None)


def read_features(path: Path, subjects: str | None) -> Dataset:
    """The features in `path`, a CSV, packed or not, or a parquet file. subjects: the column that says whom a row is
    of, if any.

    Raises InputError naming the file, the row (1 is the first after the header) and the column.
    """
    name, table = read_table(path, subjects)
    others = {*_roles(path, table.column_names, subjects).values(), *targets_in(table.column_names)}
    return list_rows(path, name, table, subjects).with_images(_features(path, table, others))


def list_features(path: Path, subjects: str | None) -> Listing | None:
    """What they are; None of a CSV that takes long to unpack and read."""
    is_long = not is_parquet(path) and path.stat().st_size > SOON_READ
    return None if is_long else read_features(path, subjects).listing


def read_table(path: Path, subjects: str | None) -> tuple[str, pa.Table]:
    """What `path` is called, and its rows: of a CSV what says what or who something is, or names a file, as text."""
    if is_parquet(path):
        try:
            return path.stem, _plain(path, pq.read_table(path))
        except (pa.ArrowException, OSError) as problem:
            reason = str(problem).splitlines()[0][:200]
            raise InputError(f"{path}: cannot be read as parquet ({reason}).") from None
    file, name = open_csv(path)
    with file:
        header = read_header(path, file)
        texts = [*_roles(path, header, subjects).values(), *filter(None, [file_column(header)])]
        return name, _plain(path, read_rows(path, file, texts, long=True))


def list_rows(path: Path, name: str, table: pa.Table, subjects: str | None) -> Listing:
    """What is known of the rows beside what is learned from. Raises InputError as `read_features` does."""
    roles = _roles(path, table.column_names, subjects)
    if not table.num_rows:
        raise InputError(f"{path}: columns and no rows.")
    cells = {role: _words(path, column, table[column]) for role, column in roles.items()}
    if targets := targets_in(table.column_names):
        labels, classes = np.zeros(table.num_rows, np.uint8), target_names(targets)
    else:
        labels, classes = _labels(path, roles["label"], cells["label"])
    return Listing(
        name,
        labels,
        _usages(path, roles.get("split"), cells.get("split"), table.num_rows),
        classes,
        None if subjects is None else checked(cells["subject"], subjects),
        targets=np.column_stack([_target(path, name, table[name]) for name in targets]) if targets else None,
    )


def _target(path: Path, name: str, column: pa.ChunkedArray) -> np.ndarray:
    """(n,) float32."""
    if not _is_number(column.type):
        raise InputError(f"{path}: the column {name} is {_what(column)}, expected numbers that are to be learned.")
    found = _numbers(column).astype(np.float32)
    if (wrong := np.flatnonzero(~np.isfinite(found))).size:
        raise InputError(f"{path}, row {wrong[0] + 1}: {name} is empty or not finite.")
    return found


def _labels(path: Path, column: str, cells: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """(n,) uint8, and the names of the classes."""
    names = in_order({*cells})
    if not 2 <= len(names) <= MOST_CLASSES:
        raise InputError(f"{path}: {len(names)} classes in {column}, expected 2 to {MOST_CLASSES}. {hint(column)}")
    classes, new = named(names)
    position = dict(zip(names, new, strict=True))
    return np.array([position[cell] for cell in cells], np.uint8), classes


def _plain(path: Path, table: pa.Table) -> pa.Table:
    """Its columns, each once, without an index that pandas has written as one, and with its categories spelt out."""
    names = table.column_names
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(f"{path}: has the column {min(twice)} twice.")
    columns = dict(zip(names, table.columns, strict=True))
    return pa.table(
        {
            name: pc.cast(cells, cells.type.value_type) if pa.types.is_dictionary(cells.type) else cells
            for name, cells in columns.items()
            if not re.fullmatch(r"__index_level_\d+__", name)
        }
    )


def _roles(path: Path, columns: Sequence[str], subjects: str | None) -> dict[str, str]:
    """The columns that are no features, by what they are."""
    by_name = {name.strip().lower(): name for name in columns}
    for position, name in enumerate(by_name, start=1):
        if not name or name.startswith("unnamed:"):
            raise InputError(
                f"{path}: column {position} has no name, as an index that pandas has written. Leave it out "
                "(to_csv(index=False)): its numbers would be learned from."
            )
    targets = targets_in(columns)
    for known in (LABELS, SPLIT):
        found = [by_name[name] for name in known if name in by_name]
        if len(found) > 1 or (known is LABELS and found and targets):
            both = " and ".join([*found, *(targets if known is LABELS else ())])
            raise InputError(f"{path}: has the columns {both}. Leave out all but one of them.")
    label, split = _first(LABELS, by_name), _first(SPLIT, by_name)
    if subjects is not None and subjects not in columns:
        raise InputError(f"{OPTION} {subjects}: {path} has the columns {', '.join(columns)}.")
    return {
        **({} if label is None else {"label": by_name[label]}),
        **({} if split is None else {"split": by_name[split]}),
        **({} if subjects is None else {"subject": subjects}),
    }


def _first(known: Sequence[str], names: Collection[str]) -> str | None:
    return next((name for name in known if name in names), None)


def _words(path: Path, column: str, cells: pa.ChunkedArray) -> list[str]:
    """The cells of a column that says what or who something is, as text."""
    if not (is_text(cells.type) or pa.types.is_integer(cells.type) or pa.types.is_boolean(cells.type)):
        raise InputError(
            f"{path}: the column {column} is {cells.type}, expected text or whole numbers. {hint(column)}"
        )
    found = [str(cell if cell is not None else "").strip() for cell in cells.to_pylist()]
    if "" in found:
        raise InputError(f"{path}, row {found.index('') + 1}: {column} is empty.")
    return found


def _usages(path: Path, column: str | None, cells: Sequence[str] | None, rows: int) -> np.ndarray:
    if cells is None:
        return np.full(rows, TRAINING, np.uint8)
    found = [PART_NAMES.get(cell.lower()) for cell in cells]
    if None in found:
        row = found.index(None)
        raise InputError(f"{path}, row {row + 1}: {column} is '{cells[row]}', expected train, val or test.")
    usages = in_halves(np.array(found, np.uint8))
    if TRAINING not in usages:
        raise InputError(f"{path}: no row whose {column} is train.")
    return usages


def _features(path: Path, table: pa.Table, others: Collection[str]) -> np.ndarray:
    """The columns beside the `others`: (n, columns) or (n, length of a list) numbers, or texts (n,)."""
    names = [name for name in table.column_names if name not in others]
    if not names:
        raise InputError(f"{path}: has the columns {', '.join(table.column_names)}, and none to learn from.")
    columns = [table[name] for name in names]
    if len(columns) == 1 and is_text(columns[0].type):
        return _texts(path, names[0], columns[0])
    if len(columns) == 1 and _is_list(columns[0].type):
        return _lists(path, names[0], columns[0])
    for name, column in zip(names, columns, strict=True):
        if not _is_number(column.type):
            raise InputError(
                f"{path}: the column {name} is {_what(column)}. Expected numbers, or texts or lists in one column "
                f"beside the label. Leave it out, or name it by {OPTION} if it says whom a row is of."
            )
    return np.column_stack([_numbers(column) for column in columns])


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    """Missing ones as NaN."""
    return (pc.cast(column, pa.uint8()) if pa.types.is_boolean(column.type) else column).to_numpy()


def _texts(path: Path, name: str, cells: pa.ChunkedArray) -> np.ndarray:
    if cells.null_count:
        row = int(np.flatnonzero(cells.is_null().to_numpy())[0])
        raise InputError(f"{path}, row {row + 1}: {name} is empty.")
    return np.array(cells.to_pylist(), str)


def _lists(path: Path, name: str, cells: pa.ChunkedArray) -> np.ndarray:
    lengths = pc.fill_null(pc.list_value_length(cells), -1).to_numpy()
    if (wrong := np.flatnonzero(lengths != lengths[0])).size or lengths[0] < 1:
        row = int(wrong[0]) if wrong.size else 0
        raise InputError(f"{path}, row {row + 1}: {name} has {max(lengths[row], 0)} numbers, the first {lengths[0]}.")
    return pc.list_flatten(cells).to_numpy().reshape(len(cells), -1)


def _what(column: pa.ChunkedArray) -> str:
    """What a column holds that holds no numbers: of text, the first that is none."""
    if pa.types.is_null(column.type):
        return "empty"
    if not is_text(column.type):
        return str(column.type)
    row, cell = next((n, cell) for n, cell in enumerate(column.to_pylist()) if cell is not None and not _reads(cell))
    return f"text, in row {row + 1} '{cell[:20]}'"


def _reads(cell: str) -> bool:
    """Whether it is text of a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def is_text(kind: pa.DataType) -> bool:
    """Whether cells of this type are text."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)


def _is_list(kind: pa.DataType) -> bool:
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return lists and _is_number(kind.value_type)
