"""How `--dry-run` shows a plan."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from fer_core.data.sources import Source
from fer_core.features import learned_text, noun, seen_as
from study.cluster.machines import Cluster
from study.plan import Plan
from study.planning.cost import FER2013, Cost, Images, estimate
from study.planning.limit import duration, limit_text
from study.planning.power import detectable, luck_of

if TYPE_CHECKING:
    from study.planning.left import Left


def print_plan(
    console: Console,
    plan: Plan,
    cluster: Cluster,
    source: Source,
    images: Images | None,
    limit: float | None = None,
    left: "Left | None" = None,
) -> None:
    """Print what `plan` would run on `cluster`. images: how many there are, None where that is not known. limit: of
    time, in seconds. left: what is yet to run of a study that has begun.
    """
    space, config = plan.space, plan.base
    console.print(f"{space.name}: {space.question}", soft_wrap=True)
    console.print(
        f"data: {source.text} ({source.reason}), protocol {', '.join(plan.protocols)}, budget {plan.budget}",
        soft_wrap=True,
    )
    table = Table()
    table.add_column("arm")
    table.add_column("tuned in it", overflow="fold")
    for heading in ("fixed", "search", "confirm"):
        table.add_column(heading, justify="right")
    fixed = [spec.arm for spec in plan.fixed_trials()]
    for arm in plan.arms:
        tuned = "; ".join(f"{name} {parameter}" for name, parameter in space.tuned_in(arm).items())
        trials = (str(fixed.count(arm.name)), _times(plan, plan.trials_in(arm)), _times(plan, plan.seeds))
        table.add_row(arm.name, tuned or "nothing", *trials)
    console.print(table)
    for name, earlier in plan.same_arms().items():
        console.print(f"{name} is the same as {earlier} at this budget", soft_wrap=True)
    console.print(f"{plan.trial_count} trials of at most {plan.epochs} epochs; {_search_text(plan)}", soft_wrap=True)
    for text in [] if left is None else left.texts:
        console.print(text, soft_wrap=True)
    data = config.data
    features = None if images is None else images.features
    each = noun(features)
    counts = (
        f"{_count(data.train_images)} train, {_count(data.val_images)} validate"
        if images is None
        else f"{_of(data.train_images, images.train, each)} train, {_of(data.val_images, images.validate, each)} "
        f"validate, {images.tested:,} are tested{_turns(plan)}, {learned_text(images.classes, images.targets)}"
    )
    seen = seen_as(features, plan.forms)
    console.print(f"{each}s: {counts}, {seen}; {_network(plan)}, seed {plan.seed}", soft_wrap=True)
    console.print(
        f"cluster: {cluster.cpus:g} CPUs, {cluster.gpus:g} GPUs; a trial gets {cluster.cpus_per_trial:g} CPU"
        f" and {cluster.gpus_per_trial:g} GPU, so {cluster.slots} run at a time",
        soft_wrap=True,
    )
    cost = estimate(plan, cluster, images or FER2013, left)
    console.print(_cost_text(plan, cost), soft_wrap=True)
    if limit is not None and cost is not None and left is None:
        console.print(limit_text(plan, cost, limit), soft_wrap=True)
    if _luck_is_known(plan, source):
        console.print(_power_text(plan, (images or FER2013).tested, left.looks if left else 1), soft_wrap=True)


def plan_record(
    plan: Plan, cluster: Cluster, source: Source, images: Images | None, left: "Left | None" = None
) -> dict[str, Any]:
    """What `print_plan` shows, for a program."""
    fixed = [spec.arm for spec in plan.fixed_trials()]
    cost, tested = estimate(plan, cluster, images or FER2013, left), (images or FER2013).tested
    looks = left.looks if left else 1
    return {
        "space": plan.space.name,
        "question": plan.space.question,
        "measure": plan.space.judged_by,
        "data": source.text,
        "protocols": list(plan.protocols),
        "budget": plan.budget,
        "seed": plan.seed,
        "epochs": plan.epochs,
        "window": plan.window,
        "rungs": list(plan.rungs),
        "sampler": plan.sampler,
        "scheduler": plan.scheduler,
        "searches": plan.searches,
        "settings": plan.base.flat(),
        "images": None if images is None else asdict(images),
        "forms": [asdict(form) for form in plan.forms],
        "arms": [
            {
                "arm": arm.name,
                "values": dict(arm.values),
                "tuned": {name: str(parameter) for name, parameter in plan.space.tuned_in(arm).items()},
                "fixed": fixed.count(arm.name),
                "search": plan.searches * plan.trials_in(arm),
                "confirm": plan.searches * plan.seeds,
            }
            for arm in plan.arms
        ],
        "trials": plan.trial_count,
        "left": None if left is None else left.counts,
        "cluster": {**asdict(cluster), "slots": cluster.slots},
        "cost": None if cost is None else asdict(cost),
        "detectable": detectable(plan, luck_of(plan), tested, looks) if _luck_is_known(plan, source) else None,
    }


def _luck_is_known(plan: Plan, source: Source) -> bool:
    """Whether it is, by FER2013's: drawn faces have a luck of their own, and so has every score."""
    return source.path is not None and plan.space.score is None


