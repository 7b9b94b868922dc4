"""The form in which examples are seen: images of a side, grey or in colour, and how they come to it; or features."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Form:
    """side: pixels, of square images. interpolation: how a file of another size is brought to it, as Pillow does it;
    all but `nearest` take the mean of what falls into a pixel. The defaults are what the paper's loader makes of
    FER2013 (section 2.1).
    """

    side: int = 48
    colour: bool = False
    interpolation: str = "nearest"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels, as the network sees an image."""
        return self.side, self.side, 3 if self.colour else 1

    @property
    def in_memory(self) -> tuple[int, ...]:
        """The same as readers keep it: without an axis for grey's one channel."""
        return self.shape if self.colour else self.shape[:2]

    def __str__(self) -> str:
        return f"{self.side} x {self.side} {'in colour' if self.colour else 'in grey'}"


PAPERS = Form()

TEXT = "text"


@dataclass(frozen=True)
class Features:
    """What examples are where they are no images, such as landmarks, action units, embeddings, or texts: all of one
    shape, and taken as they are.

    shape: of one example. dtype: of its numbers, NumPy's name, or TEXT.
    """

    shape: tuple[int, ...]
    dtype: str

    @property
    def as_taken(self) -> str:
        """The type in which they are taken: TEXT, int32 for whole numbers, float32 for others."""
        whole = self.dtype.startswith(("int", "uint", "bool"))
        return TEXT if self.dtype == TEXT else "int32" if whole else "float32"

    def alike(self, other: "Features | None") -> bool:
        """Whether what takes these can take the `other` ones, too."""
        return other is not None and (self.shape, self.as_taken) == (other.shape, other.as_taken)

    def __str__(self) -> str:
        size = " x ".join(map(str, self.shape)) or "1"
        return "texts" if self.dtype == TEXT else f"features {size} {self.dtype}"


def noun(features: Features | None) -> str:
    """What one of the examples is called."""
    return "image" if features is None else "example"


def seen_as(features: Features | None, forms: Iterable[Form]) -> str:
    """What is seen of them, in words: features, or else images in these `forms`."""
    return str(features) if features else ", ".join(map(str, forms))
