"""What there is to go on: the records and tables of one study, or of several that can be pooled."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from fer_core import paper
from fer_core.config import FOLDS
from fer_core.data.dataset import EMOTIONS
from fer_core.data.sources import SYNTHETIC
from fer_core.errors import InputError
from fer_core.features import Features, noun
from fer_core.form import Form
from search_spaces.catalogue import load_space
from search_spaces.claim import Claim
from study.analysis.answers import Answers, Elsewhere, Scores
from study.analysis.folds import whole
from study.analysis.looks import earlier_looks, this_look
from study.analysis.measures import WITHOUT_TWINS, Measure, measures_of
from study.plan import study_seed
from study.records.folder import ENDED, JUDGED, MARGIN, space_record


@dataclass(frozen=True)
class Evidence:
    """Studies pooled. `trials` and `epochs` are their tables below one another, `study` the position of the folder.

    answers: by trial. missing: what was not there or could not be read, in words. elsewhere: by name other data that
    was tested, too, with the answers to it. scores: by trial what its answers scored, where a score judges.
    tested_on: the name of the other data whose answers `answers` are; None where they are those to the data's own
    test images. likeness: as `study/analysis/likeness.py` has it,
    by test image; None where it is not known.
    """

    folders: tuple[Path, ...]
    records: tuple[dict[str, Any], ...]
    trials: pd.DataFrame
    epochs: pd.DataFrame
    answers: dict[str, Answers]
    missing: tuple[str, ...]
    elsewhere: Mapping[str, Elsewhere] = field(default_factory=dict)
    scores: Mapping[str, Scores] = field(default_factory=dict)
    tested_on: str | None = None
    likeness: pd.DataFrame | None = None

    @property
    def record(self) -> dict[str, Any]:
        return self.records[0]

    @property
    def only_judged(self) -> bool:
        """Whether its trainings ran elsewhere, so that their answers are all that is known of them."""
        return JUDGED in self.record

    @property
    def name(self) -> str:
        if self.only_judged:
            return self.record["space"]
        elsewhere = "" if self.tested_on is None else f", tested on {self.tested_on}"
        return f"{self.record['space']} on {self.record['data']}{elsewhere}"

    @property
    def arms(self) -> list[str]:
        return self.record["arms"]

    @property
    def measure(self) -> str:
        """The name of what judges, among `measures`."""
        return self.record["measure"]

    @cached_property
    def measures(self) -> Mapping[str, Measure]:
        """All that is measured of its trainings."""
        return measures_of(self.record)

    @property
    def judged_by(self) -> Measure:
        return self.measures[self.measure]

    @property
    def without_twins(self) -> str:
        """The name, among `measures`, of what is on the test images alone that have no twin in training."""
        return next(name for name in WITHOUT_TWINS if name in self.measures)

    @property
    def tested(self) -> Mapping[str, Any]:
        """By trial what is known of its test, image by image: Answers, or where a score judges Scores."""
        return self.scores or self.answers

    @property
    def synthetic(self) -> bool:
        return SYNTHETIC in (self.record["data"], self.tested_on)

    @property
    def reduced(self) -> bool:
        """Whether network or training set are smaller than the paper's."""
        settings = self.record["settings"]
        return settings.get("model.width", 1) != 1 or settings.get("data.train_images") is not None

    @property
    def other_classes(self) -> bool:
        """Whether its data are surely not the paper's."""
        return tuple(self.record["class_names"]) != EMOTIONS

    @property
    def claims_paper(self) -> bool:
        """Whether what is claimed is the paper's claim."""
        return self._of_space.get("claim") is None

    @property
    def earlier_looks(self) -> list[dict[str, Any]]:
        """What had been tested whenever one of the studies was enlarged."""
        return earlier_looks(self.records)

    @property
    def looks(self) -> int:
        """How often the question has been answered, by ever more, this time included."""
        return this_look(self.earlier_looks)

    @property
    def running(self) -> bool:
        return any(record["status"] == "running" for record in self.records)

    @property
    def unfinished(self) -> bool:
        """Whether there is more to come of a study, so that what it says is not its answer yet."""
        return any(record["status"] not in ENDED for record in self.records)

    @cached_property
    def repeats_search(self) -> bool:
        """Whether winners of more than one search were confirmed, so that the searches are what was repeated: of
        folds, too, where all answered the same images.
        """
        if self.folds is not None:
            return False
        confirmed = self.trials[(self.trials["phase"] == "confirm") & (self.trials["status"] == "completed")]
        searched = self.learned_folds is not None or bool((self.trials["phase"] == "search").any())
        return searched and study_seed(confirmed["seed"]).nunique() > 1

    @property
    def learned_folds(self) -> int | None:
        """Into how many folds the images are divided that are learned from; None where they are not."""
        settings = self.record["settings"]
        return settings["data.folds"] if settings["data.protocol"] == FOLDS else None

    @property
    def folds(self) -> int | None:
        """The same where the images that are tested come in turn, fold by fold: those of other data do not."""
        return self.learned_folds if self.tested_on is None else None

    @property
    def repeats(self) -> str:
        """What was repeated, in words."""
        return "folds" if self.folds is not None else "searches" if self.repeats_search else "seeds"

    @property
    def knows_subjects(self) -> bool:
        """Whether it is known whom the test images show, so that people are what is counted."""
        return any(one.subjects is not None for one in self.tested.values())

    @property
    def units(self) -> str:
        """What was tested on, of which others might have been drawn."""
        return "test subjects" if self.knows_subjects else f"test {self.noun}s"

    @property
    def comparable(self) -> list[list[str]]:
        """The arms in groups within which they are compared."""
        return self._of_space["comparable"]

    @property
    def factors(self) -> dict[str, dict[str, list[str]]]:
        """Of every crossed factor the arms with each of its values; the n-th ones of all values agree in all else."""
        return self._of_space["factors"]

    def in_words(self, arm: str) -> str:
        """What an arm is called in a sentence, where a bare number would say nothing without what it is of."""
        compared = self._of_space["compared"]
        return f"{compared[0]} {arm}" if len(compared) == 1 and _is_bare(arm) else arm

    @property
    def paper_arms(self) -> dict[str, str]:
        """The arm of each of the paper's configurations, by the name it has in Table 1."""
        return self._of_space["paper_arms"]

    @property
    def reported(self) -> dict[str, str]:
        """Those of them that Table 1's figures can be held against: none of other classes, and none elsewhere."""
        return {} if self.other_classes or self.tested_on is not None else self.paper_arms

    @property
    def claim(self) -> Claim | None:
        """What there is to check: the space's claim, or else the paper's, where the study has both its networks.

        None elsewhere, of which it was not said.
        """
        return self._claim if self.tested_on is None else None

    @cached_property
    def _claim(self) -> Claim | None:
        if (given := self._of_space.get("claim")) is not None:
            return Claim(**given)
        if len(self.paper_arms) != 2:
            return None
        baseline, arm = self.paper_arms.values()
        return Claim(arm, baseline, 100 * paper.REPORTED_GAIN, whose="the paper's", what="SE per block")

    @property
    def margin(self) -> float:
        """What counts as no difference, in the unit of what is recorded: less than was said, or is claimed, or than
        the paper's gain; of a score nothing, where neither was said.
        """
        if (given := self.record.get(MARGIN)) is not None:
            return given
        if self._claim is not None:
            return self._claim.gain
        return 0.0 if self.judged_by.of_scores else paper.REPORTED_GAIN

    @property
    def form(self) -> Form:
        """That of the images, the first arm's where arms differ in it; a study of an older version had no other."""
        return Form(**self.record.get("form", {}))

    @property
    def features(self) -> Features | None:
        """What the examples are where they are no images."""
        given = self.record.get("features")
        return None if given is None else Features(tuple(given["shape"]), given["dtype"])

    @property
    def of_images(self) -> bool:
        """Whether its examples are images, of which it is known where they are."""
        return self.features is None and not self.only_judged

    @property
    def noun(self) -> str:
        """What one of the examples is called."""
        return "example" if self.only_judged else noun(self.features)

    @property
    def logarithmic(self) -> list[str]:
        """The tuned settings that were drawn on a logarithmic scale."""
        return self._of_space["logarithmic"]

    @cached_property
    def _of_space(self) -> dict[str, Any]:
        """As the study recorded it; an older one did so in part, and its space may still be known by its name."""
        known = {"comparable": [self.arms], "paper_arms": {}, "logarithmic": [], "factors": {}, "compared": []}
        known |= self.record
        if "factors" in self.record:
            return known
        try:
            space = load_space(self.record["space"])
        except InputError:
            return known
        return space_record(space) if [arm.name for arm in space.arms] == self.arms else known

    @cached_property
    def by_arm(self) -> dict[str, pd.DataFrame]:
        parts = dict(iter(self.trials.groupby("arm", sort=False)))
        return {arm: parts.get(arm, self.trials.iloc[:0]) for arm in self.arms}

    @cached_property
    def fixed(self) -> pd.DataFrame:
        """The configurations that ran as they were given: the paper's, the user's own; one row over all folds."""
        rows = self.trials[self.trials["phase"] == "fixed"]
        return rows if self.learned_folds is None else whole(rows)

    @cached_property
    def paper_runs(self) -> dict[str, dict[str, Any]]:
        """The rows of the paper's configurations as they ran at this study's scale, by the name in Table 1."""
        free = ("data.protocol", "data.fold")
        settings = {name: value for name, value in self.record["settings"].items() if name not in free}
        found: dict[str, dict[str, Any]] = {}
        for title, arm in self.paper_arms.items():
            wanted = {**settings, **paper.CONFIGURATIONS[title]}
            rows = self.fixed[self.fixed["arm"] == arm].to_dict("records")
            same = [row for row in rows if all(_equal(row[f"config.{name}"], v) for name, v in wanted.items())]
            found |= {title: same[0]} if same else {}
        return found


def _is_bare(arm: str) -> bool:
    """Whether its name is a number, or says yes or no."""
    return arm in ("True", "False") or re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", arm) is not None


def _equal(cell: Any, value: Any) -> bool:
    """Whether a table's cell holds the value, or nothing where the value is None."""
    return cell == value or (value is None and pd.isna(cell))