def _search_text(plan: Plan) -> str:
    if not plan.tunes:
        return f"nothing is tuned{_repeats(plan)}"
    stops = f", compared within their arm after {', '.join(map(str, plan.rungs))} epochs" if plan.rungs else ""
    points = f"{plan.window} starting points shared by the arms"
    return f"search by {plan.sampler}, {plan.scheduler}{stops}; {points}{_repeats(plan)}"


def _repeats(plan: Plan) -> str:
    if plan.folds is not None:
        before = "a search and training" if plan.tunes else "training"
        return f"; {plan.folds} folds, each tested after {before} on the others"
    return f"; {plan.searches} searches of every arm, each winner confirmed" if plan.searches > 1 else ""


def _turns(plan: Plan) -> str:
    return f" in the first of {plan.folds} turns" if plan.folds else ""


def _times(plan: Plan, trials: int) -> str:
    return f"{plan.searches} x {trials}" if plan.searches > 1 and trials else str(trials)


def _cost_text(plan: Plan, cost: Cost | None) -> str:
    if cost is None and plan.space.brought is not None:
        return f"time: not known until {plan.space.brought.__name__} has run here once"
    if cost is None:
        return "time: not known on these GPUs; --calibrate measures it"
    source = "as measured here" if cost.measured else "on a usual machine; --calibrate measures this one"
    work, wall = duration(3600 * cost.trial_hours), duration(60 * cost.minutes)
    return f"time: about {wall}, {work} of trials, if none stops early ({source})"


def _power_text(plan: Plan, tested: int, looks: int) -> str:
    luck = luck_of(plan)
    smallest = detectable(plan, luck, tested, looks)
    if smallest is None:
        return "could see: no difference; that takes two arms, and two seeds or searches"
    several, tuned = plan.searches > 1, plan.tunes
    between = "two arms" if several or not tuned else "the winners of two arms"
    moved = f"seeds move it by {100 * luck.seed:.1f}"
    moved += f" and searches by {100 * luck.search:.1f}" if several else ""
    whose = "" if plan.space.brought is None else "with the paper's network "
    hint = "; --searches counts the luck of a search, too" if tuned and not several else ""
    return (
        f"could see: a difference of {100 * smallest:.1f} points between {between}, in four of five cases, "
        f"if {moved} points as {whose}on FER2013 {luck.scale}{hint}"
    )


def _network(plan: Plan) -> str:
    if plan.space.trainer is not None:
        return f"trained by {plan.space.trainer.__name__}"
    if plan.space.network is not None:
        return f"network {plan.space.network.__name__}"
    name = "model.width"
    tuned = plan.space.nuisance.get(name)
    return f"network width {plan.base.model.width:g}" if tuned is None else f"network width {tuned}"


def _of(wanted: int | None, there: int, each: str) -> str:
    all_of_them = wanted is None or wanted >= there
    return f"all {there:,} {each}s" if all_of_them else f"{wanted:,} of {there:,} {each}s"


def _count(images: int | None) -> str:
    return "all images" if images is None else f"{images:,} images"
