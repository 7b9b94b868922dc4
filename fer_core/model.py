"""The paper's network (section 2.2.3, Figure 2), with SE blocks where the configuration places them."""

import keras
from keras import layers

from fer_core.config import ModelConfig, TrialConfig
from fer_core.data.dataset import EMOTIONS, SIDE
from fer_core.se import squeeze_excite
from fer_core.shift import RandomShift

BLOCKS = ((32, 64), (128, 128), (256, 256))  # Figure 2: Conv1-32 to Conv5-256
DENSE_UNITS = 256  # Figure 2 names the layer without its size
KERNEL = 3  # left open


def build_model(config: TrialConfig) -> keras.Model:
    """The network for `config`, from uint8 images (batch, 48, 48, 1) to seven class probabilities.

    Rescaling and the shift augmentation are its first layers; the shift works while training only.
    Initial weights and all random draws follow `keras.utils.set_random_seed`.
    """
    model = config.model
    inputs = keras.Input((SIDE, SIDE, 1), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(inputs)
    x = RandomShift(config.augment.shift, name="shift")(x)
    for number, filters in enumerate(BLOCKS, start=1):
        for position, count in enumerate(filters, start=1):
            x = _convolution(x, scaled(count, model.width), model, f"conv{number}_{position}")
        if model.se_placement == "block":
            x = squeeze_excite(x, model.se_reduction, f"se{number}")
        x = layers.MaxPooling2D(name=f"pool{number}")(x)
        x = layers.Dropout(model.dropout, name=f"dropout{number}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(scaled(DENSE_UNITS, model.width), activation="relu", name="dense")(x)
    x = layers.Dropout(model.dense_dropout, name="dense_dropout")(x)
    outputs = layers.Dense(len(EMOTIONS), activation="softmax", name="emotion")(x)
    return keras.Model(inputs, outputs, name="fer")


def set_shift(model: keras.Model, fraction: float) -> None:
    """Let `model` train with shifts up to `fraction` of the side from now on."""
    model.get_layer("shift").fraction.assign(fraction)


def scaled(count: int, width: float) -> int:
    """`count` channels or units in a network of that width, at least one."""
    return max(1, round(count * width))


def _convolution(x: keras.KerasTensor, filters: int, model: ModelConfig, name: str) -> keras.KerasTensor:
    x = layers.Conv2D(filters, KERNEL, padding="same", use_bias=not model.batch_norm, name=name)(x)
    if model.batch_norm:
        x = layers.BatchNormalization(momentum=model.batch_norm_momentum, name=f"{name}_norm")(x)
    x = layers.ReLU(name=f"{name}_relu")(x)
    if model.se_placement == "conv":
        x = squeeze_excite(x, model.se_reduction, f"{name}_se")
    return x
