"""The closing tables of a study in the terminal: its arms, their differences, and what they say of the question."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from fer_core import paper
from study.analysis.column import Column
from study.analysis.comparisons import Comparison
from study.analysis.effects import Effect
from study.analysis.estimate import Estimate
from study.analysis.findings import Findings
from study.analysis.looks import level_text, looks_text
from study.analysis.verdicts import plural
from study.scale import SHARES, Scale

MOST_WINNERS = 12  # whose values are told one by one
SHARED = "allowing for the training images that folds share (Nadeau and Bengio 2003)"
FOLDS_CHANCE = f"folds: other images, other training sets and other searches, {SHARED}"
JUDGED_FOLDS_CHANCE = f"folds: other test and training sets, {SHARED}"


def print_summary(console: Console, found: Findings) -> None:
    """Print what the study found. Lines of text stay lines where they are piped."""
    say, each = partial(console.print, soft_wrap=not console.is_terminal), found.evidence.noun
    console.print(_arms_table(found))
    what = "" if found.evidence.judged_by.of_scores else "accuracy "
    twins = f"; without twins: {what}on the test {each}s with no identical training {each}"
    told = "" if found.evidence.only_judged else twins
    say(f"Tests are means over the seeds with 95 % intervals over {chance(found)}{told}.")
    if not found.evidence.only_judged:
        say("Best configuration by validation:", *_winners_lines(found), sep="\n")
    searched = {arm.arm: arm.effort.trials for arm in found.arms if arm.effort.trials}
    if len(set(searched.values())) > 1:
        text = ", ".join(f"{arm} {count}" for arm, count in searched.items())
        say(f"The arms did not get the same number of search trials: {text}.")
    for text in found.left_out:
        say(text)
    papers = {row["config"] for row in found.evidence.paper_runs.values()}  # of pooled studies each ran them
    for row in found.evidence.fixed.to_dict("records"):
        whose = "The paper's configuration at this scale" if row["config"] in papers else "A configuration as given"
        say(f"{whose}, arm {row['arm']}, one seed: test {_tested_alone(found, row)}")
    if found.effects:
        console.print(_effects_table(found))
    if found.comparisons:
        console.print(_differences_table(found))
    if found.evidence.repeats != "seeds" and found.comparisons:
        say(luck_text(found))
    if found.evidence.earlier_looks and found.comparisons:
        say(looks_text(found.evidence.earlier_looks))
    if found.seen:
        console.print(_seen_table(found.seen))
    if found.optimism:
        console.print(_optimism_table(found))
    say(f"Verdict: {found.answer}")
    if found.elsewhere:
        console.print(_elsewhere_table(found))
    if any(there.comparisons for there in found.elsewhere.values()):
        console.print(_differences_elsewhere_table(found))
    for name, there in found.elsewhere.items():
        say(f"On {name}: {there.answer}")


def _tested_alone(found: Findings, row: Mapping[str, Any]) -> str:
    if found.evidence.judged_by.of_scores:
        return found.evidence.judged_by.scale.value(row[f"test_{found.evidence.measure}"])
    return f"{percent(row['test_accuracy'])}, without twins {percent(row['test_accuracy_distinct'])}"


def and_units(found: Findings) -> str:
    """What intervals are over beside what was repeated: what was tested on, where the answers to it are known."""
    known = all(arm.estimates[found.evidence.measure].over_images for arm in found.arms if arm.seeds)
    return f" and {found.evidence.units}" if known else ""


def chance(found: Findings) -> str:
    """What the intervals of arms are over, in words."""
    if found.evidence.only_judged:
        return JUDGED_FOLDS_CHANCE if found.evidence.folds is not None else f"seeds{and_units(found)}"
    return {
        "seeds": f"seeds{and_units(found)}, not over searches",
        "searches": f"searches{and_units(found)}",
        "folds": FOLDS_CHANCE,
    }[found.evidence.repeats]


def luck_text(found: Findings) -> str:
    """How far seeds and searches, or folds, move a difference."""
    luck, scale = found.luck, found.evidence.judged_by.scale
    winners = "" if found.evidence.only_judged else " of the same winners"
    seeds, unit = f"by other seeds{winners} {scale.size(luck.seed)}", f" {scale.unit}".rstrip()
    others = f", by other searches {scale.size(luck.search)}{unit}" if found.evidence.folds is None else unit
    others += f", from fold to fold {scale.size(luck.fold)}" if found.evidence.folds else ""
    return f"Luck, as the standard deviation of a difference over all pairs: {seeds}{others}."


percent, points = SHARES.value, SHARES.gap  # of fractions, whatever judges


def interval(one: Estimate, signed: bool = False, scale: Scale = SHARES) -> str:
    """The interval, or what it lacks. signed: of a difference."""
    if not one.seeds:
        return "-"
    if one.repeats < 2:
        return f"needs 2 {plural(one.unit)}"
    if one.without_spread:
        return "no spread seen"
    written = scale.gap if signed else scale.bare
    return f"{written(one.low)} to {written(one.high)}"


def tuned_text(configs: Sequence[Mapping[str, Any]], tuned: tuple[str, ...]) -> str:
    """The values of the winners' tuned settings in a line, search by search, or of many searches in what range."""
    if not configs:
        return "-"
    if not tuned:
        return "as given, nothing tuned"
    values = {name: _values_text([config[name] for config in configs]) for name in tuned}
    between = "; " if len(configs) > 1 else ", "
    return between.join(f"{name.partition('.')[2] or name} {text}" for name, text in values.items())


