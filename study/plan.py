"""From a question to a list of what will be trained: the arms, their trials, seeds and epochs.

A plan is data, made without Ray, Keras or the images, so that `--dry-run` shows it at once.
"""

import itertools
import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from fer_core import paper
from fer_core.config import (
    FOLDS,
    HIGHEST_SCORE,
    LABEL,
    LAST,
    LOWEST_SCORE,
    MONITOR,
    TARGETS,
    TrialConfig,
    Value,
    View,
    own_kind,
    read_value,
    trial_id,
)
from fer_core.data.sources import SYNTHETIC
from fer_core.errors import InputError
from fer_core.form import Form
from search_spaces.space import FORM, Arm, Choice, Space

# A study's seed s decides every other one: the fixed trials', the n-th search trial's of each arm, and the
# k-th confirmation's. Arms share them, so that they are compared on like terms.
SEEDS_A_STUDY = 1_000_000
SEARCH_SEEDS = 100_000
CONFIRM_SEEDS = 200_000
# The n-th further search of a study with `--seed s` has the seeds that one with `--seed s + 100 n` would have, and
# beyond the last seeds that there are (Keras' have 32 bits) the first ones.
SEARCHES_APART = 100
MOST_STUDIES = 2**32 // SEEDS_A_STUDY
MOST_SEARCHES = MOST_STUDIES // math.gcd(MOST_STUDIES, SEARCHES_APART)  # until one comes round to the first one's

# Settings that more hangs on than a training.
BY_OPTION = {"data.protocol": "--protocol", "data.folds": "--folds K", "data.fold": "--folds K, each in turn"}

# Successive halving: a trial goes on past a third of the epochs if it is in the best third. No rung at a ninth, as is
# usual: a trial's rank there says nothing yet of its end (docs/performance.md, "The search").
REDUCTION_FACTOR = 3
FIRST_RUNG = 2


@dataclass(frozen=True)
class Budget:
    """How much to spend: search trials an arm, epochs, confirmation seeds, and what is scaled down for it."""

    trials: int
    epochs: int
    seeds: int
    settings: Mapping[str, Value] = field(default_factory=dict)


# A narrow network and few images, in small batches, so that some hundred steps suffice to learn something. The
# rate must then fall without waiting for a plateau, and the moving averages of batch normalisation must follow
# faster than Keras' default lets them, or validation stays at chance for the first epochs.
QUICK_NETWORK: dict[str, Value] = {
    "model.width": 0.125,
    "model.dropout": 0.0,
    "model.dense_dropout": 0.1,
    "model.batch_norm_momentum": 0.97,
    "train.batch_size": 32,
    "train.schedule": "cosine",
}
BUDGETS = {
    "quick": Budget(4, 5, 3, {**QUICK_NETWORK, "data.train_images": 5000, "data.val_images": 1000}),
    "standard": Budget(16, 60, 5),
    "full": Budget(48, 100, 10),
}
# The drawn faces are easier: fewer do, so that a first look takes minutes.
QUICK_SYNTHETIC = Budget(
    4, 5, 3, {**QUICK_NETWORK, "model.batch_norm_momentum": 0.9, "data.train_images": 1000, "data.val_images": 300}
)


def study_seed(seed: Any) -> Any:
    """The study's seed that decided a trial's: it says to which search a trial belongs, whichever study ran it.

    Of a number, or of a column of them.
    """
    return seed // SEEDS_A_STUDY


SearchKey = tuple[str, int]  # one of an arm's searches: the arm's name, and which


@dataclass(frozen=True)
class TrialSpec:
    """One trial to run. `number`: its place in its search, None in the other phases.

    search: which of its arm's searches it belongs to, from 0. copy: not 0 where another arm may have the same
    training: then each has a trial of its own.
    """

    arm: str
    phase: str
    config: TrialConfig
    seed: int
    number: int | None = None
    search: int = 0
    copy: int = 0

    @cached_property
    def trial(self) -> str:
        """Its identity."""
        training = trial_id(self.config, self.seed)
        return f"{training}-{self.copy}" if self.copy else training

    @property
    def key(self) -> SearchKey:
        return self.arm, self.search


