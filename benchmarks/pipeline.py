"""Training images prepared a second: shuffled, shifted and rescaled in batches of 64, against `ImageDataGenerator`.

Ours is what a trial does before its first convolution; the rival reads the folder of images as the paper does. Both
take all cores and every image three times.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.images import learning, write_folders
from benchmarks.measuring import Outcome, in_turn, medians, ratio

BATCH, SHIFT, EPOCHS = 64, 0.1, 3


def measure(rounds: int, data: str | None) -> list[Outcome]:
    images = learning(data)
    ours, generator = "one compiled pass", "ImageDataGenerator"
    with tempfile.TemporaryDirectory() as name:
        write_folders(images, Path(name))
        ways = {
            ours: _ours(images.train_images, images.train_labels),
            generator: _generator(Path(name) / "train", len(images.train_labels)),
        }
        found = in_turn(rounds, ways)
    gain = ratio(found, ours, generator)
    goal = f"at least 8 times {generator}"
    return [Outcome("training images prepared", medians(found), "images/s", goal, gain, gain >= 8)]


def _ours(images: np.ndarray, labels: np.ndarray) -> Callable[[], float]:
    import keras
    import tensorflow as tf

    from fer_core.augmentation import RandomShift
    from fer_core.passes import Examples
    from fer_core.targets import one_hot

    first = keras.Sequential([keras.layers.Rescaling(1 / 255), RandomShift(SHIFT)])
    examples = Examples.on_device(images[..., None], one_hot(labels))

    @tf.function
    def run(rows: tf.Tensor) -> tf.Tensor:
        total = tf.zeros(())
        for batch in rows:
            x, y = tf.gather(examples.images, batch), tf.gather(examples.labels, batch)
            total += tf.reduce_sum(first(x, training=True)) + tf.reduce_sum(y)
        return total

    def epochs(count: int) -> None:
        for number in range(count):
            order = np.random.default_rng(number).permutation(len(labels))
            float(run(tf.constant(order[: len(order) // BATCH * BATCH].reshape(-1, BATCH), tf.int32)))

    return lambda: _rate(epochs, len(labels))


def _generator(folder: Path, count: int) -> Callable[[], float]:
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    generator = ImageDataGenerator(rescale=1 / 255, width_shift_range=SHIFT, height_shift_range=SHIFT)
    flow = generator.flow_from_directory(
        folder, target_size=(48, 48), color_mode="grayscale", batch_size=BATCH, class_mode="categorical"
    )

    def epochs(times: int) -> None:
        for _ in range(times * len(flow)):
            next(flow)

    return lambda: _rate(epochs, count)


def _rate(epochs: Callable[[int], None], images: int) -> float:
    epochs(1)
    start = time.perf_counter()
    epochs(EPOCHS)
    return EPOCHS * images / (time.perf_counter() - start)
