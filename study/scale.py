"""How the values of a measure are written, and differences between them: shares in per cent and in points, scores in
a unit of their own, to so many digits as tell them apart.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """times: what a recorded value is multiplied by to be written. sign: what follows a value. unit: what differences
    are of, nothing where that has no name. lowest, highest: between which recorded values lie. written: a value's
    digits; written_gap: those of a difference.
    """

    times: float
    sign: str
    unit: str
    lowest: float
    highest: float
    written: Callable[[float], str]
    written_gap: Callable[[float], str]

    def value(self, recorded: float | None) -> str:
        """A value with its sign or unit, `-` where there is none."""
        return "-" if recorded is None or math.isnan(recorded) else self.bare(recorded) + self.sign

    def bare(self, recorded: float) -> str:
        """The same by its digits alone, of the nearest value that can be."""
        return self.written(self.times * min(max(recorded, self.lowest), self.highest))

    def size(self, gap: float) -> str:
        """How large a difference is, whichever way."""
        return "-" if math.isnan(gap) else self.written_gap(self.times * abs(gap))

    def gap(self, gap: float) -> str:
        """A difference with its sign."""
        return "-" if math.isnan(gap) else ("-" if math.copysign(1, gap) < 0 else "+") + self.size(gap)

    def bound(self, gap: float) -> str:
        """So much that the difference is not larger, in its unit."""
        digits = self.size(gap)
        step = 10.0 ** -len(digits.partition(".")[2])
        up = math.ceil(round(self.times * gap / step, 6)) * step
        return self.in_unit(self.written_gap(up))

    def in_unit(self, digits: str) -> str:
        return f"{digits} {self.unit}".rstrip()

    @property
    def heading(self) -> str:
        """What follows the name of a measure in a heading to say what its differences are of."""
        return f", {self.unit}" if self.unit else ""

    @property
    def phrase(self) -> str:
        """The same in a sentence."""
        return f" in {self.unit}" if self.unit else ""


def _two_decimals(value: float) -> str:
    return f"{value:.2f}"


def _significant(digits: int) -> Callable[[float], str]:
    def written(value: float) -> str:
        size = abs(value)
        if 0 < size < 1e-4 or size >= 1e9:
            return f"{value:.{digits - 1}e}"
        decimals = digits - 1 - math.floor(math.log10(size)) if size else 0
        return f"{value:,.{max(0, decimals)}f}"

    return written


SHARES = Scale(100, " %", "points", 0.0, 1.0, _two_decimals, _two_decimals)


def scores_in(unit: str) -> Scale:
    """That of a score, in a unit such as years, or in none that has a name."""
    return Scale(1, f" {unit}".rstrip(), unit, -math.inf, math.inf, _significant(4), _significant(3))


WITHOUT_UNIT = scores_in("")