def _values_text(values: Sequence[Any]) -> str:
    if len(values) <= MOST_WINNERS:
        return ", ".join(map(value_text, values))
    if all(isinstance(value, float) for value in values):
        low, middle, high = np.quantile(values, [0, 0.5, 1], method="nearest")
        return f"median {value_text(float(middle))} ({value_text(float(low))} to {value_text(float(high))})"
    return ", ".join(f"{value_text(value)} in {count}" for value, count in Counter(values).most_common())


def value_text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _arms_table(found: Findings) -> Table:
    evidence = found.evidence
    judged_by, distinct = evidence.judged_by, evidence.measures[evidence.without_twins]
    same = evidence.measure == "accuracy" or judged_by.of_scores
    without = "without twins" if same else distinct.title
    table = Table(title=f"{evidence.name}: {evidence.record['question']}", title_justify="left")
    table.add_column("arm")
    repeated = dict.fromkeys((evidence.repeats, "seeds"))
    before = () if evidence.only_judged else ("trials", "epochs", "validation")
    after = () if evidence.only_judged else (without,)
    for heading in (*before, f"test {judged_by.title}", "95 % interval", *after, *repeated):
        table.add_column(heading, justify="right")
    for arm in found.arms:
        tested = arm.estimates[evidence.measure]
        search = (str(arm.effort.trials), str(arm.effort.epochs), judged_by.scale.value(arm.validation))
        table.add_row(
            arm.arm,
            *(search if before else ()),
            judged_by.scale.value(tested.value),
            interval(tested, scale=judged_by.scale),
            *((distinct.scale.value(arm.estimates[evidence.without_twins].value),) if after else ()),
            *(str(getattr(arm, name)) for name in repeated),
        )
    return table


def _winners_lines(found: Findings) -> list[str]:
    width = max(len(arm.arm) for arm in found.arms)
    return [f"  {arm.arm:{width}}  {tuned_text(arm.configs, arm.tuned)}" for arm in found.arms]


def _effects_table(found: Findings) -> Table:
    title = f"Differences in test {found.evidence.judged_by.differences}, on the mean over what else is compared"
    return _judged_table(found, title, "values", {effect_text(one): one for one in found.effects})


def effect_text(one: Effect) -> str:
    return f"{one.factor} {one.value} - {one.baseline}"


def _differences_table(found: Findings) -> Table:
    title = f"Differences in test {found.evidence.judged_by.differences}, paired by {paired_by(found)}"
    return _judged_table(found, title, "pair", {f"{one.arm} - {one.baseline}": one for one in found.comparisons})


def paired_by(found: Findings) -> str:
    if found.evidence.folds is not None:
        return "fold"
    by_image = any(one.difference.over_images for one in found.comparisons)
    return f"seed and test {found.evidence.noun}" if by_image else "seed"


