"""`python -m study.run`: plan a study, run it, close with its table.

Modules that take long to import (Ray, pandas, Keras on the workers) are imported where they are first needed,
so that `--help`, a plan or a wrong argument are answered at once.
"""

import argparse
import json
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_core.command_line import Parser, at_least, duration, positive, run_command
from fer_core.config import TrialConfig
from fer_core.data.sources import SYNTHETIC, Source, find_source
from fer_core.errors import InputError
from search_spaces.catalogue import load_space, space_names
from search_spaces.space import PROTOCOL
from study.cluster import Cluster, share_out, this_machine
from study.cost import learn_from_study
from study.deadline import Deadline
from study.export import read_configuration
from study.folder import (
    JOURNAL,
    check_same_study,
    default_folder,
    environment_record,
    locked,
    now,
    read_study,
    write_study,
)
from study.logs import LOGS, check_logs, watchers
from study.plan import BUDGETS, Plan, make_plan

if TYPE_CHECKING:
    from rich.console import Console

    from fer_core.data.dataset import Dataset
    from fer_core.data.protocols import Learning, Testing

    Parts = dict[str, tuple[Learning, Testing]]  # the images of every protocol

EXAMPLES = """examples:
  python -m study.run --space se_placement                      a first study, on the embedded faces
  python -m study.run --space se_placement --data fer2013.csv   the same on FER2013
  python -m study.run --space se_placement --dry-run            what would run, and for how long
  python -m study.run --space se_placement --set model.width=0.5 --trials 8 --seeds 5
  python -m study.run --resume --out results/NAME               go on with a study that was interrupted
  python -m study.run --space se_placement --address auto --budget standard --data /shared/fer2013.parquet

Exit status: 0 done, 1 the study failed, 2 the command or its input is wrong, 130 interrupted."""

# Arguments that a resumed study takes from its record where the command does not give them.
REMEMBERED = (
    "space",
    "data",
    "protocol",
    "budget",
    "trials",
    "epochs",
    "seeds",
    "seed",
    "sampler",
    "scheduler",
    "set",
    "fixed",
)


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    folder = Path(options.out) if options.out else None
    before = _study_before(options, folder)
    source = find_source(options.data)
    space = load_space(options.space)
    _check_packages(options)
    if options.protocol and PROTOCOL in space.scientific:
        raise InputError(f"--protocol {options.protocol}: the space {space.name} compares protocols itself.")
    if options.dry_run:
        return _dry_run(options, source)
    # What can be refused is refused here, before anything slow starts or is written.
    make_plan(space, **_plan_arguments(options, source, options.protocol or "challenge", "quick")).fixed_trials()
    if options.address is None:
        _make_cluster(options, *map(float, this_machine()))

    from fer_core.data.progress import read_with_progress
    from study.display import make_console

    console = make_console()
    console.print(f"data: {source.text} ({source.reason})", soft_wrap=True)
    dataset = read_with_progress(source, console)
    protocol = options.protocol or _default_protocol(dataset)
    counts = ", ".join(f"{count:,} {usage}" for usage, count in dataset.counts().items())
    protocols = ", ".join(space.protocols(protocol))
    console.print(f"      {len(dataset.labels):,} images ({counts}), protocol {protocols}", soft_wrap=True)
    if folder is None:
        folder = default_folder(space.name, dataset.name)
    return _run(options, console, source, dataset, protocol, folder.resolve(), before)