@dataclass(frozen=True)
class Plan:
    """What a study will run.

    searches: how often every arm is searched, each time anew and with `trials` trials; every winner is confirmed over
    `seeds` seeds of its own. In the protocol FOLDS the n-th search leaves out part n, on which its winner is tested.
    window: how many of a search's trials are open at a time (`study.search.timetable`); the first
    `window` are the starting points shared by the arms. own: configurations that the user wants run as they are,
    beside the paper's.
    """

    space: Space
    budget: str
    base: TrialConfig
    trials: int
    seeds: int
    seed: int
    window: int
    sampler: str = "tpe"
    scheduler: str = "asha"
    searches: int = 1
    own: tuple[TrialConfig, ...] = ()

    @property
    def arms(self) -> tuple[Arm, ...]:
        return self.space.arms

    @property
    def protocols(self) -> tuple[str, ...]:
        return self.space.protocols(self.base.data.protocol)

    @property
    def forms(self) -> tuple[Form, ...]:
        """The forms in which its trials may see the images, the first arm's first. Raises as `fixed_trials` does."""
        return tuple(dict.fromkeys(config.data.form for config in self._differing_in(FORM)))

    @property
    def needs_distributions(self) -> bool:
        """Whether a trial may be trained towards label distributions. Raises as `fixed_trials` does."""
        return any(config.train.targets != LABEL for config in self._differing_in((TARGETS,)))

    def _differing_in(self, names: Container[str]) -> list[TrialConfig]:
        """Configurations with every combination of these settings' values that its trials may have."""
        found = [
            self.arm_config(arm, dict(zip(tuned, values, strict=True)))
            for arm in self.arms
            for tuned in [self._tuned(arm, names)]
            for values in itertools.product(*tuned.values())
        ]
        return found + [spec.config for spec in self.fixed_trials()]

    @property
    def folds(self) -> int | None:
        """How many parts are tested in turn, by a search each; None in other protocols."""
        return self.base.data.folds if FOLDS in self.protocols else None

    @property
    def views(self) -> list[View]:
        """All in which its trials may see the images."""
        parts = [self.of_search(search).base.data.view.fold for search in range(self.folds or 1)]
        return [View(name, form, fold) for name in self.protocols for fold in parts for form in self.forms]

    def _tuned(self, arm: Arm, names: Container[str]) -> dict[str, tuple[Value, ...]]:
        """Those of the settings that are tuned in `arm`, with what they are chosen from."""
        tuned = self.space.tuned_in(arm).items()
        return {name: choice.values for name, choice in tuned if name in names and isinstance(choice, Choice)}

    @property
    def epochs(self) -> int:
        return self.base.train.epochs

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs after which a search trial must be among its arm's best third to go on."""
        rung = max(FIRST_RUNG, math.ceil(self.epochs / REDUCTION_FACTOR))
        return (rung,) if self.scheduler != "none" and rung < self.epochs else ()

    @property
    def stops(self) -> tuple[int, ...]:
        """Epochs after which a search trial may end: the rungs, and the last."""
        return (*self.rungs, self.epochs)

    @property
    def confirm_seeds(self) -> list[int]:
        return [self.seed * SEEDS_A_STUDY + CONFIRM_SEEDS + k for k in range(self.seeds)]

    @property
    def search_keys(self) -> list[SearchKey]:
        """Every search of every arm, those first that are every arm's first."""
        return [(arm.name, search) for search in range(self.searches) for arm in self.arms]

    def of_search(self, search: int) -> "Plan":
        """The plan as one of its searches has it: with that search's seeds and starting points, and its fold."""
        base = self.base.override({"data.fold": search}) if self.folds else self.base
        return replace(self, base=base, seed=(self.seed + search * SEARCHES_APART) % MOST_STUDIES)

    def trials_in(self, arm: Arm) -> int:
        """Trials of a search of `arm`: the same number in every arm that has something to tune, else none."""
        return self.trials if self.space.tuned_in(arm) else 0

    def search_seed(self, number: int) -> int:
        return self.seed * SEEDS_A_STUDY + SEARCH_SEEDS + number

    def arm_config(self, arm: Arm, tuned: Mapping[str, Value]) -> TrialConfig:
        return self.base.override({**arm.values, **tuned})

    def allows(self, arm: Arm, tuned: Mapping[str, Value]) -> bool:
        """Whether the configuration fulfils the constraints of the space."""
        config = self.arm_config(arm, tuned)
        return all(holds(config) for holds in self.space.constraints.values())

    def spec(
        self, arm: Arm, phase: str, config: TrialConfig, seed: int, search: int, number: int | None = None
    ) -> TrialSpec:
        """A trial of `arm`, a copy where an earlier arm may have the same."""
        position = self.arms.index(arm)
        shared = any(self._lies_in(earlier, config) for earlier in self.arms[:position])
        return TrialSpec(arm.name, phase, config, seed, number, search, copy=position if shared else 0)

    def _lies_in(self, arm: Arm, config: TrialConfig) -> bool:
        """Whether `arm` may have a trial of `config`."""
        values, given = config.flat(), self.arm_config(arm, {}).flat()
        tuned = self.space.draw(arm, lambda name, parameter: values[name])
        return all(
            self.space.nuisance[name].contains(value) if name in tuned else value == given[name]
            for name, value in values.items()
        )

    def same_arms(self) -> dict[str, str]:
        """The arms that are the same as an earlier one at this budget, and which that is."""
        first: dict[str, str] = {}
        kinds = [(arm.name, str((self.arm_config(arm, {}).flat(), self.space.tuned_in(arm)))) for arm in self.arms]
        return {name: first[kind] for name, kind in kinds if first.setdefault(kind, name) != name}

    def fixed_trials(self) -> list[TrialSpec]:
        """The paper's configurations that lie in the space, at the budget's scale, and the user's own as they are.

        In every fold, where there are any. Raises InputError if one of the user's lies in no arm.
        """
        every = [(n, self.of_search(n)) for n in range(self.folds or 1)]
        return [replace(spec, search=n) for n, plan in every for spec in plan._fixed_trials()]

    def _fixed_trials(self) -> list[TrialSpec]:
        seed = self.seed * SEEDS_A_STUDY
        papers = [
            TrialSpec(
                arm.name,
                "fixed",
                self.base.override({**paper.CONFIGURATIONS[title], **arm.values}),
                seed,
            )
            for title, arm in self.space.paper_trials()
        ]
        fold = {"data.folds": self.folds, "data.fold": self.base.data.fold} if self.folds else {}
        own = [TrialSpec(self._arm_of(one).name, "fixed", one.override(fold), seed) for one in self.own]
        return list({spec.trial: spec for spec in [*papers, *self._published(seed), *own]}.values())

    def _published(self, seed: int) -> list[TrialSpec]:
        """Every arm of which all that is tuned was published, as it was."""
        given = self.space.published
        found = []
        for arm in self.arms if given else ():
            tuned = self.space.draw(arm, lambda name, parameter: given.get(name))
            if None not in tuned.values():
                found.append(TrialSpec(arm.name, "fixed", self.arm_config(arm, tuned), seed))
        return found

    def _arm_of(self, config: TrialConfig) -> Arm:
        values = config.flat()
        if config.data.protocol not in self.protocols:
            raise InputError(
                f"--fixed: its data.protocol is {config.data.protocol}, the study's {', '.join(self.protocols)}."
            )
        fitting = [arm for arm in self.arms if all(values[name] == value for name, value in arm.values.items())]
        if fitting:
            return max(fitting, key=lambda arm: len(arm.values))  # the first of those that say most
        names = sorted({name for arm in self.arms for name in arm.values})
        given = ", ".join(f"{name} = {values[name]}" for name in names)
        raise InputError(f"--fixed: a configuration with {given} lies in no arm of the space {self.space.name}.")

    @property
    def trial_count(self) -> int:
        return len(self.fixed_trials()) + sum(map(self.own_trials, self.arms))

    @property
    def tunes(self) -> bool:
        """Whether it searches at all."""
        return any(map(self.trials_in, self.arms))

    def own_trials(self, arm: Arm) -> int:
        """Search and confirm trials of `arm`."""
        return self.searches * (self.trials_in(arm) + self.seeds)

    @property
    def most_epochs(self) -> int:
        """Epochs if no trial stops early."""
        return self.trial_count * self.epochs


