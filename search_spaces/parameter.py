"""What a hyperparameter may be: a number from a range, or one of some values, perhaps only where others hold."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from fer_core.config import Value

# Names with the values that each may have: of scientific factors, of other nuisance hyperparameters declared
# before, or of `variant`.
Condition = Mapping[str, tuple[Value, ...]]


@dataclass(frozen=True)
class Float:
    """A number from `low` to `high`, even on a logarithmic scale if `log`. `when`: only where that holds."""

    low: float
    high: float
    log: bool = False
    when: Condition = field(default_factory=dict)

    def contains(self, value: Value) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high

    def at(self, unit: float) -> float:
        """The value at `unit` of the way, from 0 to 1, on the parameter's scale."""
        if self.log:
            value = math.exp(math.log(self.low) + unit * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + unit * (self.high - self.low)
        return min(self.high, max(self.low, value))  # rounding leaves the range at its ends

    def unit(self, value: float) -> float:
        """The inverse of `at`."""
        if self.log:
            return (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (value - self.low) / (self.high - self.low)

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}" + (" (log)" if self.log else "")


@dataclass(frozen=True)
class Int:
    """A whole number from `low` to `high`, both included. `when`: only where that holds."""

    low: int
    high: int
    when: Condition = field(default_factory=dict)

    def contains(self, value: Value) -> bool:
        return isinstance(value, int) and self.low <= value <= self.high

    def at(self, unit: float) -> int:
        return min(self.high, self.low + int(unit * (self.high - self.low + 1)))

    def unit(self, value: int) -> float:
        """The middle of what `at` maps to `value`."""
        return (value - self.low + 0.5) / (self.high - self.low + 1)

    def __str__(self) -> str:
        return f"{self.low} to {self.high}"


@dataclass(frozen=True)
class Choice:
    """One of `values`. `when`: only where that holds."""

    values: tuple[Value, ...]
    when: Condition = field(default_factory=dict)

    def contains(self, value: Value) -> bool:
        return value in self.values

    def at(self, unit: float) -> Value:
        return self.values[min(len(self.values) - 1, int(unit * len(self.values)))]

    def unit(self, value: Value) -> float:
        """The middle of what `at` maps to `value`."""
        return (self.values.index(value) + 0.5) / len(self.values)

    def __str__(self) -> str:
        return ", ".join(map(str, self.values))


Parameter = Float | Int | Choice
