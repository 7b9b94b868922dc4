"""The columns of a study's tables, and which versions of them there were."""

from types import UnionType
from typing import Any, get_args

import pyarrow as pa

from fer_core.config import setting_names, setting_type
from search_spaces.score import SCORE

# 2 added `distinct` to the predictions, 3 `config.train.precision`, 4 `search`, 5 `config.data.side`, `.colour` and
# `.interpolation` to the trials, 6 `subject` to the predictions, 7 `config.data.folds`, `.fold` and
# `config.train.targets` to the trials, 8 the table `elsewhere`, 9 `looks` to the report's comparisons and effects, 10
# balanced accuracy to trials and epochs, 12 scores to both, and the table `scores` to studies that ran here, 13
# `config.train.regression_loss` to the trials.
# Tables of an older version are read: what they lack is what was so in effect, or empty.
SCHEMA_VERSION = 13
VERSION_KEY = b"fer_study_schema"
FER2013_CLASSES = 7
PENDING = "pending.jsonl"
# After every epoch, on training and validation images: all but the score, or where a score judges that alone.
MEASURED = ("accuracy", "loss", "macro_f1", "balanced_accuracy", SCORE)

Row = dict[str, Any]


def arrow_type(kind: Any) -> pa.DataType:
    if isinstance(kind, UnionType):
        kind = get_args(kind)[0]
    return {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}[kind]


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema(columns.items(), metadata={VERSION_KEY: str(SCHEMA_VERSION)})


PROBABILITIES = "probabilities"
SETTING = "config."  # before the names of settings in a trial's row
CONFIG_COLUMNS = {f"{SETTING}{name}": arrow_type(setting_type(name)) for name in setting_names()}
F, I, S = pa.float64(), pa.int64(), pa.string()  # noqa: E741
ANSWER = {
    **{"image": pa.int32(), "label": pa.int8(), "predicted": pa.int8()},
    **{PROBABILITIES: pa.list_(pa.float32(), FER2013_CLASSES), "distinct": pa.bool_(), "subject": S},
}
SCHEMAS = {
    "trials": _schema(
        trial=S, arm=S, phase=S, seed=I, search=I, number=I, status=S,
        **CONFIG_COLUMNS,
        epochs=I, best_epoch=I, train_accuracy=F, train_loss=F, train_macro_f1=F, train_balanced_accuracy=F,
        train_score=F, val_accuracy=F, val_loss=F, val_macro_f1=F, val_balanced_accuracy=F, val_score=F,
        test_accuracy=F, test_loss=F, test_accuracy_distinct=F, test_macro_f1=F, test_balanced_accuracy=F,
        test_score=F,
        parameters=I, seconds=F, attempts=I, node=S, error=S,
    ),
    "epochs": _schema(
        trial=S, epoch=I, train_accuracy=F, train_loss=F, train_macro_f1=F, train_balanced_accuracy=F,
        train_score=F, val_accuracy=F, val_loss=F, val_macro_f1=F, val_balanced_accuracy=F, val_score=F,
        learning_rate=F, seconds=F,
    ),
    "predictions": _schema(trial=S, **ANSWER),
    "scores": _schema(
        trial=S, image=pa.int32(), score=F, answers=pa.list_(pa.float32()), targets=pa.list_(pa.float32()),
        distinct=pa.bool_(), subject=S,
    ),
    "elsewhere": _schema(trial=S, data=S, **ANSWER),
}  # fmt: skip
SCORES = "scores"  # the table in the place of predictions where a score judges
ANSWERS = ("predictions", SCORES, "elsewhere")  # written when a trial is tested, before it has a row
# In the order in which they are written: a trial has no row before its answers and epochs are there, and rows go from
# the pending ones into the parquet files, never back. Whoever reads or copies them meanwhile takes the reverse.
FILES = (*(f"{name}.parquet" for name in (*ANSWERS, "epochs", "trials")), PENDING)
KEYS = {
    "trials": ["trial"],
    "epochs": ["trial", "epoch"],
    "predictions": ["trial", "image"],
    SCORES: ["trial", "image"],
    "elsewhere": ["trial", "data", "image"],
}


def with_classes(schema: pa.Schema, classes: int) -> pa.Schema:
    """The schema with probabilities of so many classes, if it has any."""
    if PROBABILITIES not in schema.names:
        return schema
    field = pa.field(PROBABILITIES, pa.list_(pa.float32(), classes))
    return schema.set(schema.get_field_index(PROBABILITIES), field)
