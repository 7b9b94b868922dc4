"""`--dry-run`: what a study would be, without making one."""

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fer_core.data.sources import Source, list_images
from fer_core.errors import InputError
from search_spaces.score import SCORE
from search_spaces.space import Space
from study.arguments import asked_cluster, automatic_budget, judged_record, on_gpus, plan_arguments
from study.cluster.machines import this_machine, usable
from study.plan import Plan, make_plan
from study.planning.cost import Images
from study.planning.elsewhere import expected, expected_text
from study.planning.inputs import check_inputs
from study.planning.votes import as_needed, check_source
from study.records.folder import ALSO_TESTED, IDENTITY, MARGIN, check_same_study
from study.records.place import Place

if TYPE_CHECKING:
    from fer_core.data.dataset import Listing
    from study.planning.left import Left


def dry_run(
    options: argparse.Namespace,
    space: Space,
    source: Source,
    others: Mapping[str, Source],
    place: Place | None = None,
    before: Mapping[str, Any] | None = None,
) -> int:
    """Print the plan of the arguments; the exit status. Raises InputError.

    others: data that would be tested, too. before: the record of the study at `place`, which `--resume` goes on with.
    """
    from rich.console import Console

    from study.planning.plan_table import plan_record, print_plan

    if options.address is None:
        cpus, gpus = usable([this_machine()], on_gpus(options))
    else:
        from study.cluster.connection import connected

        with connected(options.address, on_gpus(options)) as (cpus, gpus):
            pass
    listing = list_images(source)
    protocol = options.protocol or _default_protocol(listing)
    if not options.resume:
        before = None
    budget = automatic_budget(gpus) if before is None else before["budget"]
    window = None if before is None else before.get("window")  # a study without one is refused below
    plan = make_plan(space, **plan_arguments(options, source, protocol, budget), window=window)
    check_source(plan, source)
    if listing is not None:
        check_inputs(plan, listing)
    images = None if listing is None else _images(as_needed(plan, listing), plan)
    elsewhere = {name: expected(other, listing) for name, other in others.items()}
    cluster = asked_cluster(options, cpus, gpus)
    left = None if place is None or before is None else _left(options, plan, place, before, list(others))
    if options.calibrate and plan.space.brought is not None:
        raise InputError(f"--calibrate: what {plan.space.brought.__name__} takes is known after a first study here.")
    if options.calibrate:
        from study.planning.calibrate import calibrate

        with Console(stderr=True).status("measuring this machine"):
            calibrate(plan, cluster)
    if options.json:
        print(json.dumps(plan_record(plan, cluster, source, images, left) | {"also_tested": elsewhere}, indent=2))
        return 0
    console = Console(highlight=False, markup=False, emoji=False)
    print_plan(console, plan, cluster, source, images, options.time_limit, left)
    for name, counts in elsewhere.items():
        console.print(expected_text(name, counts), soft_wrap=True)
    if gpus and options.gpus_per_trial is None:
        print(_sharing_text(plan))
    return 0


def _left(
    options: argparse.Namespace, plan: Plan, place: Place, before: Mapping[str, Any], others: Sequence[str]
) -> "Left":
    """What is left of the study. Raises InputError if it is another one than this plan's."""
    from fer_core.data.protocols import choosing_folds
    from study.planning.left import what_is_left

    now = {name: before.get(name) for name in (*IDENTITY, ALSO_TESTED)}  # of the images nothing is known yet
    now |= {
        "space": plan.space.name,
        SCORE: None,
        MARGIN: None,
        **judged_record(options, plan.space),
        "protocol": ", ".join(plan.protocols),
        "choosing_folds": choosing_folds(plan.folds or 1),
        "seed": plan.seed,
    }
    check_same_study(before, {**now, "settings": plan.base.flat()}, place.folder)
    return what_is_left(plan, place, before, others, options.retry_failed)


def _default_protocol(listing: "Listing | None") -> str:
    """That of the data where it is known before it is decoded; else it is taken for FER2013."""
    if listing is None:
        return "challenge"
    from fer_core.data.protocols import default_protocol

    return default_protocol(listing)


def _images(listing: "Listing", plan: Plan) -> Images:
    from fer_core.data.protocols import images_by_part

    view = plan.views[0]
    counts = images_by_part(listing, view.protocol, view.fold)
    classes, features, targets = len(listing.classes), listing.features, listing.target_names
    return Images(**counts, classes=classes, features=features, targets=targets)


def _sharing_text(plan: Plan) -> str:
    if plan.space.trainer is not None:
        return "A trainer of your own gets a whole GPU; with --gpus-per-trial 0.5 two share one."
    return "The study measures at its start whether several trials fit on one GPU; then more run at a time."
