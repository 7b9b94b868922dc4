"""The form in which images are seen: their side, grey or in colour, and how they are brought to it."""

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
