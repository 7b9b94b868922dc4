"""The page: one HTML file with everything in it, made from the findings by a Jinja2 template.

Whatever comes from data, paths or errors is escaped, and the page allows no script but its own, by its hash.
"""

import base64
import hashlib
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from study.analysis.arms import ArmFindings
from study.analysis.findings import Findings
from study.report.page_facts import environment, facts
from study.report.page_tables import PageTable, page_tables
from study.report.tables import label


@dataclass(frozen=True)
class PageFigure:
    """A figure that was drawn; `png` and `pdf` are its files."""

    name: str
    title: str
    caption: str
    png: Path
    pdf: Path

    @property
    def source(self) -> str:
        return "data:image/png;base64," + base64.b64encode(self.png.read_bytes()).decode()


@dataclass(frozen=True)
class Section:
    """One study, or several pooled: everything of it that the page shows."""

    found: Findings
    figures: Sequence[PageFigure]
    missing: Sequence[str]

    @property
    def label(self) -> str:
        return label(self.found)

    @property
    def tables(self) -> list[PageTable]:
        return [table for table in page_tables(self.found) if table.rows]

    @property
    def facts(self) -> list[tuple[str, str]]:
        return facts(self.found)

    @property
    def configurations(self) -> list[tuple[str, str]]:
        """Every arm's winner as `study.run --fixed` takes it."""
        if self.found.evidence.only_judged:
            return []
        return [(arm.arm, _json(arm)) for arm in self.found.arms if arm.config is not None]

    @property
    def commands(self) -> list[str]:
        return [shlex.join(record["command"]) for record in self.found.evidence.records]

    @property
    def environment(self) -> list[tuple[str, str]]:
        return environment(self.found)


def page(sections: Sequence[Section], made: str, refresh: int | None = None) -> str:
    """The HTML. `made`: when, in words; `refresh`: seconds after which the browser loads it again."""
    environment = Environment(loader=PackageLoader("study.report", "."), autoescape=True, undefined=StrictUndefined)
    source = environment.loader.get_source  # type: ignore[union-attr]
    style, script = (source(environment, name)[0] for name in ("page.css", "page.js"))
    return environment.get_template("page.html.j2").render(
        sections=sections,
        ran_here=not any(section.found.evidence.only_judged for section in sections),
        made=made,
        refresh=refresh,
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _json(arm: ArmFindings) -> str:
    """Settings that an older study did not have are left out."""
    return json.dumps({name: value for name, value in (arm.config or {}).items() if value is not None}, indent=2)
