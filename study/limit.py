"""What a time limit leaves of a plan, before anything has run."""

from study.cost import Cost
from study.deadline import Deadline
from study.plan import Plan


def limit_text(plan: Plan, cost: Cost, seconds: float) -> str:
    """A line that says whether the search fits into so many seconds beside its confirmation, and if not, how much."""
    minutes = seconds / 60
    kept = Deadline.MARGIN * cost.confirm_minutes
    left = minutes - cost.fixed_minutes - kept
    several = plan.searches > 1
    if left >= cost.search_minutes and not several:
        return f"time limit: {duration(seconds)} is enough"
    if left < cost.search_minutes / 10:
        return (
            f"time limit: {duration(seconds)} leaves no time to search: the confirmation is kept "
            f"{duration(60 * kept)}; fewer --seeds or --epochs, or a longer limit"
        )
    if left < cost.search_minutes:
        whose = "the first search" if several else "the search"
        return (
            f"time limit: the confirmation is kept {duration(60 * kept)}, which leaves {whose} "
            f"{duration(60 * left)} of the {duration(60 * cost.search_minutes)} that it takes if no trial stops early"
        )
    each = cost.search_minutes + kept + cost.fixed_minutes / (plan.folds or plan.searches)
    done = min(plan.searches, int(minutes / each))
    kind = "searches" if plan.folds is None else "folds"
    if done == plan.searches:
        return f"time limit: {duration(seconds)} is enough"
    return f"time limit: enough for about {done} of the {plan.searches} {kind}, if no trial stops early"


def duration(seconds: float) -> str:
    """In a unit in which it is a number that one can grasp."""
    for unit, length in {"days": 86_400, "hours": 3600, "minutes": 60}.items():
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return "1 second" if round(seconds) == 1 else f"{seconds:.0f} seconds"
