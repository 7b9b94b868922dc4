"""`python -m fer_core.predict MODEL IMAGE...`: class probabilities for image files."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fer_core.command_line import Parser, run_command
from fer_core.data.dataset import EMOTIONS
from fer_core.errors import InputError
from fer_core.own_code import load_code

EXAMPLES = """examples:
  python -m fer_core.predict model.keras face.jpg
  python -m fer_core.predict model.keras faces/*.png --json | jq '.[].predicted'
  python -m fer_core.predict own.keras face.jpg --code my_space.py    a network with layers of its own

Exit status: 0 done, 2 the command or its input is wrong."""


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(
        prog="fer_core.predict",
        description="Classify image files of any size and colour with a trained network.",
        examples=EXAMPLES,
    )
    parser.add_argument("model", metavar="MODEL", type=Path, help="a network saved as .keras")
    parser.add_argument(
        "images", metavar="IMAGE", type=Path, nargs="+", help="a PNG or JPEG file, the face filling it as in FER2013"
    )
    parser.add_argument("--code", metavar="FILE.py", type=Path, help="where layers of its own are, such as the space")
    parser.add_argument("--json", action="store_true", help="print a list with an object an image")
    options = parser.parse_args(arguments)
    if not options.model.is_file():
        raise InputError(f"{options.model}: no such file. Expected a network saved as .keras.")
    if options.code is not None and not options.code.is_file():
        raise InputError(f"--code {options.code}: no such file.")
    images = read_images(options.images)  # before the slow part
    probabilities = predict(options.model, images, _classes(options.code))
    print(as_json(options.images, probabilities) if options.json else as_text(options.images, probabilities))
    return 0


def read_images(paths: list[Path]) -> np.ndarray:
    """The files as (n, 48, 48) uint8, converted as the training images were. Raises InputError naming the file."""
    from fer_core.data.folder_reader import read_image

    return np.stack([read_image(path) for path in paths])


def _classes(code: Path | None) -> dict[str, type]:
    """What a user's file defines."""
    module = {} if code is None else vars(load_code(code.resolve()))
    return {name: value for name, value in module.items() if isinstance(value, type)}


def predict(network: Path, images: np.ndarray, own: Mapping[str, type] | None = None) -> np.ndarray:
    """Probabilities (n, 7) of EMOTIONS for images (n, 48, 48) uint8. Raises InputError if `network` is none.

    own: classes of the network's layers, by name, that are neither Keras' nor this project's.
    """
    from fer_core.model import load_network

    return np.asarray(load_network(network, own).predict(images[..., None], verbose=0))


def as_text(paths: list[Path], probabilities: np.ndarray) -> str:
    """A line an image, aligned, under a line of headings."""
    width = max(len("image"), *(len(str(path)) for path in paths))
    lines = [f"{'image':{width}}  predicted " + "".join(f"{emotion:>9}" for emotion in EMOTIONS)]
    for path, row in zip(paths, probabilities, strict=True):
        lines.append(f"{path!s:{width}}  {EMOTIONS[row.argmax()]:10}" + "".join(f"{p:9.3f}" for p in row))
    return "\n".join(lines)


def as_json(paths: list[Path], probabilities: np.ndarray) -> str:
    """A list of `image`, `predicted` and `probabilities` by class."""
    return json.dumps(
        [
            {
                "image": str(path),
                "predicted": EMOTIONS[row.argmax()],
                "probabilities": dict(zip(EMOTIONS, map(float, row), strict=True)),
            }
            for path, row in zip(paths, probabilities, strict=True)
        ]
    )


if __name__ == "__main__":
    run_command(main)
