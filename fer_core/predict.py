"""`python -m fer_core.predict MODEL IMAGE...`: class probabilities for image files, or what numbers it tells."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    found = predict(options.model, options.images, _layers(options.code))
    show = as_json if options.json else as_text
    print(show(options.images, found))
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


@dataclass(frozen=True)
class Predictions:
    """What a network says of n images. names: its classes or numbers. values: (n, names) float, the probabilities of
    those, or these. predicted: (n,) str, the most probable classes; None of numbers.
    """

    names: tuple[str, ...]
    values: np.ndarray
    predicted: np.ndarray | None


def predict(network: Path, images: Sequence[Path], own: Mapping[str, type] | None = None) -> Predictions:
    """What the network says of image files, brought to the form of those that trained it. Raises InputError if
    `network` is none or takes no images, or a file no image.

    own: classes of the network's layers, by name, that are neither Keras' nor this project's.
    """
    from fer_core.data.image import bring, open_image, with_channels
    from fer_core.model import form_of, load_network, names_of, takes_images, tells_numbers

    model = load_network(network, own)
    if not takes_images(model):
        taken = Features(model.input_shape[1:], model.inputs[0].dtype)
        raise InputError(f"{network}: takes {taken}, no images. Load it with keras.saving.load_model.")
    given = np.stack([bring(open_image(path, path), form_of(model)) for path in images])
    names, values = names_of(model), np.asarray(model.predict(with_channels(given), verbose=0))
    return Predictions(names, values, None if tells_numbers(model) else np.array(names)[values.argmax(axis=1)])


def as_text(paths: list[Path], found: Predictions) -> str:
    """A line an image, aligned, under a line of headings."""
    words = {"image": list(map(str, paths))}
    if found.predicted is not None:
        words["predicted"] = found.predicted.tolist()
    columns = [_column(name, cells, "<") for name, cells in words.items()]
    for name, values in zip(found.names, found.values.T, strict=True):
        columns.append(_column(name, [f"{value:.3f}" for value in values], ">"))
    return "\n".join("  ".join(row).rstrip() for row in zip(*columns, strict=True))


def _column(name: str, cells: list[str], side: str) -> list[str]:
    """A heading and what stands below, all as wide as the widest of them, on this side."""
    width = max(map(len, [name, *cells]))
    return [f"{cell:{side}{width}}" for cell in (name, *cells)]


def as_json(paths: list[Path], found: Predictions) -> str:
    """A list of `image`, `predicted` and `probabilities` by class, or `numbers` by name."""
    every = []
    for number, path in enumerate(paths):
        values = dict(zip(found.names, map(float, found.values[number]), strict=True))
        if found.predicted is None:
            every.append({"image": str(path), "numbers": values})
        else:
            every.append({"image": str(path), "predicted": str(found.predicted[number]), "probabilities": values})
    return json.dumps(every)


if __name__ == "__main__":
    run_command(main)
