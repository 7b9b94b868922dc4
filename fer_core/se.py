"""The squeeze-and-excitation block (Hu, Shen and Sun 2018; the paper's section 2.2.2 and Figure 1)."""

import keras
from keras import layers

SQUEEZES = {"mean": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D}


def squeeze_excite(
    features: keras.KerasTensor, reduction: int, name: str, squeeze: str = "mean"
) -> keras.KerasTensor:
    """Rescale channels by what the whole image says of them (Hu et al. 2018, eq. 2-4).

    features: (batch, height, width, channels), float.
    reduction: the ratio r; channels // r hidden units, but at least one.
    name: a prefix for the names of the block's layers.
    squeeze: `mean` over the positions as in eq. 2, or their `max`.
    Returns the same shape. Raises ValueError if reduction < 1.
    """
    if reduction < 1:
        raise ValueError(f"reduction ratio {reduction}: expected at least 1.")
    channels = features.shape[-1]
    units = max(1, channels // reduction)
    squeezed = SQUEEZES[squeeze](dtype="float32", name=f"{name}_squeeze")(features)
    hidden = layers.Dense(units, activation="relu", dtype="float32", name=f"{name}_reduce")(squeezed)
    weights = layers.Dense(channels, activation="sigmoid", dtype="float32", name=f"{name}_excite")(hidden)
    spread = layers.Reshape((1, 1, channels), dtype="float32", name=f"{name}_spread")(weights)
    return layers.Multiply(name=f"{name}_scale")([features, spread])
