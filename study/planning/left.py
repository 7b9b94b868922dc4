"""What is left of a study that has begun: what a driver would find to do, without touching its folder."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fer_core.errors import InputError
from study.analysis.looks import looks_before, looks_text, this_look
from study.engine import PHASES, Engine, StudyFailedError
from study.plan import Plan, TrialSpec
from study.planning.elsewhere import later_text
from study.records.folder import JOURNAL, MODELS, network_file
from study.records.mending import mend
from study.records.place import Place
from study.records.schemas import FILES
from study.records.tables import Tables
from study.search.sampler import Sampler


@dataclass(frozen=True)
class Left:
    """The trials that are yet to end, and those that have ended and are yet to be tested on other data.

    fixed: themselves. search, confirm: how many, by arm, those not proposed yet included. lacking: by trial the names
    of the other data. again: the arm of each of those whose network was not kept, which are trained again.
    earlier_looks: what had been tested whenever the study was enlarged, this time included.
    """

    fixed: Sequence[TrialSpec]
    search: Mapping[str, int]
    confirm: Mapping[str, int]
    lacking: Mapping[str, Sequence[str]]
    again: Sequence[str]
    earlier_looks: Sequence[Mapping[str, Any]] = ()

    @property
    def looks(self) -> int:
        """How often the study will have been answered."""
        return this_look(self.earlier_looks)

    @property
    def counts(self) -> dict[str, int]:
        """How many are yet to end, by phase, and how many of the others are tested later and trained again for it."""
        return {
            "fixed": len(self.fixed),
            "search": sum(self.search.values()),
            "confirm": sum(self.confirm.values()),
            "tested_later": len(self.lacking),
            "trained_again": len(self.again),
        }

    @property
    def texts(self) -> list[str]:
        """It in words."""
        phases = [f"{self.counts[phase]:,} {phase}" for phase in PHASES if self.counts[phase]]
        found = [f"left of them: {', '.join(phases) or 'none, all have ended'}"]
        found += [later_text(self.lacking, len(self.again))] if self.lacking else []
        return [*found, looks_text(self.earlier_looks)] if self.earlier_looks else found


def what_is_left(
    plan: Plan, place: Place, before: Mapping[str, Any], others: Sequence[str], retry_failed: bool
) -> Left:
    """What a driver of `plan` would find to do at `place`, where the study stands.

    before: the study's record. others: as `Tables` has them. retry_failed: whether it would try
    failed trials again. Raises InputError if the study cannot go on.
    """
    with TemporaryDirectory(prefix="fer-study-left-") as name:
        folder = Path(name)
        for record in (JOURNAL, *reversed(FILES)):
            if (place.folder / record).exists():
                shutil.copy(place.folder / record, folder)
        mend(folder)
        with closing(Tables(folder, plan.space.columns, len(before["class_names"]), others)) as tables:
            if retry_failed:
                tables.forget_failed()
            try:
                engine = Engine(plan, Sampler(plan, folder / JOURNAL), tables)
            except StudyFailedError as problem:
                raise InputError(f"{place.name}: cannot go on: {problem}") from None
            lacking, arms = tables.all_lacking(), tables.trials().set_index("trial")["arm"]
            return Left(
                [spec for spec in plan.fixed_trials() if engine.is_left(spec)],
                engine.left("search"),
                engine.left("confirm"),
                lacking,
                [arms[trial] for trial in without_network(lacking, plan, place)],
                looks_before(before, plan, folder),
            )


def without_network(trials: Iterable[str], plan: Plan, place: Place) -> list[str]:
    """Those of the trials whose network was not kept."""
    by_trainer = plan.space.trainer is not None
    return [trial for trial in trials if not place.has(f"{MODELS}/{network_file(trial, by_trainer)}")]