def _judged_table(found: Findings, title: str, heading: str, rows: Mapping[str, Comparison | Effect]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(heading)
    for name in ("difference", f"{level_text(found.evidence.looks)} interval", "p, corrected"):
        table.add_column(name, justify="right")
    table.add_column("verdict")
    scale = found.evidence.judged_by.scale
    for text, one in rows.items():
        value, between = scale.gap(one.difference.value), interval(one.difference, True, scale)
        table.add_row(text, value, between, f"{one.p_corrected:.3f}", one.verdict)
    return table


def _elsewhere_table(found: Findings) -> Table:
    measure = found.evidence.judged_by.title
    title = f"Test {measure} on other data, which trained and chose nothing, by the classes that both have"
    table = Table(title=title, title_justify="left")
    table.add_column("arm")
    every = {found.evidence.record["data"]: found, **found.elsewhere}
    for name, there in every.items():
        table.add_column(f"{name}\n{tested_text(there)}", justify="right")
    for rows in zip(*(there.arms for there in every.values()), strict=True):
        cells = [arm.estimates[found.evidence.measure] for arm in rows]
        table.add_row(rows[0].arm, *(f"{percent(one.value)}\n{interval(one)}" for one in cells))
    return table


def tested_text(found: Findings) -> str:
    """How many images of how many classes were tested, and of how many subjects where that is known."""
    every = list(found.evidence.tested.values())
    if not every:
        return "not tested yet"
    every = every if found.evidence.folds is not None else every[:1]
    images, classes = len(_together([one.images for one in every])), len(found.evidence.record["class_names"])
    people = [one.subjects for one in every if one.subjects is not None]
    counted = f"{images:,} {found.evidence.noun}s" + (f", {classes} classes" if classes else "")
    return counted + (f", {len(_together(people)):,} subjects" if people else "")


def _together(parts: list[np.ndarray]) -> np.ndarray:
    """What occurs in any of them."""
    return np.unique(np.concatenate(parts))


def _differences_elsewhere_table(found: Findings) -> Table:
    measure = found.evidence.judged_by.title
    title = f"Differences in test {measure} there, points; p corrected for the pairs on the same data"
    rows = {
        f"{one.arm} - {one.baseline} on {name}": one
        for name, there in found.elsewhere.items()
        for one in there.comparisons
    }
    return _judged_table(found, title, "pair", rows)


SEEN = "Test accuracy by what was there to learn from"
ENSEMBLES = "One network, and all of an arm together"


def seen_heading(part: Column) -> str:
    return f"{part.title}, {counted_images(part.images)}"


def counted_images(count: int) -> str:
    return f"{count:,} image" if count == 1 else f"{count:,} images"


def _seen_table(parts: Sequence[Column]) -> Table:
    table = Table(title=SEEN, title_justify="left")
    table.add_column("arm, or pair")
    for part in parts:
        table.add_column(f"{part.title}\n{counted_images(part.images)}", justify="right")
    for name, cells in column_lines(parts):
        table.add_row(name, *(f"{value}\n{interval(one, signed)}" for value, one, signed in cells))
    return table


def column_lines(
    columns: Sequence[Column], scale: Scale = SHARES
) -> list[tuple[str, list[tuple[str, Estimate, bool]]]]:
    """A line an arm and a pair of arms, by its name: for every column the value in words, the estimate, and whether
    it is of a difference.
    """
    rows = []
    for cells in zip(*(one.estimates for one in columns), strict=True):
        arm, baseline, _ = cells[0]
        signed, word = baseline is not None, scale.value if baseline is None else scale.gap
        rows.append((f"{arm} - {baseline}" if signed else arm, [(word(one.value), one, signed) for *_, one in cells]))
    return rows


def _optimism_table(found: Findings) -> Table:
    reported = {arm: paper.REPORTED_TEST_ACCURACY[title] for title, arm in found.evidence.reported.items()}
    table = Table(title="What choosing on the test images adds, mean of seeds", title_justify="left")
    table.add_column("arm")
    for heading in (
        "Table 1",
        "all test images, chosen on them",
        "PrivateTest, chosen on it",
        "PrivateTest, chosen on PublicTest",
        "owed to choosing, points",
        "95 % interval",
    ):
        table.add_column(heading, justify="right")
    for one in found.optimism:
        table.add_row(
            one.arm,
            percent(reported.get(one.arm, math.nan)),
            *map(percent, (one.accuracy, one.chosen_on, one.held_out)),
            points(one.owed.value),
            interval(one.owed, signed=True),
        )
    return table
