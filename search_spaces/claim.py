"""What somebody says of two arms, to be checked: that one has so many points more than the other."""

from dataclasses import dataclass

POINTS = "points"


@dataclass(frozen=True)
class Claim:
    """That `arm` has `points` percentage points more of `measure` on the test images than `baseline`.

    whose: as it stands in a sentence, such as "Woo et al.'s". what: what is compared, in words; if empty, the arms.
    unit: where it is no points that `arm` is better by, but so much of a score, the score's unit; it may be empty.
    """

    arm: str
    baseline: str
    points: float
    measure: str = "accuracy"
    whose: str = "the claimed"
    what: str = ""
    unit: str = POINTS

    @property
    def gain(self) -> float:
        """As it is recorded: of points a fraction."""
        return round(self.points / 100, 6) if self.unit == POINTS else self.points

    @property
    def pair(self) -> tuple[str, str]:
        """The baseline and the arm."""
        return self.baseline, self.arm

    @property
    def text(self) -> str:
        """The subject of a sentence about it."""
        whose = self.whose[:1].upper() + self.whose[1:]
        return f"{whose} gain of {self.amount} for {self.what or f'{self.arm} over {self.baseline}'}"

    @property
    def amount(self) -> str:
        """How much, with its unit."""
        return f"{self.points:+.2f} points" if self.unit == POINTS else f"{self.points:+g} {self.unit}".rstrip()
