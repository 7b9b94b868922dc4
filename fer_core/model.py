"""The paper's network (section 2.2.3, Figure 2), with SE blocks where the configuration places them."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
from keras import layers

from fer_core.augmentation import RandomFlip, RandomShift
from fer_core.config import AugmentConfig, ModelConfig, Network, TrialConfig
from fer_core.data.dataset import EMOTIONS
from fer_core.data.image import with_channels
from fer_core.ends import ClassProbabilities, Numbers, PixelScale, ScaledNumbers, Told
from fer_core.errors import InputError
from fer_core.features import Features, features_of
from fer_core.form import Form
from fer_core.normalisation import BatchNormalization
from fer_core.pooling import MaxPooling2D
from fer_core.se import squeeze_excite
from fer_core.size import BLOCKS, scaled

GIVEN = "features"  # what the input is called of a network that takes no images


def build_model(
    config: TrialConfig,
    network: Network | None = None,
    told: Told = EMOTIONS,
    given: Features | None = None,
) -> keras.Model:
    """The network for `config`, from uint8 images (batch, side, side, channels) to what is `told`: the probabilities
    of these classes, or such numbers.

    Side and channels, 48 and 1 in the paper, are those of `config.data.form`. network: the user's own, where
    `config.own` has its settings. given: what a user's own takes instead of images, as they are (batch, *shape).
    Raises ValueError if the network gives no features.

    Rescaling and the augmentation of images are its first layers; the latter work while training only. With mixed
    precision, these and the last layer still compute in float32, and so do all variables.
    Initial weights and all random draws follow `keras.utils.set_random_seed`.
    """
    with _precision(config.train.precision):
        inputs, x = _images(config) if given is None else _given(given)
        x = _features(x, config.model) if network is None else _own_features(x, config, network)
        return keras.Model(inputs, _answers(x, told), name="fer")


def _answers(x: keras.KerasTensor, told: Told) -> keras.KerasTensor:
    if isinstance(told, Numbers):
        return ScaledNumbers(*told, dtype="float32", name="numbers")(x)
    return ClassProbabilities(told, dtype="float32", name="probabilities")(x)


def network_input(examples: np.ndarray) -> np.ndarray:
    """Images or features in memory as networks take them: images (n, side, side, channels) uint8."""
    features = features_of(examples.shape, examples.dtype)
    return with_channels(examples) if features is None else examples.astype(features.as_taken, copy=False)


def _images(config: TrialConfig) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """A network's input of images, and what comes of them: pixels from 0 to 1, augmented."""
    form = config.data.form
    inputs = keras.Input(form.shape, dtype="uint8", name="image")
    x = PixelScale(form.interpolation, dtype="float32", name="rescale")(inputs)
    x = RandomShift(config.augment.shift, dtype="float32", name="shift")(x)
    return inputs, RandomFlip(config.augment.flip, dtype="float32", name="flip")(x)


def _given(features: Features) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """The same of what is taken as it is."""
    inputs = keras.Input(features.shape, dtype=features.as_taken, name=GIVEN)
    return inputs, inputs


def _own_features(x: keras.KerasTensor, config: TrialConfig, network: Network) -> keras.KerasTensor:
    assert config.own is not None
    features = network(x, dict(config.own.settings))
    if len(features.shape) != 2:
        raise ValueError(f"{config.own.name} gave a tensor {features.shape}, expected features (None, n)")
    return features


def _features(x: keras.KerasTensor, model: ModelConfig) -> keras.KerasTensor:
    """Those of the paper's network."""
    for number, filters in enumerate(BLOCKS, start=1):
        for position, count in enumerate(filters, start=1):
            x = _convolution(x, scaled(count, model.width), model, f"conv{number}_{position}")
        if model.se_placement == "block":
            x = squeeze_excite(x, model.se_reduction, f"se{number}", model.se_squeeze)
        x = MaxPooling2D(name=f"pool{number}")(x)
        x = layers.Dropout(model.dropout, name=f"dropout{number}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(scaled(model.dense_units, model.width), use_bias=not model.dense_norm, name="dense")(x)
    if model.dense_norm:
        x = BatchNormalization(momentum=model.batch_norm_momentum, name="dense_norm")(x)
    x = layers.ReLU(name="dense_relu")(x)
    return layers.Dropout(model.dense_dropout, name="dense_dropout")(x)


@contextmanager
def _precision(policy: str) -> Iterator[None]:
    """Layers made within compute by `policy`, unless they say otherwise."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def set_augmentation(model: keras.Model, augment: AugmentConfig) -> None:
    """Let `model` train with these shifts and flips from now on, if it takes images."""
    if not takes_images(model):
        return
    model.get_layer("shift").fraction.assign(augment.shift)
    model.get_layer("flip").on.assign(float(augment.flip))


def load_network(path: Path, own: Mapping[str, type] | None = None) -> keras.Model:
    """The network saved as .keras in `path`; no code in the file is run. own: classes of its layers, by name.

    Raises InputError if it is none, or not one from images or features to classes or numbers that it names, or to
    FER2013's classes.
    """
    try:
        model = keras.saving.load_model(path, custom_objects=own, compile=False, safe_mode=True)
    except (ValueError, TypeError, OSError, KeyError) as problem:
        if unknown := re.search(r"Could not locate class '(\w+)'", str(problem)):
            raise InputError(f"{path}: has a layer of its own, {unknown[1]}. Give its file: --code FILE.py") from None
        reason = (str(problem).strip() or type(problem).__name__).splitlines()[0][:200]
        raise InputError(f"{path}: not a network saved as .keras ({reason})") from None
    known = not takes_images(model) or form_of(model).shape == model.input_shape[1:]
    if not known or model.output_shape != (None, len(names_of(model))):
        raise InputError(
            f"{path}: a network from {model.input_shape} to {model.output_shape}, expected one from images "
            f"{(None, 48, 48, 1)} to probabilities {(None, len(EMOTIONS))}, or one that `study.export` wrote."
        )
    return model


def takes_images(model: keras.Model) -> bool:
    """Whether it does, and not features."""
    return model.inputs[0].name != GIVEN


def form_of(model: keras.Model) -> Form:
    """In which form the network takes images."""
    side, channels = (*model.input_shape, None, None)[1:4:2]
    scale = next((layer for layer in model.layers if isinstance(layer, PixelScale)), None)
    return Form(side, channels == 3, scale.interpolation if scale else Form().interpolation)


def tells_numbers(model: keras.Model) -> bool:
    """Whether it does, and not classes."""
    return isinstance(model.layers[-1], ScaledNumbers)


def names_of(model: keras.Model) -> tuple[str, ...]:
    """What its answers are of, classes or numbers: FER2013's emotions where it does not say."""
    match model.layers[-1]:
        case ClassProbabilities(classes=names) | ScaledNumbers(names=names):
            return names
    return EMOTIONS


def _convolution(x: keras.KerasTensor, filters: int, model: ModelConfig, name: str) -> keras.KerasTensor:
    x = layers.Conv2D(filters, model.kernel_size, padding="same", use_bias=not model.batch_norm, name=name)(x)
    if model.batch_norm:
        x = BatchNormalization(momentum=model.batch_norm_momentum, name=f"{name}_norm")(x)
    x = layers.ReLU(name=f"{name}_relu")(x)
    if model.se_placement == "conv":
        x = squeeze_excite(x, model.se_reduction, f"{name}_se", model.se_squeeze)
    return x
