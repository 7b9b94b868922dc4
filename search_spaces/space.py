"""What a space is made of, in the terms of the Deep Learning Tuning Playbook (Godbole et al. 2023).

A space compares the values of its scientific factors, tunes its nuisance hyperparameters separately for
every alternative, and fixes the rest. It is data only: nothing here draws, trains or knows of Optuna.
"""

import inspect
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fer_core import paper
from fer_core.config import (
    HIGHEST_SCORE,
    LAST,
    LOWEST_SCORE,
    MONITOR,
    NETWORK,
    PARTS,
    TRAINER,
    Network,
    Own,
    TrialConfig,
    Value,
    check,
    names_beside,
)
from fer_core.errors import InputError
from fer_core.scoring import ERRORS
from fer_core.script import Script
from fer_core.trainer import Trainer
from search_spaces.claim import Claim
from search_spaces.parameter import Choice, Float, Int, Parameter
from search_spaces.score import OF_NUMBERS, SCORE, Score

__all__ = ["Arm", "Choice", "Claim", "Float", "Int", "Parameter", "Score", "Space"]

PROTOCOL = "data.protocol"
VARIANT = "variant"
FORM = ("data.side", "data.colour", "data.interpolation")  # in which images are seen
MEASURES = ("accuracy", "macro_f1", "balanced_accuracy")


@dataclass(frozen=True)
class Arm:
    """One alternative: values of the scientific factors with the settings of a variant. `name` joins them."""

    name: str
    values: Mapping[str, Value]
    variant: str = ""


