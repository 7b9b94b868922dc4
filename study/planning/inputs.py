"""Whether what a study trains can take what its data holds: images or features, with labels or targets."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fer_core.config import TrialConfig, Value
from fer_core.errors import InputError
from fer_core.features import TEXT, Features
from search_spaces.score import OF_NUMBERS
from search_spaces.space import FORM
from study.plan import Plan

if TYPE_CHECKING:
    from fer_core.data.dataset import Dataset, Listing

DEFAULTS = TrialConfig().flat()
# What the settings have to be that say what is done to images: nothing can be done to features.
AS_GIVEN = {name: DEFAULTS[name] for name in FORM} | {"augment.shift": 0.0, "augment.flip": False}
# Likewise those that say how classes are learned, where numbers are, and the other way round.
OF_CLASSES = {name: DEFAULTS[name] for name in ("train.targets", "train.class_weights", "train.label_smoothing")}
OF_TARGETS = {"train.regression_loss": DEFAULTS["train.regression_loss"]}


def check_inputs(plan: Plan, data: "Listing") -> None:
    """Raises InputError where the data holds features or targets that the plan's network cannot take, or of which it
    would have what only images or classes have.
    """
    if data.target_names:
        _check_targets(plan, data.name, ", ".join(data.target_names))
    else:
        _check_labels(plan, data.name)
    if data.features is not None:
        _check_features(plan, data.name, data.features)


def _check_targets(plan: Plan, name: str, told: str) -> None:
    holds = f"{name}: holds numbers to be learned ({told}), and no classes"
    if plan.space.score is None:
        trainer = plan.space.trainer is not None
        measures = "its Score (docs/your_own.md), or by " if trainer else ""
        raise InputError(f"{holds}. They are judged by {measures}--measure {_either(*OF_NUMBERS)}.")
    _check_settings(plan, OF_CLASSES, holds, "of classes")


def _either(*names: str) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _check_labels(plan: Plan, name: str) -> None:
    score = plan.space.score
    if score is not None and score.scoring.of_answers:
        raise InputError(
            f"{name}: holds classes, and the space {plan.space.name} is judged by the {score.title} of numbers "
            "(docs/data.md)."
        )
    _check_settings(plan, OF_TARGETS, f"{name}: holds classes", "of numbers")


def _check_features(plan: Plan, name: str, holds: Features) -> None:
    if plan.space.brought is None:
        raise InputError(
            f"{name}: holds {holds}. The paper's network takes images, uint8 (n, height, width) or (n, height, "
            "width, 3); features are for a network or trainer of your own (docs/your_own.md)."
        )
    if plan.space.network is not None and holds.dtype == TEXT:
        raise InputError(f"{name}: holds texts, which no network takes. Bring a trainer (docs/your_own.md).")
    _check_settings(plan, AS_GIVEN, f"{name}: holds {holds}", "of images")


def _check_settings(plan: Plan, needed: Mapping[str, Value], holds: str, of: str) -> None:
    """Raises InputError where a setting, which is `of` what the data does not hold, is varied or not as needed."""
    for setting, value in needed.items():
        problem = f"{holds}; {setting} is {of}"
        if any(setting in arm.values or setting in plan.space.tuned_in(arm) for arm in plan.arms):
            raise InputError(f"{problem}, but the space {plan.space.name} varies it.")
        if (given := plan.base.flat().get(setting, value)) != value:
            raise InputError(
                f"{problem}, but set to {given}. Fix it to {value} in the space {plan.space.name}, or by --set "
                f"{setting}={str(value).lower()}."
            )


def check_finite(plan: Plan, data: "Dataset") -> None:
    """Raises InputError where a network would be given features that are no finite numbers."""
    wrong = ~data.finite
    if plan.space.network is not None and wrong.any():
        raise InputError(
            f"{data.name}: {wrong.sum():,} of {len(wrong):,} examples hold numbers that are not finite, the first in "
            f"row {wrong.argmax() + 1}. A network cannot learn from them."
        )


def check_alike(name: str, other: Features | None, own: Features | None) -> None:
    """Raises InputError where other data, called `name`, holds something else than that which trains."""
    if not (other is own is None or (own is not None and own.alike(other))):
        there, here = other or "images", own or "images"
        raise InputError(f"--also-test {name}: holds {there}, the data that trains {here}. Expected the same.")
