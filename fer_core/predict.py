"""`python -m fer_core.predict MODEL IMAGE...`: class probabilities for image files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fer_core.command_line import Parser, run_command
from fer_core.errors import InputError
from fer_core.features import Features
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
        "images",
        metavar="IMAGE",
        type=Path,
        nargs="+",
        help="an image file, like those that trained it (in FER2013 a face fills it)",
    )
    parser.add_argument("--code", metavar="FILE.py", type=Path, help="where layers of its own are, such as the space")
    parser.add_argument("--json", action="store_true", help="print a list with an object an image")
    options = parser.parse_args(arguments)
    if not options.model.is_file():
        raise InputError(f"{options.model}: no such file. Expected a network saved as .keras.")
    if options.code is not None and not options.code.is_file():
        raise InputError(f"--code {options.code}: no such file.")
    check_images(options.images)  # before the slow part
    classes, probabilities = predict(options.model, options.images, _layers(options.code))
    show = as_json if options.json else as_text
    print(show(options.images, classes, probabilities))
    return 0


def check_images(paths: list[Path]) -> None:
    """Raises InputError naming the first file that is no image."""
    from fer_core.data.image import open_image

    for path in paths:
        open_image(path, path)


def _layers(code: Path | None) -> dict[str, type]:
    """The classes that a user's file defines."""
    module = {} if code is None else vars(load_code(code.resolve()))
    return {name: value for name, value in module.items() if isinstance(value, type)}


def predict(
    network: Path, images: Sequence[Path], own: Mapping[str, type] | None = None
) -> tuple[tuple[str, ...], np.ndarray]:
    """The network's classes, and their probabilities (n, classes) for n image files, brought to the form of those
    that trained it. Raises InputError if `network` is none or takes no images, or a file no image.

    own: classes of the network's layers, by name, that are neither Keras' nor this project's.
    """
    from fer_core.data.image import bring, open_image, with_channels
    from fer_core.model import classes_of, form_of, load_network, takes_images

    model = load_network(network, own)
    if not takes_images(model):
        taken = Features(model.input_shape[1:], model.inputs[0].dtype)
        raise InputError(f"{network}: takes {taken}, no images. Load it with keras.saving.load_model.")
    given = np.stack([bring(open_image(path, path), form_of(model)) for path in images])
    return classes_of(model), np.asarray(model.predict(with_channels(given), verbose=0))


def as_text(paths: list[Path], classes: Sequence[str], probabilities: np.ndarray) -> str:
    """A line an image, aligned, under a line of headings."""
    width = max(len("image"), *(len(str(path)) for path in paths))
    widest = max(9, *map(len, classes))
    columns = [max(9, len(name) + 1) for name in classes]
    head = "".join(f"{name:>{column}}" for name, column in zip(classes, columns, strict=True))
    lines = [f"{'image':{width}}  {'predicted':{widest}} {head}"]
    for path, row in zip(paths, probabilities, strict=True):
        cells = "".join(f"{p:{column}.3f}" for p, column in zip(row, columns, strict=True))
        lines.append(f"{path!s:{width}}  {classes[row.argmax()]:{widest}} {cells}")
    return "\n".join(lines)


def as_json(paths: list[Path], classes: Sequence[str], probabilities: np.ndarray) -> str:
    """A list of `image`, `predicted` and `probabilities` by class."""
    return json.dumps(
        [
            {
                "image": str(path),
                "predicted": classes[row.argmax()],
                "probabilities": dict(zip(classes, map(float, row), strict=True)),
            }
            for path, row in zip(paths, probabilities, strict=True)
        ]
    )


if __name__ == "__main__":
    run_command(main)
