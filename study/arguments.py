"""The arguments of `study.run`: which there are, what a study remembers, what they ask of plan and cluster."""

import argparse
import json
import os
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fer_core.command_line import Parser, assignments, at_least, duration, positive, share
from fer_core.config import FOLDS, TrialConfig
from fer_core.data.sources import DATA_HELP, LABELS_HELP, SUBJECTS_HELP, SYNTHETIC, Source
from fer_core.errors import InputError
from search_spaces.catalogue import space_names
from search_spaces.score import OF_NUMBERS
from search_spaces.space import MEASURES, Space
from study.cluster.machines import Cluster, share_out
from study.export import read_configuration
from study.plan import BUDGETS
from study.records.folder import JUDGED, MARGIN, read_study, score_record
from study.records.place import Place
from study.scale import SHARES, scores_in
from study.watching.logs import LOGS, check_logs

EXAMPLES = """examples:
  python -m study.run --space se_placement                      a first study, on the embedded faces
  python -m study.run --space se_placement --data fer2013.csv   the same on FER2013
  python -m study.run --space se_placement --dry-run            what would run, and for how long
  python -m study.run --space se_placement --set model.width=0.5 --trials 8 --seeds 5
  python -m study.run --space se_placement --searches 5 --seeds 2    an interval over searches, too
  python -m study.run --space se_placement --data ckplus/ --subjects '^S[0-9]+' --folds 10   everybody tested once
  python -m study.run --space se_placement --data fer2013.csv --also-test ckplus/ '^S[0-9]+'
  python -m study.run --resume --out results/NAME               go on with a study that was interrupted
  python -m study.run --resume --retry-failed --out results/NAME    and with what failed on a broken node
  python -m study.run --resume --out results/NAME --also-test jaffe/    test what was trained on other data, too
  python -m study.run --space se_placement --address auto --budget standard --data /shared/fer2013.parquet

Exit status: 0 done, 1 the study failed, 2 the command or its input is wrong, 130 interrupted."""

# Arguments that a resumed study takes from its record where the command does not give them.
REMEMBERED = (
    "space",
    "data",
    "labels",
    "subjects",
    "also_test",
    "keep_networks",
    "protocol",
    "measure",
    "margin",
    "budget",
    "trials",
    "epochs",
    "searches",
    "folds",
    "seeds",
    "seed",
    "sampler",
    "scheduler",
    "set",
    "fixed",
)


