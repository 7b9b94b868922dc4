"""The images that the benchmarks train on, in memory and as the folders that the rivals read."""

from pathlib import Path

import numpy as np
from PIL import Image

from fer_core.data.dataset import EMOTIONS
from fer_core.data.protocols import Learning, default_protocol, split, stratified
from fer_core.data.sources import find_source, read


def learning(data: str | None, train_images: int | None = None) -> Learning:
    """The training and validation images of `data`, or of what `study.run` would take without."""
    dataset = read(find_source(data))
    whole, _ = split(dataset, default_protocol(dataset))
    rows = stratified(whole.train_labels, train_images)
    return Learning(whole.train_images[rows], whole.train_labels[rows], whole.val_images, whole.val_labels)


def write_folders(images: Learning, folder: Path) -> None:
    """As PNG files in `train/CLASS/` and `val/CLASS/`."""
    _write(folder / "train", images.train_images, images.train_labels)
    _write(folder / "val", images.val_images, images.val_labels)


def _write(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    for name in EMOTIONS:
        (folder / name).mkdir(parents=True)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        Image.fromarray(image).save(folder / EMOTIONS[label] / f"{number:05}.png")
