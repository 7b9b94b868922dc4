"""What a time limit leaves of a plan, before anything has run."""

from study.plan import Plan
from study.planning.cost import Cost
from study.search.deadline import Deadline


def limit_text(plan: Plan, cost: Cost, seconds: float) -> str:
    """A line that says whether the search fits into so many seconds beside its confirmation, and if not, how much."""
    guessed = "" if cost.measured else " (by the speed of a usual machine)"
    return f"time limit: {_left(plan, cost, seconds)}{guessed}"


def _left(plan: Plan, cost: Cost, seconds: float) -> str:
    minutes, several = seconds / 60, plan.searches > 1
    kept = Deadline.MARGIN * cost.confirm_minutes
    left = minutes - cost.fixed_minutes - kept
    if left < cost.search_minutes / 10:
        return (
            f"{duration(seconds)} leaves no time to search: the confirmation is kept {duration(60 * kept)}; "
            "fewer --seeds or --epochs, or a longer limit"
        )
    if left < cost.search_minutes:
        whose = "the first search" if several else "the search"
        return (
            f"the confirmation is kept {duration(60 * kept)}, which leaves {whose} {duration(60 * left)} of the "
            f"{duration(60 * cost.search_minutes)} that it takes if no trial stops early"
        )
    each = cost.search_minutes + kept + cost.fixed_minutes / (plan.folds or plan.searches)
    done = int(minutes / each)
    if several and done < plan.searches:
        kind = "searches" if plan.folds is None else "folds"
        return f"enough for about {done} of the {plan.searches} {kind}, if no trial stops early"
    return f"{duration(seconds)} is enough"


def duration(seconds: float) -> str:
    """In a unit in which it is a number that one can grasp."""
    for unit, length in {"days": 86_400, "hours": 3600, "minutes": 60}.items():
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return "1 second" if round(seconds) == 1 else f"{seconds:.0f} seconds"
