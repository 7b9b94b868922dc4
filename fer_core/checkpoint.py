"""A training's checkpoint: one file, whole or not at all, of a record and arrays."""

import json
import os
import platform
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def write_checkpoint(path: Path, record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write both to `path`. The record is one of what JSON knows."""
    partial = path.with_name(f"{path.name}.{this_process()}.partial")
    with partial.open("wb") as file:
        np.savez(file, record=np.array(json.dumps(record)), **arrays)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_checkpoint(path: Path | None) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """Its record and arrays; None where there is none, or it is damaged: then a training begins anew, with the same
    numbers in the end.
    """
    if path is None or not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile):
        return None
    return json.loads(str(arrays.pop("record"))), arrays


def this_process() -> str:
    """A name for this process. The worker of a lost node may still write what another one writes, too."""
    return f"{platform.node()}-{os.getpid()}"