def _parser() -> Parser:
    parser = Parser(
        prog="study.run",
        description="Run a study: tune every arm of a space alike, confirm the winners over fresh seeds, compare.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--space",
        metavar="NAME|FILE.py",
        help=f"the question: {', '.join(space_names())}, or a Python file with SPACE",
    )
    add(
        "--data",
        metavar="PATH",
        help="FER2013 as CSV, parquet or image folder, or 'synthetic' for the embedded faces "
        "(default: the variable FER2013, then data/fer2013*, then the embedded faces)",
    )
    add("--out", metavar="DIR", help="the study's own folder (default: results/<space>-<data>-<time>)")
    add("--resume", action="store_true", help="go on with the study in --out; other arguments are remembered")
    add("--dry-run", action="store_true", help="print the plan with its cost and stop; no study is made")
    add("--json", action="store_true", help="with --dry-run: print it as JSON")
    add("--calibrate", action="store_true", help="with --dry-run: measure this machine for the cost, some 20 s")
    add(
        "--protocol",
        choices=("challenge", "paper", "holdout"),
        help="which images train, choose and are tested "
        "(default: challenge where the data has its marks, else holdout)",
    )
    effort = parser.add_argument_group("effort")
    add = effort.add_argument
    add(
        "--budget",
        choices=("auto", *BUDGETS),
        help="how much to spend (default: auto, which is quick without a GPU, standard with one)",
    )
    add("--trials", type=at_least(1), metavar="N", help="search trials an arm (default: the budget's)")
    add("--epochs", type=at_least(1), metavar="N", help="epochs a trial (default: the budget's)")
    add("--seeds", type=at_least(0), metavar="K", help="confirmation seeds an arm (default: the budget's)")
    add("--seed", type=at_least(0), metavar="N", help="decides every random draw of the study (default: 0)")
    add(
        "--set",
        action="append",
        metavar="NAME=VALUE",
        help="override a fixed setting, such as model.width=0.5; repeatable",
    )
    add(
        "--fixed",
        action="append",
        metavar="FILE",
        help="run a configuration of your own as it is, as study.export writes it; repeatable",
    )
    add(
        "--time-limit",
        type=duration,
        metavar="2h",
        help="end by then: the search gives way in time to the confirmation",
    )
    add(
        "--sampler",
        choices=("random", "qmc", "tpe", "gp"),
        help="how search trials are proposed (default: tpe; gp needs PyTorch)",
    )
    add(
        "--scheduler",
        choices=("none", "asha", "median"),
        help="how they are stopped early, within their arm (default: asha)",
    )
    machines = parser.add_argument_group("machines")
    add = machines.add_argument
    add(
        "--address",
        metavar="ADDR",
        help="a Ray cluster to join, such as auto or HOST:6379 (default: a private one here)",
    )
    add("--cpus-per-trial", type=positive, metavar="X", help="default: 1, or a GPU's share of the CPUs")
    add(
        "--gpus-per-trial",
        type=positive,
        metavar="X",
        help="default: 1 where there are GPUs; fractions share one",
    )
    add("--max-concurrent", type=at_least(1), metavar="N", help="trials at a time (default: as many as fit)")
    watch = parser.add_argument_group("watching")
    watch.add_argument(
        "--log",
        action="append",
        choices=LOGS,
        help="also log to TensorBoard (in the study's folder), MLflow or Weights & Biases; repeatable. "
        "optuna-dashboard opens the study's optuna.log",
    )
    return parser


def _study_before(options: argparse.Namespace, folder: Path | None) -> dict[str, Any] | None:
    """The record of the study to resume, its arguments filled in where the command gives none."""
    before = read_study(folder) if folder else None
    if options.resume and folder is None:
        raise InputError("--resume: name the study's folder with --out.")
    if options.resume and before is None and options.space is None:
        raise InputError(f"--resume: there is no study in {folder}.")
    if before is not None and not options.resume and not options.dry_run:
        raise InputError(
            f"--out {folder}: a study stands there. Add --resume to go on with it, or choose another folder."
        )
    if folder is not None and folder.exists() and not folder.is_dir():
        raise InputError(f"--out {folder}: is a file, expected a folder.")
    # From here on, and in the record, the configurations themselves: their files may change or go.
    options.fixed = [json.dumps(read_configuration(Path(path)).flat()) for path in options.fixed or []] or None
    if before is not None and options.resume:
        for name in REMEMBERED:
            if getattr(options, name) is None:
                setattr(options, name, before["arguments"].get(name))
    if options.space is None:
        raise InputError(f"--space: name the question, one of {', '.join(space_names())}, or a Python file.")
    return before


