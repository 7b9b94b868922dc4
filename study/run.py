"""`python -m study.run`: plan a study, run it, close with its table.

Modules that take long to import (Ray, pandas, Keras on the workers) are imported where they are first needed,
so that `--help`, a plan or a wrong argument are answered at once.
"""

import argparse
import importlib
import os
import shlex
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from fer_core.command_line import run_command
from fer_core.data.sources import find_source
from fer_core.errors import InputError
from fer_core.size import parameters
from search_spaces.catalogue import load_space
from search_spaces.space import PROTOCOL, Space
from study.arguments import (
    asked_cluster,
    automatic_budget,
    check_packages,
    judged_record,
    make_parser,
    on_gpus,
    plan_arguments,
    remembered,
    resume_command,
    study_before,
)
from study.cluster.machines import Cluster, keep_ray_private, this_machine, usable
from study.plan import Plan, TrialSpec, make_plan
from study.planning.cost import Images, estimate, learn_from_study
from study.planning.dry_run import dry_run
from study.planning.elsewhere import find_others, later_text
from study.planning.material import Material, read_material
from study.planning.other_python import check_script, script_record
from study.planning.votes import check_source
from study.records.find_place import find_place
from study.records.folder import (
    CHANGED_CODE,
    ENDED,
    JOURNAL,
    OTHER_NETWORKS,
    check_same_study,
    code_record,
    default_folder,
    environment_record,
    locked,
    now,
    read_study,
    space_record,
    write_study,
)
from study.records.place import Place
from study.search.deadline import Deadline
from study.search.selection import COUNTED_EPOCHS
from study.watching.logs import watchers
from study.watching.watcher import Watcher

if TYPE_CHECKING:
    from rich.console import Console

    from study.engine import Engine
    from study.records.tables import Tables


def main(arguments: list[str] | None = None) -> int:
    options = make_parser().parse_args(arguments)
    place = find_place(options.out) if options.out else None
    before = study_before(options, place)
    source, others = find_source(options.data, options.labels, options.subjects), find_others(options.also_test)
    space = load_space(options.space)
    if options.measure:
        space = _judged_by(space, options.measure)
    if space.score is not None and others:
        raise InputError(f"--also-test: other data is tested by its classes; {space.name} is judged by a score.")
    check_packages(options)
    if options.protocol and PROTOCOL in space.scientific:
        given = f"--folds {options.folds}" if options.folds else f"--protocol {options.protocol}"
        raise InputError(f"{given}: the space {space.name} compares protocols itself.")
    if options.dry_run:
        return dry_run(options, space, source, others, place, before)
    # What can be refused is refused here, before anything slow starts or is written.
    plan = make_plan(space, **plan_arguments(options, source, options.protocol or "challenge", "quick"))
    check_source(plan, source)
    if options.address is None:
        check_script(space)
        asked_cluster(options, *usable([this_machine()], on_gpus(options)))

    from study.watching.display import make_console

    console = make_console()
    material = read_material(options, plan, source, others, console)
    if place is None:
        place = find_place(str(default_folder(space.name, material.data.name).resolve()))
    return _run(options, console, space, material, place, before)


def _judged_by(space: Space, measure: str) -> Space:
    if space.score is not None:
        raise InputError(f"--measure {measure}: the space {space.name} is judged by its own score.")
    return replace(space, measure=measure)


def _measured_share(console: "Console", plan: Plan, material: Material, cpus_a_gpu: float) -> float | None:
    """Which share of a GPU a trial of the largest network gets, None if that cannot be measured.

    It is measured on a few images like those of the material, of which all will be there.
    """
    from study.cluster.runner import gpu_need
    from study.cluster.sharing import share

    configs = [plan.arm_config(arm, {}) for arm in plan.arms]
    if plan.space.network is None:
        configs = [max(configs, key=lambda config: (config.data.side, parameters(config)))]
    with console.status("measuring what a trial needs of a GPU"):
        needs = [gpu_need(config, plan.space.network, material.data.features) for config in configs]
    need = max((need for need in needs if need is not None), key=lambda need: need.peak, default=None)
    if need is None:
        return None
    need = replace(need, peak=need.peak + material.largest_bytes)
    found = share(need, cpus_a_gpu)
    console.print(
        f"a trial takes {need.peak / 2**30:.2f} of the {need.total / 2**30:.0f} GiB of a GPU and gets {found:g} of it"
    )
    return found