@dataclass(frozen=True)
class Space:
    """A question with what it compares, tunes and fixes. Every name is a setting of `TrialConfig`, or the user's own.

    scientific: the alternatives; the arms are all combinations, in this order, the first the baseline.
    variants: settings by a name of their own, each crossed with all combinations. Arms are compared within one;
    without scientific factors the variants are themselves the alternatives.
    nuisance: tuned within every arm where its condition holds; an arm without any is confirmed as it is.
    constraints: what a proposed configuration must fulfil, in words, with the test of it.
    fixed: settings that differ from the paper's, the same in every trial.
    measure: what chooses on validation and judges on the test, one of `MEASURES`, or a `Score`: of its trainer's, or
    of the numbers that a network answers, by name where it is one of `OF_NUMBERS`.
    network: a function of one's own instead of the paper's network: from a tensor (batch, side, side, channels) of
    pixels, 0 to 1, augmented, or what the data holds instead, as it is, and the settings, to features (batch, n),
    which a last layer then reads, with a softmax where it tells classes. All but the settings `model.*` stay.
    trainer: a class of one's own that trains, in any framework (`fer_core.trainer`), or one that another Python runs
    (`fer_core.script`). Of the settings of `TrialConfig` the `SHARED` ones stay. Settings of a network or a trainer
    have any other names, each with values of one kind.
    published: what is tuned in them as a paper has it, or as is usual: the first trial of every search, and a fixed
    trial of every arm.
    claim: what is to be checked; the paper's own (`fer_core.paper`) need not be said.
    Raises InputError if a name or a value is none that is taken, or a condition can never hold.
    """

    name: str
    question: str
    scientific: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    nuisance: Mapping[str, Parameter] = field(default_factory=dict)
    fixed: Mapping[str, Value] = field(default_factory=dict)
    variants: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    constraints: Mapping[str, Callable[[TrialConfig], bool]] = field(default_factory=dict)
    measure: str | Score = "accuracy"
    network: Network | None = None
    trainer: type[Trainer] | Script | None = None
    published: Mapping[str, Value] = field(default_factory=dict)
    claim: Claim | None = None

    def __post_init__(self) -> None:
        if isinstance(self.measure, str) and self.measure in OF_NUMBERS:
            object.__setattr__(self, "measure", OF_NUMBERS[self.measure])
        self._check_brought()
        claimed = [*self.scientific, *self.nuisance, *self.fixed]
        for name in claimed:
            if claimed.count(name) > 1:
                raise InputError(f"space {self.name}: {name} stands in it twice.")
        for settings in self.variants.values():
            for name in settings:
                if name in self.scientific or name in self.fixed:
                    raise InputError(f"space {self.name}: {name} stands in it twice.")
        for name, values in self._given().items():
            for value in values:
                self._check(name, value)
        for name in self.kinds:
            self._check_own(name)
        self._check_nuisance()
        self._check_published()
        self._check_claim()

    def _check_brought(self) -> None:
        if self.score is None and self.measure not in MEASURES:
            expected = f"{', '.join((*MEASURES, *OF_NUMBERS))}, or a Score"
            raise InputError(f"space {self.name}: measure {self.measure}, expected {expected}.")
        if self.score is not None and self.trainer is None and not self.score.scoring.of_answers:
            raise InputError(
                f"space {self.name}: {self.score.title} judges, which takes a trainer of its own with a method "
                f"`score`; of a network's numbers a Score each={' or '.join(ERRORS)}, or a concordance."
            )
        if self.network is not None and self.trainer is not None:
            raise InputError(f"space {self.name}: has a network and a trainer of its own, expected one of them.")
        if self.network is not None and not inspect.isfunction(self.network):
            raise InputError(f"space {self.name}: its network is {self.network!r}, expected a function.")
        if self.trainer is None or isinstance(self.trainer, Script):
            return
        if not (isinstance(self.trainer, type) and issubclass(self.trainer, Trainer)):
            raise InputError(
                f"space {self.name}: its trainer is {self.trainer!r}, expected a class derived from Trainer "
                "(fer_core.trainer) or a Script (fer_core.script)."
            )
        answers = "predict" if self.score is None else self.score.told_by
        lacks_answers = getattr(self.trainer, answers) is getattr(Trainer, answers)
        if missing := [*sorted(self.trainer.__abstractmethods__), *([answers] if lacks_answers else [])]:
            raise InputError(f"space {self.name}: its trainer {self.trainer.__name__} lacks {', '.join(missing)}.")

    def _check_published(self) -> None:
        if self.published and self.brought is None:
            raise InputError(f"space {self.name}: publishes settings, but has no network or trainer of its own.")
        for name, value in self.published.items():
            if name not in self.nuisance:
                raise InputError(f"space {self.name}: {name} is published, but not tuned.")
            if not self.nuisance[name].contains(value):
                raise InputError(f"space {self.name}: {name} is published as {value}, tuned {self.nuisance[name]}.")

    def _check_claim(self) -> None:
        if self.claim is None:
            return
        if self.claim.points <= 0:
            raise InputError(f"space {self.name}: it claims a gain of {self.claim.amount}, expected above 0.")
        for name in self.claim.pair:
            if name not in [arm.name for arm in self.arms]:
                raise InputError(f"space {self.name}: it claims something of {name}, which is no arm of it.")
        if self.score is not None and (self.claim.measure, self.claim.unit) != (SCORE, self.score.unit):
            raise InputError(
                f"space {self.name}: it claims {self.claim.amount} of {self.claim.measure}, expected "
                f"measure={SCORE!r}, unit={self.score.unit!r}."
            )
        if self.score is None and self.claim.measure not in MEASURES:
            raise InputError(f"space {self.name}: it claims {self.claim.measure}, expected {', '.join(MEASURES)}.")
        groups = [[arm.name for arm in group] for group in self.comparable()]
        positions = [
            [group.index(name) for name in self.claim.pair] for group in groups if {*self.claim.pair} <= {*group}
        ]
        if not any(baseline < arm for baseline, arm in positions):
            raise InputError(
                f"space {self.name}: its claim is of {self.claim.arm} over {self.claim.baseline}, expected two arms "
                "that differ in one factor, the baseline's value declared first."
            )

    def _check_nuisance(self) -> None:
        known = {*self.scientific, VARIANT} if self.variants else {*self.scientific}
        for name, parameter in self.nuisance.items():
            for unit in (0.0, 1.0):
                self._check(name, parameter.at(unit))
            if name in FORM and not isinstance(parameter, Choice):
                raise InputError(
                    f"space {self.name}: {name} is tuned {parameter}, expected a Choice of a few values."
                )
            for other in parameter.when:
                if other not in known:
                    raise InputError(
                        f"space {self.name}: {name} depends on {other}, which is no scientific factor "
                        "and no nuisance hyperparameter declared before it."
                    )
            known.add(name)
        for arm in self.arms:
            for name in self.tuned_in(arm):
                if name in arm.values:
                    raise InputError(f"space {self.name}: {name} is both given and tuned in the arm {arm.name}.")

    @property
    def brought(self) -> Network | type[Trainer] | Script | None:
        """The user's own network or trainer, where there is one."""
        return self.trainer or self.network

    @property
    def score(self) -> Score | None:
        """What judges, where that is a score."""
        return self.measure if isinstance(self.measure, Score) else None

    @property
    def judged_by(self) -> str:
        """The name of what judges, one of `MEASURES`, or SCORE."""
        return self.measure if isinstance(self.measure, str) else SCORE

    @property
    def goal(self) -> str:
        """By what an epoch is better, and a trial: what judges, if the space says nothing else of epochs."""
        return self.measure if isinstance(self.measure, str) else self.measure.goal

    def check_monitor(self, value: Value) -> None:
        """Raises InputError where that cannot say which epoch of its trials is the best."""
        is_score = value in (HIGHEST_SCORE, LOWEST_SCORE)
        if value != LAST and (is_score if self.score is None else value != self.goal):
            expected = "anything but a score" if self.score is None else f"{self.goal} or {LAST}"
            judge = self.measure_title
            raise InputError(f"{MONITOR} {value}: the space {self.name} is judged by {judge}; expected {expected}.")

    @property
    def measure_title(self) -> str:
        """What judges, in words."""
        return self.measure.replace("_", " ") if isinstance(self.measure, str) else self.measure.title

    @property
    def own_kind(self) -> str | None:
        """What that is."""
        return TRAINER if self.trainer else NETWORK if self.network else None

    def _given(self) -> dict[str, list[Value]]:
        """Every value that is given in the space, by the setting's name: compared, fixed or of a variant."""
        given: dict[str, list[Value]] = {name: list(values) for name, values in self.scientific.items()}
        for settings in (*self.variants.values(), self.fixed):
            for name, value in settings.items():
                given.setdefault(name, []).append(value)
        return given

    def _check(self, name: str, value: Value) -> None:
        """Raises InputError if the trial's configuration does not take the value."""
        if name == MONITOR:
            self.check_monitor(value)
        if self.own_kind is None or name in names_beside(self.own_kind):
            check(name, value)

    def _check_own(self, name: str) -> None:
        """Raises InputError if `name` cannot be a setting of what the user has brought."""
        kind, brought = self.own_kind, self.brought
        assert kind is not None
        assert brought is not None
        if name.partition(".")[0] in PARTS:
            raise InputError(
                f"space {self.name}: {name} means nothing to its {kind} {brought.__name__}, which has settings of "
                f"its own, and of the others {', '.join(names_beside(kind))}."
            )
        if name in (NETWORK, TRAINER) or not all(part.isidentifier() for part in name.split(".")):
            raise InputError(f"space {self.name}: {name} cannot be the name of a setting.")
        kinds = self._kinds_of(name)
        if (len(kinds) > 1 and kinds != {int, float}) or not kinds <= {str, bool, int, float}:
            found = " and ".join(sorted(kind.__name__ for kind in kinds))
            raise InputError(
                f"space {self.name}: the values of {name} are {found}, expected one kind of str, bool, int or float."
            )

    def _kinds_of(self, name: str) -> set[type]:
        values = self._given().get(name, [])
        match self.nuisance.get(name):
            case Choice(values=choices):
                values = [*values, *choices]
            case Float() | Int() as parameter:
                values = [*values, parameter.at(0.0)]
        return {type(value) for value in values if value is not None}

    @property
    def kinds(self) -> dict[str, type]:
        """The settings of its own network or trainer, with what a value of each is: str, bool, int or float."""
        if self.own_kind is None:
            return {}
        shared = names_beside(self.own_kind)
        names = [name for name in dict.fromkeys([*self._given(), *self.nuisance]) if name not in shared]
        found = {name: self._kinds_of(name) for name in names}
        return {name: float if float in kinds else next(iter(kinds), str) for name, kinds in found.items()}

    @property
    def columns(self) -> dict[str, type]:
        """The same with what says whose they are: the columns that its trials have beside the usual ones."""
        return {} if self.own_kind is None else {self.own_kind: str, **self.kinds}

    @property
    def start(self) -> TrialConfig:
        """What configurations differ from: the paper's, in which nothing is set of what the user has brought."""
        if self.own_kind is None or self.brought is None:
            return TrialConfig()
        return TrialConfig(own=Own(self.own_kind, self.brought.__name__, tuple((name, None) for name in self.kinds)))

    @property
    def arms(self) -> tuple[Arm, ...]:
        combinations = list(itertools.product(*self.scientific.values()))
        return tuple(
            Arm(
                "-".join(filter(None, [*map(str, values), variant])) or "all",
                {**dict(zip(self.scientific, values, strict=True)), **settings},
                variant,
            )
            for variant, settings in (self.variants or {"": {}}).items()
            for values in combinations
        )

    def tuned_in(self, arm: Arm) -> dict[str, Parameter]:
        """The nuisance hyperparameters that `arm` has, at least where others of them have certain values."""
        tuned: dict[str, Parameter] = {}
        for name, parameter in self.nuisance.items():
            decided = {**arm.values, VARIANT: arm.variant}
            if all(
                decided[key] in allowed if key in decided else key in tuned for key, allowed in parameter.when.items()
            ):
                tuned[name] = parameter
        return tuned

    def draw(self, arm: Arm, pick: Callable[[str, Parameter], Value]) -> dict[str, Value]:
        """Values of what is tuned in `arm`, each by `pick`, leaving out those whose condition does not hold."""
        values: dict[str, Value] = {}
        for name, parameter in self.tuned_in(arm).items():
            decided = {**arm.values, VARIANT: arm.variant, **values}
            if all(decided.get(key) in allowed for key, allowed in parameter.when.items()):
                values[name] = pick(name, parameter)
        return values

    def factors(self) -> dict[str, dict[str, list[Arm]]]:
        """The arms with each value of every scientific factor; the n-th ones of all values agree in all else.

        Without the protocol, which decides what is tested: what differs in it cannot be compared.
        """
        return {
            factor: {str(value): [arm for arm in self.arms if arm.values[factor] == value] for value in values}
            for factor, values in self.scientific.items()
            if factor != PROTOCOL
        }

    def comparable(self) -> list[list[Arm]]:
        """The arms in groups within which they are compared: only one factor differs, or only the variant."""
        if not self.scientific:
            return [list(self.arms)]
        return [list(group) for arms in self.factors().values() for group in zip(*arms.values(), strict=True)]

    def protocols(self, chosen: str) -> tuple[str, ...]:
        """The protocols of its trials: those it compares, or else the one `chosen` for the study."""
        return tuple(map(str, self.scientific.get(PROTOCOL, (chosen,))))

    def paper_trials(self) -> list[tuple[str, Arm]]:
        """The paper's configurations that lie in the space: each one's name and the arm it lies in. They tell
        classes: where a score judges there are none.
        """
        if self.brought is not None or self.score is not None:
            return []
        return [
            (title, arm)
            for title, settings in paper.CONFIGURATIONS.items()
            for arm in self.arms
            if self._reaches(arm, {PROTOCOL: paper.PROTOCOL, **settings})
        ]

    def _reaches(self, arm: Arm, settings: Mapping[str, Value]) -> bool:
        """Whether `arm` can be the paper's configuration that differs from the defaults by `settings`."""
        wanted = TrialConfig.from_flat(settings).flat()
        if any(wanted[name] != value for name, value in arm.values.items()):
            return False
        tuned = self.draw(arm, lambda name, parameter: wanted[name])
        if not all(self.nuisance[name].contains(value) for name, value in tuned.items()):
            return False
        given = {**TrialConfig().flat(), **self.fixed}
        free = {*arm.values, *tuned, PROTOCOL}  # the protocol is the study's, where the space does not compare any
        return all(name in free or given[name] == value for name, value in settings.items())
