"""Whether what a study trains can take what its data holds: images or features, with labels or targets."""

from typing import TYPE_CHECKING

from fer_core.config import TrialConfig
from fer_core.errors import InputError
from fer_core.features import TEXT, Features
from fer_core.summaries import CONCORDANCE
from search_spaces.space import FORM
from study.plan import Plan

if TYPE_CHECKING:
    from fer_core.data.dataset import Dataset, Listing

# What the settings have to be that say what is done to images: nothing can be done to features.
AS_GIVEN = {name: TrialConfig().flat()[name] for name in FORM} | {"augment.shift": 0.0, "augment.flip": False}


def check_inputs(plan: Plan, data: "Listing") -> None:
    """Raises InputError where the data holds features or targets that the plan's network cannot take, or of which it
    would have what only images have.
    """
    space, name, holds = plan.space, data.name, data.features
    if data.target_names and space.score is None:
        raise InputError(
            f"{name}: holds numbers to be learned ({', '.join(data.target_names)}), and no classes. They are for a "
            "trainer of your own and a Score that judges it (docs/your_own.md)."
        )
    if space.score is not None and space.score.over == CONCORDANCE and not data.target_names:
        raise InputError(f"{name}: holds classes, and the space {space.name} is judged by a concordance of numbers.")
    if holds is None:
        return
    if space.brought is None:
        raise InputError(
            f"{name}: holds {holds}. The paper's network takes images, uint8 (n, height, width) or (n, height, "
            "width, 3); features are for a network or trainer of your own (docs/your_own.md)."
        )
    if space.network is not None and holds.dtype == TEXT:
        raise InputError(f"{name}: holds texts, which no network takes. Bring a trainer (docs/your_own.md).")
    for setting, value in AS_GIVEN.items():
        of_images = f"{name}: holds {holds}; {setting} is of images"
        if any(setting in arm.values or setting in space.tuned_in(arm) for arm in plan.arms):
            raise InputError(f"{of_images}, but the space {space.name} varies it.")
        if (given := plan.base.flat().get(setting, value)) != value:
            raise InputError(
                f"{of_images}, but set to {given}. Fix it to {value} in the space {space.name}, or by --set "
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
