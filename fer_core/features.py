"""What examples are where they are no images: landmarks, action units, embeddings, tokens, texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fer_core.form import Form

if TYPE_CHECKING:
    import numpy as np

TEXT = "text"


@dataclass(frozen=True)
class Features:
    """All of one shape, and taken as they are.

    shape: of one example. dtype: of its numbers, NumPy's name, or TEXT.
    """

    shape: tuple[int, ...]
    dtype: str

    @property
    def as_taken(self) -> str:
        """The type in which they are taken: TEXT, int32 for whole numbers, float32 for others."""
        whole = self.dtype.startswith(("int", "uint", "bool"))
        return TEXT if self.dtype == TEXT else "int32" if whole else "float32"

    def alike(self, other: Features | None) -> bool:
        """Whether what takes these can take the `other` ones, too."""
        return other is not None and (self.shape, self.as_taken) == (other.shape, other.as_taken)

    def __str__(self) -> str:
        size = " x ".join(map(str, self.shape)) or "1"
        return "texts" if self.dtype == TEXT else f"features {size} {self.dtype}"


def features_of(shape: tuple[int, ...], dtype: np.dtype) -> Features | None:
    """What an array of examples of this `shape` holds; None where these are images: uint8 (n, height, width), or
    (n, height, width, 3).
    """
    if dtype == "uint8" and (len(shape) == 3 or (len(shape) == 4 and shape[3] == 3)):
        return None
    return Features(tuple(shape[1:]), TEXT if dtype.kind == "U" else str(dtype))


def noun(features: Features | None) -> str:
    """What one of the examples is called."""
    return "image" if features is None else "example"


def learned_text(classes: int, targets: Sequence[str]) -> str:
    """What is learned of them, in words: which of so many classes each is of, or else these targets."""
    if not targets:
        return f"{classes} classes"
    return f"target{'s' if len(targets) > 1 else ''} {', '.join(targets)}"


def seen_as(features: Features | None, forms: Iterable[Form]) -> str:
    """What is seen of them, in words: features, or else images in these `forms`."""
    return str(features) if features else ", ".join(map(str, forms))
