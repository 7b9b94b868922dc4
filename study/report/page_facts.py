"""What the page says of a study beside its results: data, size, state, environment."""

from collections.abc import Mapping
from typing import Any

from fer_core.config import own_kind
from fer_core.data.subjects import subjects_text
from fer_core.features import learned_text, seen_as
from study.analysis.findings import Findings
from study.plan import study_seed
from study.report.summary import tested_text


def facts(found: Findings) -> list[tuple[str, str]]:
    """What stands above the tables, by its name."""
    evidence = found.evidence
    if evidence.only_judged:
        return _facts_of_judged(found)
    trials, records = evidence.trials, evidence.records
    by_status = trials["status"].value_counts()
    settings = evidence.record["settings"]
    images, each = settings.get("data.train_images"), evidence.noun
    kind = own_kind(settings)
    network = f"{kind} {settings[kind]}" if kind else f"width {settings['model.width']:g}"
    folds = evidence.folds is not None
    searches = study_seed(trials.loc[trials["phase"] == "confirm", "seed"]).nunique()
    return [
        *([("pooled", f"{len(records)} studies")] if len(records) > 1 else []),
        *([("searches", f"{searches} of every arm, each winner confirmed")] if evidence.repeats_search else []),
        *([("folds", f"{evidence.folds}, each tested after a search and training on the others")] if folds else []),
        ("data", f"{evidence.record['data']} ({evidence.record['fingerprint']})" + _drawn(found)),
        (f"{each}s", f"{seen_as(evidence.features, [evidence.form])}, {_learned(evidence.record)}"),
        *([("subjects", subjects_text(subjects))] if (subjects := evidence.record.get("subjects")) else []),
        *((f"tested on {name}, too", tested_text(there)) for name, there in found.elsewhere.items()),
        ("protocol", evidence.record["protocol"]),
        ("budget", f"{evidence.record['budget']}, {settings['train.epochs']} epochs"),
        ("scale", f"{network}, " + (f"{images:,} training {each}s" if images else f"all {each}s")),
        ("trials", ", ".join(f"{count:,} {status}" for status, count in by_status.items()) or "none yet"),
        ("status", ", ".join(sorted({record["status"] for record in records}))),
    ]


def _learned(record: Mapping[str, Any]) -> str:
    return learned_text(len(record["class_names"]), record.get("targets", ()))


def _facts_of_judged(found: Findings) -> list[tuple[str, str]]:
    evidence = found.evidence
    records, folds = evidence.records, evidence.folds
    return [
        *([("pooled", f"{len(records)} studies")] if len(records) > 1 else []),
        ("trainings", f"{len(evidence.trials):,}, which ran elsewhere"),
        *([("folds", f"{folds}, each tested in turn")] if folds is not None else []),
        *([("examples", f"{tested_text(found)} ({evidence.record['fingerprint']})")] if evidence.tested else []),
    ]


def _drawn(found: Findings) -> str:
    return ": drawn faces, which say nothing of FER2013" if found.evidence.synthetic else ""


def environment(found: Findings) -> list[tuple[str, str]]:
    """With what it ran, and when; of pooled studies the first one's."""
    record = found.evidence.record
    if found.evidence.only_judged:
        return [
            *record["versions"].items(),
            ("git revision", record["git_revision"] or "-"),
            ("judged", record["end"]),
        ]
    devices = record["devices"]
    return [
        *((package, version) for package, version in record["versions"].items()),
        *_script(record.get("script")),
        ("git revision", record["git_revision"] or "-"),
        ("backend", record["backend"]),
        ("devices", f"{devices['cpus']:g} CPUs, {devices['gpus']:g} GPUs, {devices['slots']} trials at a time"),
        ("host", record["host"]),
        ("start", record["start"]),
        ("end", record["end"] or "-"),
    ]


def _script(script: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Of a script that another Python runs, what runs it and what is installed there."""
    if script is None or script["python"] is None:
        return []
    installed = ", ".join(f"{name} {release}" for name, release in script["packages"].items())
    return [(script["file"], f"run by {script['python']}" + (f": {installed}" if installed else ""))]
