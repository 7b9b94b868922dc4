"""The network, its SE blocks and its shift, against independent computations."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from keras.src.legacy.preprocessing.image import ImageDataGenerator

from fer_core.augmentation import RandomFlip, RandomShift, shift_images
from fer_core.config import AugmentConfig, TrialConfig, Value
from fer_core.model import build_model, set_augmentation
from fer_core.normalisation import BatchNormalization
from fer_core.pooling import MaxPooling2D
from fer_core.se import squeeze_excite
from fer_core.size import parameters


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("squeeze", ["mean", "max"])
@pytest.mark.parametrize(("channels", "reduction", "hidden"), [(32, 16, 2), (8, 2, 4), (8, 32, 1), (5, 3, 1)])
def test_an_se_block_computes_the_equations_of_hu_et_al(
    channels: int, reduction: int, hidden: int, squeeze: str, random: np.random.Generator
) -> None:
    inputs = keras.Input((6, 5, channels))
    model = keras.Model(inputs, squeeze_excite(inputs, reduction, "se", squeeze))
    w1, b1, w2, b2 = (random.normal(size=w.shape) for w in model.weights)
    assert w1.shape == (channels, hidden)
    model.set_weights([w1, b1, w2, b2])
    features = random.normal(size=(3, 6, 5, channels))
    squeezed = getattr(features, squeeze)(axis=(1, 2))  # eq. 2 has the mean
    weights = sigmoid(np.maximum(squeezed @ w1 + b1, 0) @ w2 + b2)  # eq. 3
    expected = features * weights[:, None, None, :]  # eq. 4
    np.testing.assert_allclose(ops.convert_to_numpy(model(features)), expected, atol=1e-6)


def test_an_se_block_without_channels_left_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        squeeze_excite(keras.Input((6, 6, 8)), 0, "se")


@settings(max_examples=15, deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "model.width": st.sampled_from([0.0625, 0.125, 0.2, 0.5]),
            "model.se_placement": st.sampled_from(["none", "block", "conv"]),
            "model.se_reduction": st.integers(1, 64),
            "model.batch_norm": st.booleans(),
            "model.dense_norm": st.booleans(),
            "model.kernel_size": st.sampled_from([1, 3, 5]),
            "model.dense_units": st.sampled_from([64, 256, 1024]),
        }
    )
)
def test_the_number_of_parameters_follows_a_closed_formula(values: dict[str, Value]) -> None:
    config = TrialConfig.from_flat(values)
    trained = sum(int(np.prod(v.shape)) for v in build_model(config).trainable_variables)
    assert trained == parameters(config)


def test_the_papers_network_has_three_and_a_half_million_parameters() -> None:
    trained = sum(int(np.prod(v.shape)) for v in build_model(TrialConfig()).trainable_variables)
    assert trained == parameters(TrialConfig()) == 3_487_975


@pytest.mark.parametrize(("placement", "blocks"), [("none", 0), ("block", 3), ("conv", 6)])
def test_se_blocks_stand_where_the_configuration_places_them(placement: str, blocks: int) -> None:
    model = build_model(TrialConfig.from_flat({"model.width": 0.125, "model.se_placement": placement}))
    names = [layer.name for layer in model.layers]
    assert sum(name.endswith("_excite") for name in names) == blocks
    if placement == "block":  # Figure 2: before the pooling
        assert names.index("se1_scale") < names.index("pool1") < names.index("se2_scale")


@settings(max_examples=30, deadline=None)
@given(st.floats(-9.6, 9.6), st.floats(-9.6, 9.6))
def test_a_shift_equals_that_of_image_data_generator(down: float, right: float) -> None:
    image = np.random.default_rng(5).uniform(0, 1, (48, 48, 1)).astype(np.float32)
    # Its `tx` moves along the width, `ty` along the height.
    expected = ImageDataGenerator(fill_mode="nearest", interpolation_order=1).apply_transform(
        image, {"tx": right, "ty": down}
    )
    got = shift_images(image[None], np.array([[down, right]], np.float32))
    np.testing.assert_allclose(ops.convert_to_numpy(got)[0], expected, atol=1e-5)


def test_every_image_draws_its_own_shift_within_the_range() -> None:
    ramp = np.tile(np.arange(48, dtype=np.float32)[None, :, None, None], (400, 1, 48, 1))
    layer = RandomShift(0.1, seed=3)
    moved = ops.convert_to_numpy(layer(ramp, training=True))[:, 24, 24, 0] - 24
    assert abs(moved).max() <= 4.8
    assert moved.min() < -4.5
    assert moved.max() > 4.5
    assert abs(moved.mean()) < 0.5
    assert len(np.unique(moved.round(4))) > 390  # continuous


def test_images_are_shifted_in_training_alone(random: np.random.Generator) -> None:
    images = random.uniform(size=(4, 48, 48, 1)).astype(np.float32)
    layer = RandomShift(0.2, seed=3)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(images, training=False)), images)
    assert not np.array_equal(ops.convert_to_numpy(layer(images, training=True)), images)
    model = build_model(TrialConfig.from_flat({"model.width": 0.0625}))
    set_augmentation(model, AugmentConfig(shift=0.0))
    np.testing.assert_allclose(
        ops.convert_to_numpy(model.get_layer("shift")(images, training=True)), images, atol=1e-6
    )


def test_half_of_the_images_are_flipped_where_that_is_on(random: np.random.Generator) -> None:
    images = random.uniform(size=(400, 4, 4, 1)).astype(np.float32)
    mirrored = images[:, :, ::-1]
    layer = RandomFlip(True, seed=3)
    got = ops.convert_to_numpy(layer(images, training=True))
    flipped = (got == mirrored).all(axis=(1, 2, 3))
    assert (flipped | (got == images).all(axis=(1, 2, 3))).all()
    assert 160 < flipped.sum() < 240
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(images, training=False)), images)
    np.testing.assert_array_equal(ops.convert_to_numpy(RandomFlip(False)(images, training=True)), images)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("shape", [(2, 2, 5), (5,)])
def test_normalisation_trains_and_predicts_as_keras_own(
    shape: tuple[int, ...], precision: str, random: np.random.Generator
) -> None:
    features = random.normal(2, 3, size=(3, *shape))  # so few that a batch's and a population's variance differ
    goal, start = random.normal(size=(3, *shape)), random.normal(1, 0.2, size=(4, 5))

    def trained(layer: keras.Layer) -> list[np.ndarray]:
        """Predictions, scale, shift and moving statistics after a step, whose input has a gradient, too."""
        before = keras.layers.Dense(5, kernel_initializer="identity", dtype="float32")
        model = keras.Sequential([keras.Input(shape), before, layer])
        layer.set_weights(start)
        model.compile(optimizer=keras.optimizers.SGD(1.0), loss="mse")
        model.train_on_batch(features, goal)
        return [model.predict(features, verbose=0).astype(np.float32), *before.get_weights(), *layer.get_weights()]

    ours = trained(BatchNormalization(momentum=0.5, dtype=precision))
    theirs = trained(keras.layers.BatchNormalization(momentum=0.5, dtype=precision))
    for mine, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("shape", [(6, 4, 3), (5, 4, 3)])  # an odd side leaves a row out
def test_pooling_computes_and_learns_as_keras_own(
    shape: tuple[int, ...], precision: str, random: np.random.Generator
) -> None:
    features = random.integers(0, 3, (4, *shape)).astype(np.float32)  # most windows have several largest values
    goal = random.normal(size=(4, shape[0] // 2, shape[1] // 2, 3))

    def trained(layer: keras.Layer) -> list[np.ndarray]:
        """What is pooled, and the weights of a layer before it after a step."""
        before = keras.layers.Dense(3, kernel_initializer="identity", use_bias=False, dtype="float32")
        model = keras.Sequential([keras.Input(shape), before, layer])
        model.compile(optimizer=keras.optimizers.SGD(1.0), loss="mse")
        pooled = model.predict(features, verbose=0).astype(np.float32)
        model.train_on_batch(features, goal)
        return [pooled, *before.get_weights()]

    ours, theirs = trained(MaxPooling2D(dtype=precision)), trained(keras.layers.MaxPooling2D(dtype=precision))
    for mine, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-5, atol=1e-6)


def test_pixels_are_rescaled_to_one() -> None:
    model = build_model(TrialConfig.from_flat({"model.width": 0.0625}))
    white = np.full((1, 48, 48, 1), 255, np.uint8)
    assert ops.convert_to_numpy(model.get_layer("rescale")(white)).max() == pytest.approx(1.0)


def test_a_saved_network_is_read_back(tmp_path_factory: pytest.TempPathFactory) -> None:
    model = build_model(TrialConfig.from_flat({"model.width": 0.0625, "model.se_placement": "conv"}))
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    model.save(path)
    images = np.random.default_rng(1).integers(0, 256, (5, 48, 48, 1), dtype=np.uint8)
    expected = model.predict(images, verbose=0)
    np.testing.assert_allclose(keras.saving.load_model(path).predict(images, verbose=0), expected, atol=1e-6)
