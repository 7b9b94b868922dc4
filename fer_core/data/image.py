"""Images of any size and colour in the form in which a network sees them.

In the paper's form that is what its `flow_from_directory` makes of them: grey by Pillow's `L`, 48 x 48 by nearest
neighbour. In memory, grey images are (side, side) and coloured ones (side, side, 3), uint8.
"""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from fer_core.errors import InputError
from fer_core.form import Form

SIXTEEN_BITS = ";16"  # in the name of the raw mode that Pillow decodes; it would keep the high byte of colours
UNREADABLE = (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def open_image(file: Path | BytesIO, name: object) -> Image.Image:
    """The image in `file`, decoded. Raises InputError calling it by `name`."""
    try:
        with Image.open(file) as image:
            frames = getattr(image, "n_frames", 1)
            if frames != 1:
                raise InputError(f"{name}: an animation of {frames} frames, expected a single image.")
            if any(SIXTEEN_BITS in str(tile.args) for tile in image.tile):
                raise InputError(f"{name}: 16 bits a channel, expected 8.")
            image.load()
            return image
    except InputError:
        raise
    except UNREADABLE as problem:
        reason = getattr(problem, "strerror", None) or str(problem).splitlines()[0][:120]
        raise InputError(f"{name}: not a readable image ({reason}).") from None


def bring(image: Image.Image, form: Form) -> np.ndarray:
    """The image in `form`."""
    image = image.convert("RGB" if form.colour else "L")
    if image.size != (form.side, form.side):
        image = image.resize((form.side, form.side), Image.Resampling[form.interpolation.upper()])
    return np.asarray(image)


def bring_all(images: np.ndarray, form: Form) -> np.ndarray:
    """Images (n, height, width) or (n, height, width, 3), uint8, in `form`; the same array if they are so already."""
    if images.shape[1:] == form.in_memory:
        return images
    return np.stack([bring(Image.fromarray(image), form) for image in images])


def with_channels(images: np.ndarray) -> np.ndarray:
    """Images in memory as a network takes them: (n, side, side, 1) or (n, side, side, 3)."""
    return images if images.ndim == 4 else images[..., None]