def make_parser() -> Parser:
    """The parser of `python -m study.run`."""
    parser = Parser(
        prog="study.run",
        description="Run a study: tune every arm of a space alike, confirm the winners over fresh seeds, compare.",
        examples=EXAMPLES,
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
        help=f"{DATA_HELP}, or 'synthetic' for the embedded faces "
        "(default: the variable FER2013, then data/fer2013*, then the embedded faces)",
    )
    add("--labels", metavar="CSV", help=LABELS_HELP)
    add("--subjects", metavar="PATTERN", help=SUBJECTS_HELP)
    add(
        "--also-test",
        action="append",
        nargs="+",
        metavar=("PATH", "SUBJECTS"),
        help="also test on other data, by the classes that both have (a cross-dataset test): its marked test images, "
        "or all where none are marked; after the path, what --subjects would say of it; repeatable, and with "
        "--resume for what was trained before",
    )
    add(
        "--keep-networks",
        choices=("best", "all"),
        help="the network of every winner's best confirmation, or of every tested trial, so that none needs to be "
        "trained again to be tested on other data later (default: best)",
    )
    add(
        "--out",
        metavar="DIR|URI",
        help="the study's own folder, or one on an object store, such as s3://BUCKET/PATH or gs://BUCKET/PATH "
        "(default: results/<space>-<data>-<time>)",
    )
    add("--resume", action="store_true", help="go on with the study in --out; other arguments are remembered")
    add(
        "--retry-failed",
        action="store_true",
        help="with --resume: train the fixed and confirm trials again that have failed, as on a node that was broken",
    )
    add(
        "--dry-run",
        action="store_true",
        help="print the plan with its cost and stop; with --resume, what is left of it",
    )
    add("--json", action="store_true", help="with --dry-run: print it as JSON")
    add("--calibrate", action="store_true", help="with --dry-run: measure this machine for the cost, some 20 s")
    add(
        "--protocol",
        choices=("challenge", "paper", "holdout"),
        help="which images train, choose and are tested "
        "(default: challenge where the data has its marks, else holdout)",
    )
    add(
        "--measure",
        choices=(*MEASURES, *OF_NUMBERS),
        help="what chooses on validation images and judges on test images (default: the space's, mostly accuracy); "
        "balanced_accuracy is the mean recall over the classes; an error, and concordance, is of numbers that are "
        "learned in the place of classes",
    )
    add(
        "--margin",
        type=positive,
        metavar="X",
        help="what counts as no difference between arms, in points or so much of a score; to be said beforehand "
        "(default: less than the gain that is claimed; of a score without a claim nothing)",
    )
    add(
        "--folds",
        type=at_least(3),
        metavar="K",
        help="divide all images into K parts, of people where --subjects tells them, and test each in turn, after a "
        "search and training on the others: every image is tested once, for K times the effort",
    )
    effort = parser.add_argument_group("effort")
    add = effort.add_argument
    add(
        "--budget",
        choices=("auto", *BUDGETS),
        help="how much to spend (default: auto, which is quick without a GPU, standard with one)",
    )
    add(
        "--trials",
        type=at_least(1),
        metavar="N",
        help="search trials an arm, of each of its searches (default: the budget's)",
    )
    add(
        "--searches",
        type=at_least(1),
        metavar="R",
        help="search every arm so often, each time anew: then the intervals hold the luck of a search (default: 1)",
    )
    add("--epochs", type=at_least(1), metavar="N", help="epochs a trial (default: the budget's)")
    add(
        "--seeds",
        type=at_least(0),
        metavar="K",
        help="confirmation seeds an arm, of every search's winner (default: the budget's)",
    )
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
        help="end by then: the search gives way in time to the confirmation, a later search altogether",
    )
    add(
        "--sampler",
        choices=("random", "qmc", "tpe", "gp", "cmaes"),
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
        default=os.environ.get("RAY_ADDRESS") or None,
        help="a Ray cluster to join, such as auto or HOST:6379, or local for a private one here "
        "(default: the variable RAY_ADDRESS, else local)",
    )
    add("--cpus-per-trial", type=positive, metavar="X", help="default: 1, or a GPU's share of the CPUs")
    add(
        "--gpus-per-trial",
        type=share,
        metavar="X",
        help="such as 0.25, so that four share one; 0: the CPUs of all nodes (default: as many as its memory holds, "
        "measured at the start)",
    )
    add(
        "--stalled-after",
        type=duration,
        metavar="10m",
        help="end a trial that has been silent for so long and try it again (default: ten epochs and two minutes, "
        "and at the start three times as long as others took)",
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


def study_before(options: argparse.Namespace, place: Place | None) -> dict[str, Any] | None:
    """The record of the study to resume, its arguments filled in where the command gives none."""
    folder = place.folder if place else None
    if options.address == "local":
        options.address = None
    before = read_study(folder) if folder else None
    if options.retry_failed and not options.resume:
        raise InputError("--retry-failed: is for a study to go on with, by --resume.")
    if options.resume and folder is None:
        raise InputError("--resume: name the study's folder with --out.")
    if options.resume and before is None and options.space is None:
        raise InputError(f"--resume: there is no study in {options.out}.")
    if before is not None and not options.resume and not options.dry_run:
        raise InputError(
            f"--out {options.out}: a study stands there. Add --resume to go on with it, or choose another folder."
        )
    if before is not None and JUDGED in before:
        raise InputError(f"--out {options.out}: its trainings ran elsewhere, there is nothing to go on with.")
    if folder is not None and folder.exists() and not folder.is_dir():
        raise InputError(f"--out {folder}: is a file, expected a folder.")
    # From here on, and in the record, the configurations themselves: their files may change or go.
    options.fixed = [json.dumps(read_configuration(Path(path)).flat()) for path in options.fixed or []] or None
    if before is not None and options.resume:
        for name in REMEMBERED:
            if getattr(options, name) is None:
                setattr(options, name, before["arguments"].get(name))
        if options.also_test:  # what is given is tested beside what has been
            options.also_test = [*(before["arguments"].get("also_test") or []), *options.also_test]
    if options.folds is not None:
        if options.protocol not in (None, FOLDS):
            raise InputError(
                f"--folds {options.folds}: is a protocol of its own, beside --protocol {options.protocol}."
            )
        options.protocol = FOLDS
    if options.space is None:
        raise InputError(f"--space: name the question, one of {', '.join(space_names())}, or a Python file.")
    return before


def remembered(options: argparse.Namespace) -> dict[str, Any]:
    """What a study's record keeps of its arguments, for `--resume`."""
    return {name: getattr(options, name) for name in REMEMBERED}


def judged_record(options: argparse.Namespace, space: Space) -> dict[str, Any]:
    """What a study's record says of how arms are judged: by what, and what counts as no difference, if that was said,
    in the unit of what is recorded.
    """
    scale = SHARES if space.score is None else scores_in(space.score.unit)
    said = {} if options.margin is None else {MARGIN: options.margin / scale.times}
    return {"measure": space.judged_by, **score_record(space.score), **said}


def plan_arguments(options: argparse.Namespace, source: Source, protocol: str, automatic: str) -> dict[str, Any]:
    """Arguments of `make_plan`; `automatic` is the budget that `auto` stands for."""
    return {
        "budget": automatic if options.budget in (None, "auto") else options.budget,
        "protocol": protocol,
        "data_name": SYNTHETIC if source.path is None else source.name,
        "trials": options.trials,
        "epochs": options.epochs,
        "seeds": options.seeds,
        "seed": options.seed or 0,
        "searches": options.searches or 1,
        "folds": options.folds,
        "settings": assignments(options.set),
        "sampler": options.sampler or "tpe",
        "scheduler": options.scheduler or "asha",
        "own": [TrialConfig.from_flat(json.loads(text)) for text in options.fixed or []],
    }


def on_gpus(options: argparse.Namespace) -> bool:
    """Whether trials may have GPUs, where there are any."""
    return options.gpus_per_trial != 0


def automatic_budget(gpus: float) -> str:
    """What `--budget auto` stands for."""
    return "standard" if gpus else "quick"


def asked_cluster(
    options: argparse.Namespace, cpus: float, gpus: float, gpus_per_trial: float | None = None
) -> Cluster:
    """How so many CPUs and GPUs for trials are shared out. gpus_per_trial: where the arguments do not say.

    Raises InputError if a trial is to get more than there is.
    """
    cluster = share_out(
        cpus,
        gpus,
        address=options.address,
        cpus_per_trial=options.cpus_per_trial,
        gpus_per_trial=options.gpus_per_trial or gpus_per_trial,
        max_concurrent=options.max_concurrent,
    )
    if cluster.cpus_per_trial > cpus:
        raise InputError(f"--cpus-per-trial {cluster.cpus_per_trial:g}: the cluster has {cpus:g} CPUs.")
    if cluster.gpus_per_trial > gpus:
        raise InputError(f"--gpus-per-trial {cluster.gpus_per_trial:g}: the cluster has {gpus:g} GPUs.")
    return cluster


def check_packages(options: argparse.Namespace) -> None:
    """Raises InputError if an option needs a package that is not installed."""
    check_logs(options.log)
    if options.sampler == "gp" and find_spec("torch") is None:
        raise InputError("--sampler gp: needs PyTorch, which is not installed (pip install torch).")


def resume_command(options: argparse.Namespace, out: str) -> str:
    """The command that goes on with the study in `out` on the same machines."""
    command = ["python", "-m", "study.run", "--resume", "--out", out]
    for name in ("address", "cpus_per_trial", "gpus_per_trial", "max_concurrent"):
        if (value := getattr(options, name)) is not None:
            command += [f"--{name.replace('_', '-')}", str(value)]
    if options.stalled_after is not None:
        command += ["--stalled-after", f"{options.stalled_after:g}s"]
    return shlex.join(command)
