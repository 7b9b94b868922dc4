"""Whether a study trains towards its annotators' votes, and whether its data has them."""

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from fer_core.data.sources import Source
from fer_core.errors import InputError
from study.plan import Plan

if TYPE_CHECKING:
    from fer_core.data.dataset import Dataset, Listing

Data = TypeVar("Data", "Dataset", "Listing")


def check_source(plan: Plan, source: Source) -> None:
    """Raises InputError if the plan needs label distributions that such a source never has."""
    plain = source.path is not None and source.labels is None and source.path.suffix != ".npz"
    if plain and plan.needs_distributions:
        raise _missing(plan, source.text)


def as_needed(plan: Plan, data: Data) -> Data:
    """`data` with its label distributions if the plan needs them: else they make no other data of it.

    Raises InputError where they are needed, and there are none.
    """
    if not plan.needs_distributions:
        return replace(data, distributions=None)
    if data.distributions is None:
        raise _missing(plan, data.name)
    return data


def _missing(plan: Plan, name: str) -> InputError:
    return InputError(
        f"{name}: has no label distributions, which the space {plan.space.name} trains towards (train.targets). "
        "Expected FER+'s votes by --labels, or a .npz file with votes (docs/data.md)."
    )
