"""The data of a study as read: that which trains, and others that are tested, too, in every view of its trials.

What is slow to import is imported when something is read.
"""

import argparse
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from fer_core.data.sources import Source
from fer_core.features import learned_text, noun, seen_as
from study.arguments import plan_arguments
from study.plan import Plan, make_plan
from study.planning.cost import Images
from study.planning.elsewhere import fingerprints, read_others, tested_texts
from study.planning.inputs import check_alike, check_finite, check_inputs
from study.planning.votes import as_needed

if TYPE_CHECKING:
    from rich.console import Console

    from fer_core.config import View
    from fer_core.data.dataset import Dataset, Listing
    from fer_core.data.protocols import Learning, Testing
    from fer_core.form import Form

    Datasets = Mapping[Form, Dataset]  # one data set in every form that a trial may see, the first arm's first
    Parts = Mapping[View, tuple[Learning, Testing]]  # the images in every view


@dataclass(frozen=True)
class Material:
    """What a study has to learn from and to be tested on.

    source, others: where the data that trains comes from, and by their names those that are tested, too. protocol: by
    which the first is divided, unless the space compares several `protocols`.
    """

    source: Source
    others: Mapping[str, Source]
    datasets: "Datasets"
    elsewhere: "Mapping[str, Datasets]"
    protocol: str
    protocols: tuple[str, ...]
    parts: "Parts"

    @property
    def data(self) -> "Dataset":
        """The data that trains, in the first arm's form."""
        return next(iter(self.datasets.values()))

    @property
    def classes(self) -> int:
        return len(self.data.classes)

    @property
    def images(self) -> Images:
        """How many there are, of the first view."""
        learning, testing = next(iter(self.parts.values()))
        counts = len(learning.train_labels), len(learning.val_labels), len(testing.labels)
        return Images(*counts, self.classes, self.data.features, self.data.listing.target_names)

    @property
    def largest_bytes(self) -> int:
        """What the images of one view take, of that which takes most."""
        return max(map(_bytes, self.parts.values()))

    @property
    def sizes(self) -> "dict[View, tuple[int, int]]":
        """How many images train and validate, by view."""
        return {view: (len(part.train_labels), len(part.val_labels)) for view, (part, _) in self.parts.items()}

    @property
    def subjects(self) -> dict[str, int]:
        """How many train, validate and are tested, in the first view; nothing where they are not known."""
        from fer_core.data.protocols import subjects_by_part

        return subjects_by_part(self.data.listing, self.protocols[0], next(iter(self.parts)).fold)

    def identity(self) -> dict[str, Any]:
        """What makes another study of the same space where it differs. Raises InputError as `fingerprints` does."""
        from fer_core.data.protocols import choosing_folds

        own, fold = self.data.fingerprint(), next(iter(self.parts)).fold
        return {
            "fingerprint": own,
            "votes": self.data.votes_fingerprint(),  # where trainings are towards these
            "also_tested": fingerprints(self.elsewhere, own),
            "protocol": ", ".join(self.protocols),
            "choosing_folds": 1 if fold is None else choosing_folds(fold.of),
        }

    def record(self) -> dict[str, Any]:
        """What a study's record says of it beside that."""
        return {
            "data": self.data.name,
            **_names_record(self.data.listing),
            "subjects": self.subjects or None,
            "form": asdict(next(iter(self.datasets))),
            "features": None if self.data.features is None else asdict(self.data.features),
        }

    def arguments(self) -> dict[str, Any]:
        """Those with which a resumed study finds it again."""
        labels = self.source.labels
        return {
            "data": self.source.text,
            "labels": None if labels is None else str(labels),
            "also_test": [other.named for other in self.others.values()] or None,
            "protocol": self.protocol if len(self.protocols) == 1 else None,
        }


def _names_record(data: "Listing") -> dict[str, list[str]]:
    """What labels stand for, or what targets are of."""
    if data.target_names:
        return {"class_names": [], "targets": list(data.target_names)}
    return {"class_names": list(data.classes)}


def _bytes(part: "tuple[Learning, Testing]") -> int:
    learning, testing = part
    tested = [testing, *testing.elsewhere.values()]
    return learning.train_images.nbytes + learning.val_images.nbytes + sum(part.images.nbytes for part in tested)


def read_material(
    options: argparse.Namespace, plan: Plan, source: Source, others: Mapping[str, Source], console: "Console"
) -> Material:
    """Read what `plan` needs, and say what there is. plan: that of the arguments, by whatever protocol and budget.

    Raises InputError.
    """
    from fer_core.data.elsewhere import with_elsewhere
    from fer_core.data.progress import read_with_progress
    from fer_core.data.protocols import default_protocol, split_all

    def say(text: str) -> None:
        console.print(text, soft_wrap=True)

    say(f"data: {source.text} ({source.reason})")
    datasets = {form: as_needed(plan, read_with_progress(source, console, form)) for form in plan.forms}
    data = datasets[plan.forms[0]]
    check_inputs(plan, data.listing)
    check_finite(plan, data)
    protocol = options.protocol or default_protocol(data)
    protocols = plan.space.protocols(protocol)
    counts = ", ".join(f"{count:,} {usage}" for usage, count in data.counts().items())
    learned = learned_text(len(data.classes), data.listing.target_names)
    seen = f"{seen_as(data.features, plan.forms)}, {learned}"
    divided = f"{options.folds} folds" if options.folds else ", ".join(protocols)
    say(f"      {len(data.labels):,} {noun(data.features)}s ({counts}), {seen}, protocol {divided}")
    elsewhere = read_others(others, plan.forms, console)
    for name, forms in elsewhere.items():
        check_alike(name, forms[plan.forms[0]].features, data.features)
    views = make_plan(plan.space, **plan_arguments(options, source, protocol, "quick")).views
    parts = with_elsewhere(split_all(datasets, views), elsewhere)
    material = Material(source, others, datasets, elsewhere, protocol, protocols, parts)
    for text in (*_subjects_texts(material), *tested_texts(elsewhere, parts[views[0]])):
        say(f"      {text}")
    return material


def _subjects_texts(material: Material) -> list[str]:
    from fer_core.data.subjects import subjects_text

    if not (subjects := material.subjects):
        return []
    could = _could_fold(material.data.listing, material.protocol)
    hint = "; --folds 10 tests everybody in turn" if could else ""
    return [f"subjects: {subjects_text(subjects)}{hint}"]


def _could_fold(data: "Listing", protocol: str) -> bool:
    """Whether some of those who were given are tested, although all might be."""
    from fer_core.data.dataset import TRAINING

    return protocol == "holdout" and bool((data.usages == TRAINING).all())
