"""The network and the image folders, as all rivals share them: the paper's, at a quarter of its width."""

from pathlib import Path

import keras
from keras import layers
from keras.src.legacy.preprocessing.image import ImageDataGenerator

TRIALS, EPOCHS = 12, 3


def build(learning_rate: float) -> keras.Model:
    model = keras.Sequential([keras.Input((48, 48, 1))])
    for block in ((8, 16), (32, 32), (64, 64)):
        for filters in block:
            model.add(layers.Conv2D(filters, 3, padding="same", use_bias=False))
            model.add(layers.BatchNormalization())
            model.add(layers.ReLU())
        model.add(layers.MaxPooling2D())
        model.add(layers.Dropout(0.25))
    model.add(layers.Flatten())
    model.add(layers.Dense(64, use_bias=False))
    model.add(layers.BatchNormalization())
    model.add(layers.ReLU())
    model.add(layers.Dropout(0.5))
    model.add(layers.Dense(7, activation="softmax"))
    model.compile(keras.optimizers.Adam(learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    return model


def flow(folder: Path, part: str, shift: float = 0.0):
    generator = ImageDataGenerator(rescale=1 / 255, width_shift_range=shift, height_shift_range=shift)
    return generator.flow_from_directory(
        folder / part, target_size=(48, 48), color_mode="grayscale", batch_size=64, class_mode="categorical"
    )
