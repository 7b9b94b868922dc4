"""What there is to go on: the records and tables of one study, or of several that can be pooled.

Reads whatever stands in the folders, while a study runs too, and notes what is missing.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from fer_core import paper
from fer_core.config import FOLDS
from fer_core.data.dataset import EMOTIONS
from fer_core.data.sources import SYNTHETIC
from fer_core.errors import InputError
from fer_core.features import Features, noun
from fer_core.form import Form
from search_spaces.catalogue import load_space
from search_spaces.claim import Claim
from study.analysis.answers import Answers, Elsewhere, answers_by_trial, answers_elsewhere
from study.analysis.estimate import strictness
from study.analysis.folds import whole
from study.analysis.likeness import read_likeness
from study.analysis.looks import LOOKS, this_look
from study.plan import study_seed
from study.records.folder import CHANGED_CODE, ENDED, JUDGED, OTHER_NETWORKS, current_status, read_study, space_record
from study.records.tables import SCHEMAS, read_parquet, read_table
from study.search.selection import COUNTED_EPOCHS

# Studies that agree in these, the settings shared by all their trials among them, and in the user's own code if there
# is any, answer the same question.
SAME = ("space", "fingerprint", "votes", "also_tested", "protocol", "measure", "arms", "settings")
# What a report cannot show without each table.
WITHOUT = {
    "trials": "no trial has a row",
    "epochs": "no curves over epochs",
    "predictions": "no confusion, no calibration, and intervals over seeds alone",
    "elsewhere": "nothing of the other data that was to be tested, too",
}


RAN_ELSEWHERE = (
    "The trainings ran elsewhere. Whether every arm was tuned with the same effort, whether anything was chosen by "
    "the test examples, and whether there were other trainings is not known here: the verdict is on these alone."
)


@dataclass(frozen=True)
class Evidence:
    """Studies pooled. `trials` and `epochs` are their tables below one another, `study` the position of the folder.

    answers: by trial. missing: what was not there or could not be read, in words. elsewhere: by name other data that
    was tested, too, with the answers to it. tested_on: the name of the other data whose answers `answers`
    are; None where they are those to the data's own test images. likeness: as `study/analysis/likeness.py` has it,
    by test image; None where it is not known.
    """

    folders: tuple[Path, ...]
    records: tuple[dict[str, Any], ...]
    trials: pd.DataFrame
    epochs: pd.DataFrame
    answers: dict[str, Answers]
    missing: tuple[str, ...]
    elsewhere: Mapping[str, Elsewhere] = field(default_factory=dict)
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
        return self.record["measure"]

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
        return _earlier_looks(self.records)

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
        return any(one.subjects is not None for one in self.answers.values())

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
        """What counts as no difference, a fraction: less than what is claimed, or than the paper's gain."""
        return paper.REPORTED_GAIN if self._claim is None else self._claim.gain

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


def read_evidence(folders: Sequence[Path]) -> list[Evidence]:
    """The studies in `folders`, pooled where they answer the same question. Raises InputError where there is none."""
    groups: dict[str, list[tuple[Path, dict[str, Any]]]] = {}
    for folder in dict.fromkeys(folder.resolve() for folder in folders):
        record = read_study(folder)
        if record is None:
            raise InputError(f"{folder}: there is no study in it (study.json is missing).")
        record["status"] = current_status(folder, record)
        alike = [*(record.get(name) for name in SAME), record.get("code") or []]
        groups.setdefault(json.dumps(alike, sort_keys=True), []).append((folder, record))
    return [_pooled(group) for group in groups.values()]


def _pooled(studies: list[tuple[Path, dict[str, Any]]]) -> Evidence:
    missing: list[str] = []
    frames: dict[str, list[pd.DataFrame]] = {"trials": [], "epochs": []}
    answers: dict[str, Answers] = {}
    elsewhere: dict[str, Elsewhere] = {}
    for position, (folder, record) in enumerate(studies):
        for name, parts in frames.items():
            parts.append(_table(folder, name, record, missing).assign(study=position))
        answers |= _answers(folder, record, missing)
        for name in record.get("also_tested") or ():
            elsewhere.setdefault(name, Elsewhere((), {}))
        for name, found in _elsewhere(folder, record, missing).items():
            elsewhere[name] = replace(found, answers=elsewhere[name].answers | found.answers)
    trials, epochs = (pd.concat(parts, ignore_index=True) for parts in frames.values())
    # Two studies with one seed may have trained the very same trial.
    trials = trials.drop_duplicates(["trial", "phase"], ignore_index=True)
    epochs = epochs.drop_duplicates(["trial", "epoch"], ignore_index=True)
    trials["config"] = trials["trial"].astype(str).str.split("-").str[0]
    folders, records = zip(*studies, strict=True)
    missing += [*_unfinished(studies, trials), *_not_tested(trials, elsewhere), *_other_networks(studies)]
    missing += _begun_later(studies)
    likeness = _likeness(folders, missing)
    return Evidence(folders, records, trials, epochs, answers, tuple(missing), elsewhere, likeness=likeness)


def _table(folder: Path, name: str, record: Mapping[str, Any], missing: list[str]) -> pd.DataFrame:
    try:
        frame = read_table(folder, name)
    except InputError as problem:
        missing.append(f"{problem} So {WITHOUT[name]}.")
        return SCHEMAS[name].empty_table().to_pandas()
    if frame.empty and JUDGED not in record:
        missing.append(f"{folder.name}: no rows of {name} yet, so {WITHOUT[name]}.")
    return frame