def usual_window(trials: int) -> int:
    """How many of a search's trials are open at a time: a sixth, but at least 4, and not more than a third.

    In a small window trials learn from more that has ended; a large one keeps more of a cluster busy. On recorded
    curves (benchmarks/search.py), 32 trials, a sixth needed 27 % of the epochs of random search without pruning to be
    as good; of 8 trials two at a time needed 58 %, while three or four never were.
    """
    return max(2, min(max(4, trials // 6), trials // 3))


def make_plan(
    space: Space,
    *,
    budget: str,
    protocol: str,
    data_name: str,
    trials: int | None = None,
    epochs: int | None = None,
    seeds: int | None = None,
    seed: int = 0,
    searches: int = 1,
    folds: int | None = None,
    settings: Mapping[str, str] | None = None,
    sampler: str = "tpe",
    scheduler: str = "asha",
    window: int | None = None,
    own: Sequence[TrialConfig] = (),
) -> Plan:
    """The plan for `space`. Numbers not given are the budget's; `settings` override the fixed ones.

    folds: into how many parts the protocol FOLDS divides the images, which then are as many searches. A study that
    grows keeps its `window`; a new one has the usual.

    Raises InputError if a setting is unknown, has a wrong value, or is one that the space varies, if there are not
    so many seeds, and if there is nothing that could be searched more than once.
    """
    if budget not in BUDGETS:
        raise InputError(f"--budget {budget}: expected auto, {', '.join(BUDGETS)}.")
    if folds is not None:
        if searches > 1:
            raise InputError(f"--searches {searches}: with --folds every fold is searched once.")
        searches = folds
    elif searches > 1 and not any(map(space.tuned_in, space.arms)):
        raise InputError(
            f"--searches {searches}: the space {space.name} tunes nothing. --seeds repeats its trainings."
        )
    if seed >= MOST_STUDIES:
        raise InputError(f"--seed {seed}: must be less than {MOST_STUDIES}.")
    if searches > MOST_SEARCHES:
        option = "--searches" if folds is None else "--folds"
        raise InputError(f"{option} {searches}: expected at most {MOST_SEARCHES}.")
    amount = QUICK_SYNTHETIC if (budget, data_name) == ("quick", SYNTHETIC) else BUDGETS[budget]
    settings = settings or {}
    for name in settings:
        if name in BY_OPTION:
            raise InputError(f"--set {name}: is given as {BY_OPTION[name]}.")
        if name in space.scientific or name in space.nuisance:
            raise InputError(f"--set {name}: the space {space.name} varies it. Only fixed settings can be set.")
    scaled = {"train.epochs": amount.epochs, "data.protocol": protocol, **amount.settings}
    scaled |= {} if folds is None else {"data.folds": folds}
    known = space.start.flat()
    scaled[MONITOR] = space.goal  # what judges also says which epoch is judged
    base = space.start.override({**{name: value for name, value in scaled.items() if name in known}, **space.fixed})
    if epochs is not None:
        base = base.override({"train.epochs": epochs})
    if MONITOR in settings:
        space.check_monitor(settings[MONITOR])
    given = {name: _read(space, name, value) for name, value in settings.items()}
    trials = amount.trials if trials is None else trials
    return Plan(
        space=space,
        budget=budget,
        base=base.override(given),
        trials=trials,
        seeds=amount.seeds if seeds is None else seeds,
        seed=seed,
        window=window or usual_window(trials),
        sampler=sampler,
        scheduler=scheduler,
        searches=searches,
        own=tuple(_as_in(space, config) for config in own),
    )


def _read(space: Space, name: str, value: Value) -> Value:
    """A setting's value from its text; those of `TrialConfig` are read where they are set."""
    return read_value(name, value, space.kinds[name]) if name in space.kinds else value


def _as_in(space: Space, config: TrialConfig) -> TrialConfig:
    """A configuration from a file with the settings that its trials have in this space. Raises InputError."""
    theirs, ours = ((own.kind, own.name) if own else None for own in (config.own, space.start.own))
    if theirs != ours:
        there, here = (own[1] if own else "the paper's network" for own in (theirs, ours))
        raise InputError(f"--fixed: a configuration of {there}; in the space {space.name} it is {here}.")
    given = config.flat()
    values = {name: _read(space, name, value) for name, value in given.items() if name != own_kind(given)}
    by_score = space.score is not None or values[MONITOR] in (HIGHEST_SCORE, LOWEST_SCORE)
    if by_score and values[MONITOR] != LAST:  # a file that does not say has the paper's, and another study its own
        values[MONITOR] = space.goal
    try:
        return space.start.override(values)
    except InputError as problem:
        raise InputError(f"--fixed: {problem}") from None
