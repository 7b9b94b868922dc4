"""What a space is made of, in the terms of the Deep Learning Tuning Playbook (Godbole et al. 2023).

A space compares the values of its scientific factors, tunes its nuisance hyperparameters separately for
every alternative, and fixes the rest. It is data only: nothing here draws, trains or knows of Optuna.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from fer_core import paper
from fer_core.config import TrialConfig, Value, check
from fer_core.errors import InputError

PROTOCOL = "data.protocol"
Condition = Mapping[str, tuple[Value, ...]]


@dataclass(frozen=True)
class Float:
    """A number from `low` to `high`, even on a logarithmic scale if `log`. `when`: only in such arms."""

    low: float
    high: float
    log: bool = False
    when: Condition = field(default_factory=dict)

    def contains(self, value: Value) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high

    def at(self, unit: float) -> float:
        """The value at `unit` of the way, from 0 to 1, on the parameter's scale."""
        if self.log:
            return math.exp(math.log(self.low) + unit * (math.log(self.high) - math.log(self.low)))
        return self.low + unit * (self.high - self.low)

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}" + (" (log)" if self.log else "")


@dataclass(frozen=True)
class Int:
    """A whole number from `low` to `high`, both included. `when`: only in such arms."""

    low: int
    high: int
    when: Condition = field(default_factory=dict)

    def contains(self, value: Value) -> bool:
        return isinstance(value, int) and self.low <= value <= self.high

    def at(self, unit: float) -> int:
        return min(self.high, self.low + int(unit * (self.high - self.low + 1)))

    def __str__(self) -> str:
        return f"{self.low} to {self.high}"


@dataclass(frozen=True)
class Choice:
    """One of `values`. `when`: only in arms whose factors have one of the named values."""

    values: tuple[Value, ...]
    when: Condition = field(default_factory=dict)

    def contains(self, value: Value) -> bool:
        return value in self.values

    def at(self, unit: float) -> Value:
        return self.values[min(len(self.values) - 1, int(unit * len(self.values)))]

    def __str__(self) -> str:
        return ", ".join(map(str, self.values))


Parameter = Float | Int | Choice


@dataclass(frozen=True)
class Arm:
    """One combination of values of the scientific factors; `name` joins the values."""

    name: str
    values: Mapping[str, Value]


@dataclass(frozen=True)
class Space:
    """A question with what it compares, tunes and fixes. Every name is a setting of `TrialConfig`.

    scientific: the alternatives; the arms are all combinations, in this order, the first the baseline.
    nuisance: tuned within every arm where its condition holds; an arm without any is confirmed as it is.
    fixed: settings that differ from the paper's, the same in every trial.
    Raises InputError if a name or a value is none that `TrialConfig` takes.
    """

    name: str
    question: str
    scientific: Mapping[str, tuple[Value, ...]]
    nuisance: Mapping[str, Parameter] = field(default_factory=dict)
    fixed: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        claimed = [*self.scientific, *self.nuisance, *self.fixed]
        for name in claimed:
            if claimed.count(name) > 1:
                raise InputError(f"space {self.name}: {name} stands in it twice.")
        for name, values in self.scientific.items():
            for value in values:
                check(name, value)
        for name, parameter in self.nuisance.items():
            for unit in (0.0, 1.0):
                check(name, parameter.at(unit))
            for factor in parameter.when:
                if factor not in self.scientific:
                    raise InputError(f"space {self.name}: {name} depends on {factor}, which is no scientific factor.")
        for name, value in self.fixed.items():
            check(name, value)

    @property
    def arms(self) -> tuple[Arm, ...]:
        combinations = itertools.product(*self.scientific.values())
        return tuple(
            Arm("-".join(map(str, values)), dict(zip(self.scientific, values, strict=True)))
            for values in combinations
        )

    def tuned_in(self, arm: Arm) -> dict[str, Parameter]:
        """The nuisance hyperparameters that `arm` has."""
        return {
            name: parameter
            for name, parameter in self.nuisance.items()
            if all(arm.values[factor] in allowed for factor, allowed in parameter.when.items())
        }

    def protocols(self, chosen: str) -> tuple[str, ...]:
        """The protocols of its trials: those it compares, or else the one `chosen` for the study."""
        return tuple(map(str, self.scientific.get(PROTOCOL, (chosen,))))

    def paper_trials(self) -> list[tuple[str, Arm]]:
        """The paper's configurations that lie in the space: each one's name and the arm it lies in."""
        found = []
        for title, settings in paper.CONFIGURATIONS.items():
            values = TrialConfig.from_flat({PROTOCOL: paper.PROTOCOL, **settings}).flat()
            for arm in self.arms:
                in_arm = all(values[name] == value for name, value in arm.values.items())
                in_reach = all(p.contains(values[name]) for name, p in self.tuned_in(arm).items())
                if in_arm and in_reach:
                    found.append((title, arm))
        return found
