"""How `--dry-run` shows a plan."""

from rich.console import Console
from rich.table import Table

from fer_core.data.sources import Source
from study.cluster import Cluster
from study.plan import Plan

# Seconds an image on one core of a server CPU, as measured: what does not depend on the width, and what grows
# with its square. An image of the validation costs a third. On a GPU nothing has been measured yet.
SECONDS_AN_IMAGE, SECONDS_AN_IMAGE_AT_FULL_WIDTH = 0.002, 0.025
SECONDS_A_TRIAL = 6.0  # building and compiling the network
FER2013_TRAINING, FER2013_VALIDATION = 28_709, 3_589


def print_plan(console: Console, plan: Plan, cluster: Cluster, source: Source) -> None:
    """Print what `plan` would run on `cluster`."""
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
        trials = (fixed.count(arm.name), plan.trials_in(arm), plan.seeds)
        table.add_row(arm.name, tuned or "nothing", *map(str, trials))
    console.print(table)
    stops = f", compared within their arm after epochs {', '.join(map(str, plan.rungs))}" if plan.rungs else ""
    console.print(
        f"{plan.trial_count} trials of at most {plan.epochs} epochs; search by {plan.sampler}, "
        f"{plan.scheduler}{stops}; {plan.generation} starting points shared by the arms",
        soft_wrap=True,
    )
    console.print(
        f"images: {_count(config.data.train_images)} train, {_count(config.data.val_images)} validate; "
        f"network width {config.model.width:g}, seed {plan.seed}",
        soft_wrap=True,
    )
    console.print(
        f"cluster: {cluster.cpus:g} CPUs, {cluster.gpus:g} GPUs; a trial gets {cluster.cpus_per_trial:g} CPU"
        f" and {cluster.gpus_per_trial:g} GPU, so {cluster.slots} run at a time",
        soft_wrap=True,
    )
    if cluster.gpus_per_trial:
        console.print("time: not estimated on GPUs yet")
    else:
        hours = _core_hours(plan)
        console.print(
            f"time: about {hours:.2g} trial-hours, {60 * hours / cluster.slots:.2g} minutes, if none stops early"
        )


def _count(images: int | None) -> str:
    return "all images" if images is None else f"{images:,} images"


def _core_hours(plan: Plan) -> float:
    """On one core a trial; data sets of unknown size are taken for FER2013."""
    data = plan.base.data
    images = (data.train_images or FER2013_TRAINING) + (data.val_images or FER2013_VALIDATION) / 3
    an_image = SECONDS_AN_IMAGE + SECONDS_AN_IMAGE_AT_FULL_WIDTH * plan.base.model.width**2
    return (plan.most_epochs * images * an_image + plan.trial_count * SECONDS_A_TRIAL) / 3600