def _plan_arguments(options: argparse.Namespace, source: Source, protocol: str, automatic: str) -> dict[str, Any]:
    """Arguments of `make_plan`; `automatic` is the budget that `auto` stands for."""
    settings = {}
    for text in options.set or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set {text}: expected NAME=VALUE, such as model.width=0.5.")
        settings[name] = value
    return {
        "budget": automatic if options.budget in (None, "auto") else options.budget,
        "protocol": protocol,
        "data_name": SYNTHETIC if source.path is None else source.name,
        "trials": options.trials,
        "epochs": options.epochs,
        "seeds": options.seeds,
        "seed": options.seed or 0,
        "settings": settings,
        "sampler": options.sampler or "tpe",
        "scheduler": options.scheduler or "asha",
        "own": [TrialConfig.from_flat(json.loads(text)) for text in options.fixed or []],
    }


def _check_packages(options: argparse.Namespace) -> None:
    """Raises InputError if an option needs a package that is not installed."""
    check_logs(options.log)
    if options.sampler == "gp" and find_spec("torch") is None:
        raise InputError("--sampler gp: needs PyTorch, which is not installed (pip install torch).")


def _make_cluster(options: argparse.Namespace, cpus: float, gpus: float) -> Cluster:
    cluster = share_out(
        cpus,
        gpus,
        address=options.address,
        cpus_per_trial=options.cpus_per_trial,
        gpus_per_trial=options.gpus_per_trial,
        max_concurrent=options.max_concurrent,
    )
    if cluster.cpus_per_trial > cpus:
        raise InputError(f"--cpus-per-trial {cluster.cpus_per_trial:g}: the cluster has {cpus:g} CPUs.")
    if cluster.gpus_per_trial > gpus:
        raise InputError(f"--gpus-per-trial {cluster.gpus_per_trial:g}: the cluster has {gpus:g} GPUs.")
    return cluster


def _dry_run(options: argparse.Namespace, source: Source) -> int:
    from rich.console import Console

    from study.plan_table import plan_record, print_plan

    if options.address is None:
        cpus, gpus = map(float, this_machine())
    else:
        from study.runner import connected

        with connected(options.address) as resources:
            cpus, gpus = resources.get("CPU", 0.0), resources.get("GPU", 0.0)
    arguments = _plan_arguments(options, source, options.protocol or "challenge", _automatic_budget(gpus))
    plan = make_plan(load_space(options.space), **arguments)
    cluster = _make_cluster(options, cpus, gpus)
    if options.calibrate:
        from study.calibrate import calibrate

        with Console(stderr=True).status("measuring this machine"):
            calibrate(plan, cluster)
    if options.json:
        print(json.dumps(plan_record(plan, cluster, source), indent=2))
    else:
        print_plan(Console(highlight=False), plan, cluster, source)
    return 0


def _automatic_budget(gpus: float) -> str:
    return "standard" if gpus else "quick"


def _default_protocol(dataset: "Dataset") -> str:
    from fer_core.data.protocols import default_protocol

    return default_protocol(dataset)


