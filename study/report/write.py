"""Writing a report: findings, then figures, tables and the page, each file whole or not at all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import matplotlib as mpl
import pandas as pd

from fer_core.data.dataset import Dataset
from fer_core.data.sources import find_source, read
from fer_core.errors import InputError
from fer_core.form import Form
from study.analysis.evidence import Evidence
from study.analysis.findings import Findings, find, with_likeness
from study.analysis.likeness import write_likeness
from study.records.folder import in_file_name, now
from study.report.figures.registry import FIGURES, Figure
from study.report.figures.style import MOST_ARMS, SETTINGS, Subject, save
from study.report.likeness import measure_likeness
from study.report.page import PageFigure, Section, page
from study.report.tables import write_tables

PAGE = "index.html"


@dataclass(frozen=True)
class Request:
    """What to report and where to: `out` takes the page, figures and tables.

    tables: other folders that take the parquet tables, too. data, labels, subjects: where the studies' images are,
    FER+'s votes, and how to tell whom they show; None for what their records say. refresh: seconds after which an
    open page loads itself again.
    """

    folders: Sequence[Path]
    out: Path
    tables: Sequence[Path] = ()
    data: str | None = None
    labels: str | None = None
    subjects: str | None = None
    refresh: int | None = None


@dataclass(frozen=True)
class Report:
    findings: Sequence[Findings]
    page: Path

    @property
    def running(self) -> bool:
        return any(found.evidence.running for found in self.findings)


def write_report(request: Request, progress: Callable[[str], None] = lambda text: None) -> Report:
    """Write the report that is asked for; `progress` hears what is being done. Raises InputError."""
    progress("reading the tables")
    findings = find(request.folders)
    try:
        request.out.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise InputError(f"{request.out}: cannot be made ({problem.strerror}).") from None
    sections = [
        _section(request, found, "" if len(findings) == 1 else f"study{position}-", progress)
        for position, found in enumerate(findings, start=1)
    ]
    progress("writing tables and page")
    findings = [section.found for section in sections]
    write_tables(findings, [*request.tables, request.out], request.out)
    for folder in request.tables:
        if (likeness := findings[0].evidence.likeness) is not None:
            write_likeness(likeness, folder)
    html = page(sections, now(), request.refresh if any(f.evidence.running for f in findings) else None)
    target = request.out / PAGE
    partial = target.with_name(PAGE + ".partial")
    partial.write_text(html, encoding="utf-8")
    partial.replace(target)
    return Report(findings, target)


def _section(request: Request, found: Findings, prefix: str, progress: Callable[[str], None]) -> Section:
    """Draw the figures; their files begin with `prefix`."""
    missing = [*found.evidence.missing, *found.left_out]
    images = None
    if found.evidence.answers and found.evidence.of_images:
        progress("reading the images")
        images = _images(found.evidence, request, missing)
    if images is not None and found.evidence.likeness is None and not found.evidence.synthetic:
        progress("holding the tested images against those that train")
        record = found.evidence.record
        protocols = tuple(record["protocol"].split(", "))
        found = with_likeness(found, _likeness(*images.asked, protocols, found.evidence.learned_folds))
    noun = found.evidence.noun
    subject, drawn = Subject(found, None if images is None else images.dataset.images), []
    if len(found.arms) > MOST_ARMS:
        missing.append(f"Figures that show every arm by itself show the first {MOST_ARMS} of {len(found.arms)}.")
    with mpl.rc_context(SETTINGS):
        for one in FIGURES:
            figure = replace(one, caption=one.caption.replace("image", noun))
            progress(f"drawing {figure.name}")
            drawing = figure.draw(subject)
            if drawing is None and (not figure.needs or not _expected(figure, found.evidence)):
                continue
            if drawing is None:
                missing.append(f"Figure “{figure.title}”: needs {figure.needs}.")
                continue
            png, pdf = save(drawing, request.out, prefix + figure.name)
            drawn.append(PageFigure(figure.name, figure.title, figure.caption, png, pdf))
            drawn += _elsewhere(figure, found, request.out, prefix)
    return Section(found, drawn, missing)


def _expected(figure: Figure, evidence: Evidence) -> bool:
    """Whether it is there if nothing is missing."""
    of_neither = (figure.of_images and not evidence.of_images) or (figure.of_classes and evidence.judged_by.of_scores)
    return not (evidence.only_judged or of_neither)


def _elsewhere(figure: Figure, found: Findings, out: Path, prefix: str) -> list[PageFigure]:
    """The figure of other data that was tested, too, if there is any to be drawn."""
    drawn = []
    for name, there in found.elsewhere.items() if figure.elsewhere else ():
        if (drawing := figure.draw(Subject(there))) is not None:
            png, pdf = save(drawing, out, f"{prefix}{figure.name}-{in_file_name(name)}")
            drawn.append(PageFigure(figure.name, f"{figure.title} on {name}", figure.caption, png, pdf))
    return drawn


@dataclass(frozen=True)
class Images:
    """A study's data set, and how it was asked for."""

    dataset: Dataset
    asked: tuple[str, str | None, str | None, Form]


def _images(evidence: Evidence, request: Request, missing: list[str]) -> Images | None:
    """Those of the study; None, with a note, where they are not at hand."""
    recorded = evidence.record["arguments"]
    asked, labels = request.data or recorded.get("data"), request.labels or recorded.get("labels")
    subjects = request.subjects or recorded.get("subjects")
    try:
        dataset, fingerprint = _read(asked, labels, subjects, evidence.form)
    except InputError as problem:
        if request.data is not None and labels == request.labels:  # all of it was named here
            raise
        options = "--data" if labels is None else "--data and --labels"
        missing.append(f"The study's images are not at hand ({problem}) Name them with {options}.")
        return None
    if fingerprint != evidence.record["fingerprint"]:
        missing.append(
            f"{asked}: holds other images than the study's (fingerprint {fingerprint}, expected "
            f"{evidence.record['fingerprint']})."
        )
        return None
    return Images(dataset, (asked, labels, subjects, evidence.form))


@lru_cache(maxsize=2)
def _likeness(
    data: str,
    labels: str | None,
    subjects: str | None,
    form: Form,
    protocols: tuple[str, ...],
    folds: int | None,
) -> pd.DataFrame:
    dataset, _ = _read(data, labels, subjects, form)
    return measure_likeness(dataset, protocols, folds)


@lru_cache(maxsize=2)
def _read(data: str, labels: str | None, subjects: str | None, form: Form) -> tuple[Dataset, str]:
    dataset = read(find_source(data, labels, subjects), form)
    return dataset, dataset.fingerprint()