def _answers(folder: Path, record: Mapping[str, Any], missing: list[str]) -> dict[str, Answers]:
    if JUDGED in record:
        missing.append(RAN_ELSEWHERE)
    table = _rows_of(folder, "predictions", missing)
    if JUDGED in record:
        return answers_by_trial(table)
    if table.num_rows and table["distinct"].null_count:
        missing.append(
            f"{folder.name}: its predictions do not say which test images have a twin in training, as a study of an "
            "older version; the interval of that accuracy is over seeds alone."
        )
    return answers_by_trial(table)


def _elsewhere(folder: Path, record: dict[str, Any], missing: list[str]) -> dict[str, Elsewhere]:
    if not record.get("also_tested"):
        return {}
    return answers_elsewhere(_rows_of(folder, "elsewhere", missing))


def _likeness(folders: Sequence[Path], missing: list[str]) -> pd.DataFrame | None:
    """That of any of the studies: they have the same data, divided in the same way."""
    for folder in folders:
        try:
            if (found := read_likeness(folder)) is not None:
                return found
        except InputError as problem:
            missing.append(f"{problem} So what training has seen is found out anew, if the images are at hand.")
    return None


def _rows_of(folder: Path, name: str, missing: list[str]) -> pa.Table:
    """The table of answers, with a note where there are none."""
    try:
        table = read_parquet(folder, name)
    except InputError as problem:
        missing.append(f"{problem} So {WITHOUT[name]}.")
        return SCHEMAS[name].empty_table()
    if not table.num_rows:
        missing.append(f"{folder.name}: no rows of {name}, so {WITHOUT[name]}.")
    return table


def _is_bare(arm: str) -> bool:
    """Whether its name is a number, or says yes or no."""
    return arm in ("True", "False") or re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", arm) is not None


def _equal(cell: Any, value: Any) -> bool:
    """Whether a table's cell holds the value, or nothing where the value is None."""
    return cell == value or (value is None and pd.isna(cell))


def _unfinished(studies: list[tuple[Path, dict[str, Any]]], trials: pd.DataFrame) -> list[str]:
    notes = [f"{folder.name}: {CHANGED_CODE}." for folder, record in studies if len(record.get("code", [])) > 1]
    for position, (folder, record) in enumerate(studies):
        if record["status"] != "complete":
            search = trials[(trials["study"] == position) & (trials["phase"] == "search")]
            cut = _search_cut(record, search) if record["status"] == "out of time" and len(search) else ""
            state = f"the study is {record['status']}{cut}"
            notes.append(f"{folder.name}: {state}; what follows is from the trials that have ended.")
    return notes


def _not_tested(trials: pd.DataFrame, elsewhere: Mapping[str, Elsewhere]) -> list[str]:
    """Other data that a study of before is yet to be tested on, or could not be."""
    tested = trials.loc[trials["test_accuracy"].notna(), "trial"]
    lacking = {name: int((~tested.isin(list(found.answers))).sum()) for name, found in elsewhere.items()}
    return [f"{name}: {n} of {len(tested)} tested networks have not answered it." for name, n in lacking.items() if n]


def _other_networks(studies: list[tuple[Path, dict[str, Any]]]) -> list[str]:
    return [
        f"{folder.name}: {len(trials)} networks tested on {name} are not those of before: trained again for it, they "
        "came out otherwise, as on another machine. Configurations and seeds are the same."
        for folder, record in studies
        for name, trials in record.get(OTHER_NETWORKS, {}).items()
    ]


def _earlier_looks(records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [look for record in records for look in record.get(LOOKS, [])]


def _begun_later(studies: list[tuple[Path, dict[str, Any]]]) -> list[str]:
    """Which of the pooled studies were begun when another had been answered, as far as is known."""
    ends = [record["end"] for _, record in studies if record["end"]]
    later = [folder.name for folder, record in studies if ends and record["start"] > min(ends)]
    if not later:
        return []
    known = this_look(_earlier_looks(record for _, record in studies))
    looks = known + len(later)
    times = strictness(looks) / strictness(known)
    return [
        f"{', '.join(later)}: begun when another of the pooled studies had ended. They are taken for planned "
        f"together; if not, this is look {looks}, of which every p is {times:.3g} times as large."
    ]


def _search_cut(record: dict[str, Any], search: pd.DataFrame) -> str:
    """How much of the search there was time for: arms whose epochs take longer got fewer of them."""
    counted, number = record.get(COUNTED_EPOCHS), search["search"].fillna(0)
    if record.get("searches", 1) > 1 and not counted:
        begun = int(number.max()) + 1
        return f", it began {begun} of {record['searches']} searches of every arm, of which those count that ended"
    found = search[number == 0].groupby("arm")["epochs"].agg(["size", "sum"])
    planned = f" of {record['trials']} planned" if "trials" in record else ""
    chosen = f", of which the first {_span(pd.Series(counted))} count in {', '.join(counted)}" if counted else ""
    return (
        f", its search ended after {_span(found['size'])} trials an arm{planned}, "
        f"of {_span(found['sum'])} epochs together{chosen}"
    )


def _span(counts: pd.Series) -> str:
    low, high = counts.min(), counts.max()
    return str(low) if low == high else f"{low} to {high}"