def _run(
    options: argparse.Namespace,
    console: "Console",
    source: Source,
    dataset: "Dataset",
    protocol: str,
    folder: Path,
    before: dict[str, Any] | None,
) -> int:
    from fer_core.data.protocols import split
    from study.runner import connected

    space = load_space(options.space)
    protocols = space.protocols(protocol)
    parts = {name: split(dataset, name) for name in protocols}
    identity = {
        "space": space.name,
        "fingerprint": dataset.fingerprint(),
        "protocol": ", ".join(protocols),
        "seed": options.seed or 0,
    }
    if before is not None:
        check_same_study(before, identity, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise InputError(f"--out {folder}: cannot be made ({problem.strerror}).") from None
    with locked(folder):
        console.print(f"study: {folder}", soft_wrap=True)
        with connected(options.address) as resources:
            cpus, gpus = resources.get("CPU", 0.0), resources.get("GPU", 0.0)
            budget = before["budget"] if before and options.budget in (None, "auto") else _automatic_budget(gpus)
            plan = make_plan(
                space,
                **_plan_arguments(options, source, protocol, budget),
                generation=before["generation"] if before else None,
            )
            cluster = _make_cluster(options, cpus, gpus)
            record = {
                **identity,
                "question": space.question,
                "measure": space.measure,
                "budget": plan.budget,
                "generation": plan.generation,
                "data": dataset.name,
                "class_names": _class_names(),
                "arms": [arm.name for arm in plan.arms],
                "settings": plan.base.flat(),
                "arguments": {name: getattr(options, name) for name in REMEMBERED}
                | {"data": source.text, "protocol": protocol if len(protocols) == 1 else None},
                **environment_record(),
                "devices": {"cpus": cluster.cpus, "gpus": cluster.gpus, "slots": cluster.slots},
                "start": before["start"] if before else now(),
                "end": None,
                "status": "running",
            }
            if before is not None:
                check_same_study(before, record, folder)
            write_study(folder, record)
            status = "failed"
            try:
                status = _run_plan(console, plan, cluster, parts, folder, dataset.name, options)
            except KeyboardInterrupt:  # outside of Ray Tune, which has its own way to end at SIGINT
                status = "interrupted"
            finally:
                write_study(folder, {**record, "status": status, "end": now()})
    if status in ("interrupted", "out of time"):
        console.print(f"{status}; every finished trial is kept. To go on:", soft_wrap=True)
        console.print(_resume_command(options, folder), soft_wrap=True)
    if status == "interrupted":
        return 130
    console.print(f"results: {folder}", soft_wrap=True)
    return 1 if status == "failed" else 0


def _run_plan(
    console: "Console",
    plan: Plan,
    cluster: Cluster,
    parts: "Parts",
    folder: Path,
    data: str,
    options: argparse.Namespace,
) -> str:
    """Run what is missing of `plan` and print the closing table. Returns the study's status."""
    from study.display import Display
    from study.engine import Engine, StudyFailedError
    from study.runner import run_trials
    from study.sampler import Sampler
    from study.summary import print_summary
    from study.tables import Tables

    deadline = None if options.time_limit is None else Deadline(options.time_limit, cluster.slots)
    tables = Tables(folder)
    try:
        with (
            Display(console, plan, cluster.slots, tables.trials()) as display,
            watchers(options.log, folder) as others,
        ):
            engine = Engine(plan, Sampler(plan, folder / JOURNAL), tables, [display, *others], deadline)
            if not engine.finished:
                seconds = None if deadline is None else deadline.left
                run_trials(engine, cluster, parts, folder, log=options.log or [], seconds=seconds)
    except StudyFailedError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return "failed"
    finally:
        tables.close()
    if data != SYNTHETIC or plan.base.data.train_images is not None:
        learn_from_study(plan, tables.trials(), tables.all_epochs(), cluster)
    out_of_time = engine.search_cut or (deadline is not None and not engine.finished and not deadline.left)
    if not engine.finished and not out_of_time:
        return "interrupted"
    winners = {arm.name: engine.winner(arm.name) for arm in plan.arms}
    digests = {arm: spec.config.digest() if spec else None for arm, spec in winners.items()}
    print_summary(console, plan, tables.trials(), tables.predictions(), digests, data)
    return "out of time" if out_of_time else "complete"


def _class_names() -> list[str]:
    from fer_core.data.dataset import EMOTIONS

    return list(EMOTIONS)


def _resume_command(options: argparse.Namespace, folder: Path) -> str:
    command = ["python", "-m", "study.run", "--resume", "--out", str(folder)]
    for name in ("address", "cpus_per_trial", "gpus_per_trial", "max_concurrent"):
        if (value := getattr(options, name)) is not None:
            command += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(command)


if __name__ == "__main__":
    run_command(main)