def _run(
    options: argparse.Namespace,
    console: "Console",
    space: Space,
    material: Material,
    place: Place,
    before: dict[str, Any] | None,
) -> int:
    if options.address is None:
        keep_ray_private()
    from study.cluster.connection import connected

    place = place.for_driver()
    folder = place.folder
    judged_by = judged_record(options, space)
    identity = {"space": space.name, **judged_by, **material.identity(), "seed": options.seed or 0}
    if before is not None:
        check_same_study(before, identity, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise InputError(f"--out {folder}: cannot be made ({problem.strerror}).") from None
    with locked(folder), place.leased():
        if before is None and read_study(folder) is not None:
            raise InputError(f"--out {place.name}: a study has been begun there meanwhile.")
        console.print(f"study: {place.name}", soft_wrap=True)
        # Needed once Ray has started, which mostly waits. Nothing of Ray's: its start imports parts of itself, too.
        threading.Thread(target=importlib.import_module, args=("study.engine",), daemon=True).start()
        with connected(options.address, on_gpus(options)) as (cpus, gpus):
            from study.analysis.looks import LOOKS, looks_before, looks_text

            budget = before["budget"] if before and options.budget in (None, "auto") else automatic_budget(gpus)
            plan = make_plan(
                space,
                **plan_arguments(options, material.source, material.protocol, budget),
                window=before["window"] if before else None,
            )
            share = None
            if gpus and options.gpus_per_trial is None and space.trainer is None:
                share = _measured_share(console, plan, material, cpus / gpus)
            cluster = asked_cluster(options, cpus, gpus, share)
            if options.time_limit is not None and before is None:
                _print_limit(console, plan, cluster, material.images, options.time_limit)
            code = code_record(space, before)
            if len(code) > 1:
                console.print(f"note: {CHANGED_CODE}. The trials so far are kept.", soft_wrap=True)
            looks = looks_before(before, plan, folder)
            record = {
                **identity,
                **space_record(space),
                **judged_by,
                "code": code,
                "script": script_record(space),
                "budget": plan.budget,
                "window": plan.window,
                "stops": plan.stops,
                "trials": plan.trials,
                "searches": plan.searches,
                "seeds": plan.seeds,
                LOOKS: looks,
                **material.record(),
                "settings": plan.base.flat(),
                "arguments": remembered(options) | material.arguments(),
                OTHER_NETWORKS: before.get(OTHER_NETWORKS, {}) if before else {},
                **environment_record(),
                "devices": {"cpus": cluster.cpus, "gpus": cluster.gpus, "slots": cluster.slots},
                "start": before["start"] if before else now(),
                "end": None,
                "status": "running",
            }
            if before is not None:
                check_same_study(before, record, folder)
                if looks != before.get(LOOKS, []):
                    console.print(f"note: {looks_text(looks)}", soft_wrap=True)
            write_study(folder, record)
            place.send()
            status = "failed"
            try:
                lost = partial(_end_at_once, console, options, place, record)
                status = _run_plan(console, plan, cluster, material, place, options, Recorder(folder, record), lost)
            except KeyboardInterrupt:  # outside of Ray Tune, which has its own way to end at SIGINT
                status = "interrupted"
            finally:
                status = _write_end(place, {**record, "status": status, "end": now()})
            if status in ENDED:
                _close(console, folder)
    if status in ("interrupted", "out of time"):
        console.print(f"{status}; every finished trial is kept. To go on:", soft_wrap=True)
        console.print(resume_command(options, place.name), soft_wrap=True)
    if status == "interrupted":
        return 130
    console.print(f"figures and tables: {shlex.join(['python', '-m', 'study.report', place.name])}", soft_wrap=True)
    console.print(f"results: {place.name}", soft_wrap=True)
    return 1 if status == "failed" else 0


def _print_limit(console: "Console", plan: Plan, cluster: Cluster, images: Images, seconds: float) -> None:
    from study.planning.limit import limit_text

    cost = estimate(plan, cluster, images)
    if cost is not None:
        console.print(limit_text(plan, cost, seconds), soft_wrap=True)


class Recorder(Watcher):
    """Keeps in the study's `record` how much of a search counts that a time limit has ended, and which trials were
    trained again to other networks.
    """

    def __init__(self, folder: Path, record: dict[str, Any]) -> None:
        self._folder, self._record = folder, record

    def on_cut(self, counted: Mapping[str, int]) -> None:
        self._record[COUNTED_EPOCHS] = dict(counted)
        write_study(self._folder, self._record)

    def on_tested(self, spec: TrialSpec, names: Sequence[str], *, as_before: bool, error: str | None) -> None:
        if as_before:
            return
        for name in names:
            self._record[OTHER_NETWORKS].setdefault(name, []).append(spec.trial)
        write_study(self._folder, self._record)


def _end_at_once(
    console: "Console", options: argparse.Namespace, place: Place, record: dict[str, Any], reason: str
) -> NoReturn:
    """End the process where Ray would soon do so: its main thread may hang in Ray. What was recorded is on disk."""
    console.show_cursor()
    _print_failure(reason, options, place)
    _write_end(place, {**record, "status": "failed", "end": now()})
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _print_failure(problem: object, options: argparse.Namespace, place: Place) -> None:
    print(f"error: {str(problem).rstrip('.')}. Every finished trial is kept. To go on:", file=sys.stderr)
    print(resume_command(options, place.name), file=sys.stderr)


def _write_end(place: Place, record: dict[str, Any]) -> str:
    """Write how the study ended; `failed` where even that cannot be written."""
    try:
        write_study(place.folder, record)
        place.send()
    except OSError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return "failed"
    return record["status"]


def _run_plan(
    console: "Console",
    plan: Plan,
    cluster: Cluster,
    material: Material,
    place: Place,
    options: argparse.Namespace,
    recorder: Watcher,
    lost: Callable[[str], object],
) -> str:
    """Run what is missing of `plan`. Returns the study's status.

    recorder: hears what happens, too. lost: what to do, from another thread, when the cluster's head is gone.
    """
    from study.cluster.runner import run_trials
    from study.engine import Engine, StudyFailedError
    from study.records.mending import mend
    from study.search.sampler import Sampler
    from study.watching.display import Display

    folder, say = place.folder, partial(console.print, soft_wrap=True)
    deadline = None if options.time_limit is None else Deadline(options.time_limit, cluster.slots)
    try:
        for text in mend(folder):
            console.print(text, soft_wrap=True)
        with (
            closing(_tables(place, plan, material, options.retry_failed, say)) as tables,
            Display(console, plan, cluster.slots, tables.done()) as display,
            watchers(options.log, plan.space.name, folder, say) as others,
        ):
            engine = Engine(plan, Sampler(plan, folder / JOURNAL), tables, [display, recorder, *others], deadline)
            if not engine.finished:
                seconds = None if deadline is None else deadline.left
                run_trials(
                    engine,
                    cluster,
                    material.parts,
                    place,
                    seconds=seconds,
                    stalled_after=options.stalled_after,
                    lost=lost,
                    say=say,
                    keep_all=options.keep_networks == "all",
                )
    except (StudyFailedError, OSError) as problem:
        _print_failure(problem, options, place)
        if isinstance(problem, StudyFailedError) and plan.space.brought is not None:
            print("A search keeps its failed trials: if its code was wrong, begin a new study.", file=sys.stderr)
        return "failed"
    learn_from_study(plan, tables.trials(), tables.all_epochs(), material.sizes, cluster)
    status = ended_as(engine, deadline)
    failed = tables.trials().query("status == 'failed' and phase != 'search'")
    if len(failed):
        say(f"note: {len(failed)} fixed or confirm trials failed; --resume --retry-failed tries them again.")
    return status


def _tables(place: Place, plan: Plan, material: Material, retry: bool, say: Callable[[str], object]) -> "Tables":
    """The study's tables; retry: without those of its failed trials that can be trained again."""
    from study.planning.left import without_network
    from study.records.tables import Tables

    tables = Tables(place.folder, plan.space.columns, material.classes, list(material.others))
    if lacking := tables.all_lacking():
        say(later_text(lacking, len(without_network(lacking, plan, place))))
    if retry:
        say(f"failed trials that are tried again: {tables.forget_failed()}")
    return tables


def ended_as(engine: "Engine", deadline: Deadline | None) -> str:
    """The status of a study whose run has ended without a failure. A search cut short is not yet the end."""
    if engine.finished:
        return "out of time" if engine.search_cut else "complete"
    return "interrupted" if deadline is None or deadline.left else "out of time"


def _close(console: "Console", folder: Path) -> None:
    from study.analysis.findings import find
    from study.report.summary import print_summary

    for found in find([folder]):
        print_summary(console, found)


if __name__ == "__main__":
    run_command(main)
