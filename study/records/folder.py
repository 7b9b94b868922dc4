"""A study's folder: `study.json`, which says what the study is, and the lock that keeps it to one driver."""

import fcntl
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fer_core.config import completed, own_kind, setting_names
from fer_core.errors import InputError
from fer_core.summaries import MEAN
from search_spaces.score import SCORE, Score
from search_spaces.space import PROTOCOL, Space
from study.carried import file_of

STUDY = "study.json"
LOCK = "study.lock"
JOURNAL = "optuna.log"
MODELS = "models"  # the network of every arm's best confirmation, or of all tested trials
PACKAGES = ("fer-study", "keras", "tensorflow", "jax", "ray", "optuna", "numpy", "pandas", "pyarrow")
ENDED = ("complete", "out of time")  # a status with which a study has answered
CHANGED_CODE = "the file of its network or trainer was changed while the study was under way"
# What makes two runs the same study, with the settings that all its trials share. Trials and seeds may grow, and so
# may the other data that is tested, too.
MARGIN = "margin"  # what counts as no difference, where that was said
IDENTITY = ("space", "measure", SCORE, MARGIN, "fingerprint", "votes", "protocol", "choosing_folds", "seed")
EARLIER = {"choosing_folds": 1}  # what was so in a study that does not say
ALSO_TESTED = "also_tested"
JUDGED = "judged"  # in the record of trainings that ran elsewhere: the seeds of every arm
# In a study's record: by name of other data the trials that were trained again for it, and came out otherwise.
OTHER_NETWORKS = "other_networks"


def default_folder(space: str, data: str) -> Path:
    """results/<space>-<data>-<time>, in UTC."""
    time = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return Path("results") / f"{in_file_name(space)}-{in_file_name(data)}-{time}"


def in_file_name(text: str) -> str:
    """The text without what the name of a file had better not have."""
    return re.sub(r"[^\w.-]+", "_", text)


def read_study(folder: Path) -> dict[str, Any] | None:
    """The record in `folder`, None where there is no study. Raises InputError if it cannot be read."""
    path = folder / STUDY
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as problem:
        raise InputError(f"{path}: not a study's record ({problem}).") from None
    return {**record, "settings": completed(record["settings"])} if "settings" in record else record


def write_study(folder: Path, record: Mapping[str, Any]) -> None:
    """Write `record` whole."""
    partial = folder / (STUDY + ".partial")
    partial.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    partial.replace(folder / STUDY)


def check_same_study(before: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    """Raises InputError naming the difference if `now` is another study than the one that stands in `folder`.

    So, too, if that was begun by a version that proposed in generations.
    """
    if "window" not in before:
        raise InputError(f"{folder}: holds a study of an earlier version, which cannot go on. Choose another --out.")
    there = {name: before.get(name, EARLIER.get(name)) for name in IDENTITY} | before["settings"]
    here = {name: now.get(name) for name in IDENTITY} | now.get("settings", before["settings"])
    for name, value in here.items():
        if there.get(name) != value:
            raise InputError(
                f"{folder}: holds a study with {name} {there.get(name)}, this one has {value}. Choose another --out."
            )
    others = now[ALSO_TESTED] or {}
    for name, fingerprint in (before.get(ALSO_TESTED) or {}).items():
        if others.get(name) != fingerprint:
            raise InputError(
                f"{folder}: holds a study tested on {name} {fingerprint}, too, this one has {others.get(name)}. "
                "Choose another --out."
            )


def network_file(trial: str, by_trainer: bool) -> str:
    """The name of the file with a trial's network, or with what a trainer of the user's own has saved."""
    return f"{trial}.state" if by_trainer else f"{trial}.keras"


def settings_in(study: Mapping[str, Any]) -> list[str]:
    """The names of the settings that the study's trials have: all that there are today, or with the user's own."""
    return list(study["settings"]) if own_kind(study["settings"]) else setting_names()


def space_record(space: Space) -> dict[str, Any]:
    """What the analysis needs to know of a space: its arms, which are compared, which factors are crossed, what is
    drawn on which scale.
    """
    crossed = {} if PROTOCOL in space.scientific else space.factors()
    return {
        "question": space.question,
        "measure": space.judged_by,
        **score_record(space.score),
        "arms": [arm.name for arm in space.arms],
        "compared": list(space.scientific),
        "comparable": [[arm.name for arm in group] for group in space.comparable()],
        "factors": {
            factor: {value: [arm.name for arm in arms] for value, arms in values.items()}
            for factor, values in crossed.items()
            if len(next(iter(values.values()))) > 1  # else an effect is a pair of arms
        },
        "claim": None if space.claim is None else asdict(space.claim),
        "paper_arms": {title: arm.name for title, arm in space.paper_trials()},
        "logarithmic": [name for name, parameter in space.nuisance.items() if getattr(parameter, "log", False)],
    }


def score_record(score: Score | None) -> dict[str, Any]:
    """Where a score judges, what it is, and what counts as no difference, if that was said."""
    if score is None:
        return {}
    record: dict[str, Any] = asdict(score)
    margin, over, each = (record.pop(name) for name in ("margin", "over", "each"))
    record |= {} if over == MEAN else {"over": over}  # scores of before had no other
    record |= {} if each is None else {"each": each}
    return {SCORE: record, **({} if margin is None else {MARGIN: margin})}


def code_record(space: Space, before: Mapping[str, Any] | None) -> list[str]:
    """Digests of the file with the user's own network or trainer: one, or more where it was changed under way."""
    earlier = list(before.get("code", [])) if before else []
    if space.brought is None:
        return earlier
    digest = hashlib.sha256(file_of(space.brought).read_bytes()).hexdigest()[:16]
    return [*earlier, *([] if earlier[-1:] == [digest] else [digest])]


def environment_record(command: str = "study.run") -> dict[str, Any]:
    """Versions, git revision, command line and host, as they are now. command: which of ours runs."""
    return {
        "versions": {"python": platform.python_version(), **_versions()},
        "git_revision": _git_revision(),
        "command": ["python", "-m", command, *sys.argv[1:]],
        "host": platform.node(),
        "backend": os.environ.get("KERAS_BACKEND", "tensorflow"),
    }


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep `folder` to this process; the lock goes with the process, however it ends.

    Raises InputError naming the process and the host that hold it.
    """
    with (folder / LOCK).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise InputError(f"{folder}: another driver runs this study ({file.read().strip()}).") from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}\n")
        file.flush()
        yield


def current_status(folder: Path, record: Mapping[str, Any]) -> str:
    """The status in the record; `cut off` where it says `running` and this host knows that no driver is left."""
    status = record["status"]
    if status != "running":
        return status
    try:
        with (folder / LOCK).open(encoding="utf-8") as file:
            if file.read().strip().endswith(f" on {platform.node()}"):
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return "cut off"
    except OSError:  # held by a driver, or a folder without its lock
        pass
    return status


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _git_revision() -> str | None:
    """The commit of the project's own checkout, with `+` where files differ from it; None outside of one."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        revision = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5)
        changes = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if revision.returncode:
        return None
    return revision.stdout.strip() + ("+" if changes.stdout.strip() else "")
