"""A data set as NumPy arrays in one .npz file, which `array_reader.py` reads."""

from pathlib import Path

import numpy as np

from fer_core.data.array_reader import CLASSES, TARGETS
from fer_core.data.dataset import PRIVATE_TEST, PUBLIC_TEST, TEST, TRAINING, Dataset

PARTS = {"train": (TRAINING,), "val": (PUBLIC_TEST,), "test": (PRIVATE_TEST, TEST)}
SUBJECTS = "person"


def write_arrays(dataset: Dataset, path: Path) -> None:
    """Write it to `path` (.npz), whole or not at all: images, labels, distributions or targets, what these are of,
    subjects.
    """
    labels = dataset.labels if dataset.distributions is None else dataset.distributions
    arrays: dict[str, np.ndarray] = {CLASSES: np.array(dataset.classes)}
    if dataset.targets is not None:
        labels, arrays = dataset.targets, {TARGETS: np.array(dataset.classes)}
    for part, usages in PARTS.items():
        rows = np.flatnonzero(np.isin(dataset.usages, usages))
        if not len(rows):
            continue
        arrays |= {f"{part}_images": dataset.images[rows], f"{part}_labels": labels[rows]}
        if dataset.subjects is not None:
            arrays[f"{SUBJECTS}_{part}"] = dataset.subjects[rows]
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    partial.replace(path)
