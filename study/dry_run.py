"""`--dry-run`: what a study would be, without making one."""

import argparse
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fer_core.data.sources import Source, list_images
from fer_core.errors import InputError
from search_spaces.space import Space
from study.arguments import asked_cluster, automatic_budget, plan_arguments
from study.cluster import this_machine
from study.cost import Images
from study.elsewhere import expected, expected_text
from study.plan import Plan, make_plan
from study.votes import as_needed, check_source

if TYPE_CHECKING:
    from fer_core.data.dataset import Listing


def dry_run(options: argparse.Namespace, space: Space, source: Source, others: Mapping[str, Source]) -> int:
    """Print the plan of the arguments; the exit status. others: data that would be tested, too. Raises InputError."""
    from rich.console import Console

    from study.plan_table import plan_record, print_plan

    if options.address is None:
        cpus, gpus = map(float, this_machine())
    else:
        from study.connection import connected

        with connected(options.address) as (cpus, gpus):
            pass
    listing = list_images(source)
    protocol = options.protocol or _default_protocol(listing)
    plan = make_plan(space, **plan_arguments(options, source, protocol, automatic_budget(gpus)))
    check_source(plan, source)
    images = None if listing is None else _images(as_needed(plan, listing), plan)
    elsewhere = {name: expected(other, listing) for name, other in others.items()}
    cluster = asked_cluster(options, cpus, gpus)
    if options.calibrate and plan.space.brought is not None:
        raise InputError(f"--calibrate: what {plan.space.brought.__name__} takes is known after a first study here.")
    if options.calibrate:
        from study.calibrate import calibrate

        with Console(stderr=True).status("measuring this machine"):
            calibrate(plan, cluster)
    if options.json:
        print(json.dumps(plan_record(plan, cluster, source, images) | {"also_tested": elsewhere}, indent=2))
        return 0
    console = Console(highlight=False, markup=False, emoji=False)
    print_plan(console, plan, cluster, source, images, options.time_limit)
    for name, counts in elsewhere.items():
        console.print(expected_text(name, counts), soft_wrap=True)
    if gpus and options.gpus_per_trial is None:
        print(_sharing_text(plan))
    return 0


def _default_protocol(listing: "Listing | None") -> str:
    """That of the data where it is known before it is decoded; else it is taken for FER2013."""
    if listing is None:
        return "challenge"
    from fer_core.data.protocols import default_protocol

    return default_protocol(listing)


def _images(listing: "Listing", plan: Plan) -> Images:
    from fer_core.data.protocols import images_by_part

    view = plan.views[0]
    return Images(**images_by_part(listing, view.protocol, view.fold), classes=len(listing.classes))


def _sharing_text(plan: Plan) -> str:
    if plan.space.trainer is not None:
        return "A trainer of your own gets a whole GPU; with --gpus-per-trial 0.5 two share one."
    return "The study measures at its start whether several trials fit on one GPU; then more run at a time."
