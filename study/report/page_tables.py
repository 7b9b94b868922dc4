"""The tables of the page: their headings, notes and cells."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from fer_core import paper
from fer_core.data.likeness import SAME_PHOTOGRAPH
from study.analysis.column import Column
from study.analysis.comparisons import Comparison
from study.analysis.effects import Effect
from study.analysis.estimate import Estimate
from study.analysis.findings import Findings
from study.analysis.looks import level_text, looks_text
from study.report.summary import (
    ENSEMBLES,
    FOLDS_CHANCE,
    SEEN,
    and_units,
    chance,
    column_lines,
    effect_text,
    interval,
    luck_text,
    paired_by,
    percent,
    points,
    seen_heading,
    tested_text,
    tuned_text,
)
from study.scale import SHARES, WITHOUT_UNIT, Scale


@dataclass(frozen=True)
class Cell:
    """What a table shows, and the number it is sorted by (None: by its text)."""

    text: str
    number: float | None = None


@dataclass(frozen=True)
class PageTable:
    title: str
    note: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def page_tables(found: Findings) -> list[PageTable]:
    """All of them in the order of the page, those without a row too."""
    others = [table for there in found.elsewhere.values() for table in _tables_elsewhere(there)]
    return [
        _effects(found),
        _comparisons(found),
        _arms(found),
        _seen(found),
        _ensembles(found),
        _targets(found),
        *others,
        _effort(found),
        _table_1(found),
        _optimism(found),
        _fixed(found),
    ]


def _tables_elsewhere(there: Findings) -> list[PageTable]:
    """What other data says, which was tested, too."""
    name, tested = there.evidence.tested_on, tested_text(there)
    note = f"{tested}, of which none trained or chose; the networks were asked which of these classes."
    tables = (_effects(there), _comparisons(there), _arms(there), _ensembles(there), _fixed(there))
    return [replace(one, title=f"On {name}: {one.title}", note=f"{note} {one.note}") for one in tables]


def _arms(found: Findings) -> PageTable:
    rows = []
    repeated = dict.fromkeys((found.evidence.repeats, "seeds"))
    measures = found.measures
    for arm in found.arms:
        cells = [Cell(arm.arm), *(Cell(str(getattr(arm, name)), getattr(arm, name)) for name in repeated)]
        for name, measure in measures.items():
            one = arm.estimates[name]
            cells.append(Cell(_with_interval(one, measure.scale), _number(one.value)))
        rows.append(cells)
    headings = ["arm", *repeated, *(measure.title for measure in measures.values())]
    less = [measure.title for measure in measures.values() if not measure.higher_is_better]
    better = f" The less {' and '.join(less)} the better." if less else ""
    if found.evidence.only_judged:
        unit = "" if found.evidence.judged_by.of_scores else ", in per cent"
        note = f"Means over the seeds, intervals over {chance(found)}{unit}.{better}"
        return PageTable("Test results", note, headings, rows)
    over = {
        "folds": FOLDS_CHANCE,
        "searches": f"searches{and_units(found)}",
        "seeds": f"seeds{and_units(found)} (of these configurations: another search might have chosen others)",
    }[found.evidence.repeats]
    each, unit = found.evidence.noun, "" if found.evidence.judged_by.of_scores else ", in per cent"
    note = (
        f"Means over the seeds of the confirmation, intervals over {over}{unit}. Without "
        f"twins: on the test {each}s with no identical {each} in training.{better}"
    )
    return PageTable("Test results of the winners", note, headings, rows)


def _comparisons(found: Findings) -> PageTable:
    evidence, measure = found.evidence, found.evidence.judged_by
    scale, beside = measure.scale, [name for name in ("macro_f1",) if name in evidence.measures]
    rows = [
        [
            Cell(f"{one.arm} - {one.baseline}"),
            *_judged_cells(one, scale),
            Cell(scale.size(one.difference.detectable(one.family)) if one.difference.repeats > 1 else "-"),
            *(Cell(points(one.differences[name].value), _number(one.differences[name].value)) for name in beside),
            *([] if measure.of_scores else [Cell(", ".join(f"{p:.2g}" for p in one.mcnemar.values()) or "-")]),
            Cell(str(one.difference.seeds), one.difference.seeds),
        ]
        for one in found.comparisons
    ]
    headings = [
        "pair",
        measure.title,
        f"{level_text(found.evidence.looks)} interval",
        "p, Holm",
        "verdict",
        "could have seen",
        *(evidence.measures[name].title for name in beside),
        *([] if measure.of_scores else ["McNemar, by seed"]),
        "seeds",
    ]
    within = scale.in_unit(scale.size(evidence.margin))
    alike = f"No difference larger than x: the whole interval within {within} of zero. " if evidence.margin else ""
    note = (
        f"Differences in test {measure.title}{scale.phrase}, paired by {paired_by(found)}; p corrected over all "
        f"{len(rows)} pairs of the study. Better or worse: corrected p below 0.05"
        f"{'' if measure.higher_is_better else ', less being better'}. {alike}Could have seen: the smallest true "
        "difference that such a study finds in four of five cases. What would decide is told for the next look, "
        f"which is judged more strictly.{'' if measure.of_scores else _of_mcnemar(found)}"
    )
    if found.evidence.repeats != "seeds":
        note += " " + luck_text(found)
    if found.evidence.earlier_looks:
        note += " " + looks_text(found.evidence.earlier_looks)
    return PageTable("Differences between arms", note, headings, rows)


def _of_mcnemar(found: Findings) -> str:
    if found.evidence.folds is not None:
        return " McNemar's test is left out: it takes every pair of networks alone."
    if found.evidence.knows_subjects:
        return f" McNemar's test is left out: it takes every {found.evidence.noun} for evidence of its own."
    return " McNemar: the exact p of each seed's pair of networks alone, which says nothing of other seeds."


def _judged_cells(one: Comparison | Effect, scale: Scale) -> list[Cell]:
    return [
        Cell(scale.gap(one.difference.value), _number(one.difference.value)),
        Cell(interval(one.difference, True, scale)),
        Cell(f"{one.p_corrected:.3f}", one.p_corrected),
        Cell(one.verdict),
    ]


def _effects(found: Findings) -> PageTable:
    rows = [
        [
            Cell(effect_text(one)),
            *_judged_cells(one, found.evidence.judged_by.scale),
            Cell(str(one.pairs), one.pairs),
            Cell(str(one.difference.seeds), one.difference.seeds),
        ]
        for one in found.effects
    ]
    measure, phrase = found.evidence.judged_by.title, found.evidence.judged_by.scale.phrase
    note = (
        f"Differences in test {measure}{phrase} between two values of what is compared, on the mean over all pairs "
        f"of arms that differ in these alone; p corrected over these {len(rows)}, verdicts as for pairs of arms."
    )
    level = level_text(found.evidence.looks)
    headings = ["values", measure, f"{level} interval", "p, Holm", "verdict", "pairs of arms", "seeds"]
    return PageTable("What each value does on the mean", note, headings, rows)


def _column_cells(columns: Sequence[Column], scale: Scale = SHARES) -> list[list[Cell]]:
    return [
        [
            Cell(name),
            *(Cell(f"{value} ({interval(one, signed, scale)})", _number(one.value)) for value, one, signed in cells),
        ]
        for name, cells in column_lines(columns, scale)
    ]


def _ensembles(found: Findings) -> PageTable:
    measure = found.evidence.judged_by.title
    note = (
        f"Test {measure}: the mean over an arm's confirmations, as above, and what they have when they answer "
        "together, by the mean of their probabilities (Lakshminarayanan et al. 2017). Intervals likewise, by the "
        "jackknife over networks; differences uncorrected: no verdict is by them."
    )
    headings = ["arm, or pair", *(one.title for one in found.ensembles)]
    return PageTable(ENSEMBLES, note, headings, _column_cells(found.ensembles))


def _targets(found: Findings) -> PageTable:
    rows = [
        [arm, Cell(target), *cells]
        for target, by_measure in found.targets.items()
        for arm, *cells in _column_cells(list(by_measure.values()), WITHOUT_UNIT)
    ]
    measures = next(iter(found.targets.values()), {})
    note = (
        "What is learned, each by itself. A concordance is below the correlation where answers lie off, or spread "
        "less than what is true. Intervals as above, of differences uncorrected."
    )
    return PageTable("Every target by itself", note, ["arm, or pair", "target", *measures], rows)


def _seen(found: Findings) -> PageTable:
    note = (
        "Of test images that are in training, too, pixel for pixel; that show a photograph which is there in "
        f"another crop, size or brightness (likeness of at least {SAME_PHOTOGRAPH:g}: most of these, and a few that "
        "only look alike); and of the others, which alone say what the networks make of new photographs. Intervals "
        "as above, of differences uncorrected."
    )
    return PageTable(SEEN, note, ["arm, or pair", *map(seen_heading, found.seen)], _column_cells(found.seen))


def _effort(found: Findings) -> PageTable:
    rows, written = [], found.evidence.judged_by.scale.value
    for arm in found.arms if not found.evidence.only_judged else ():
        effort = arm.effort
        counts = (effort.trials, effort.completed, effort.pruned, effort.diverged, effort.failed, effort.epochs)
        rows.append(
            [
                Cell(arm.arm),
                *(Cell(f"{count:,}", count) for count in counts),
                Cell(f"{effort.seconds / 60:.1f}", effort.seconds),
                Cell(written(arm.validation), _number(arm.validation)),
                *(Cell(written(value), _number(value)) for value in arm.untuned),
                Cell(tuned_text(arm.configs, arm.tuned)),
                Cell(str(arm.failed_confirmations), arm.failed_confirmations),
            ]
        )
    headings = ["arm", "search trials", "completed", "pruned", "diverged", "failed", "epochs", "minutes"]
    headings += [
        "winner, validation",
        "lower quartile",
        "median trial",
        "upper quartile",
        "winner",
        "failed confirmations",
    ]
    note = "What every arm got, and what it does untuned: the quartiles of its search trials on validation."
    return PageTable("Effort and spread", note, headings, rows)


def _table_1(found: Findings) -> PageTable:
    columns = paper.TABLE_1_COLUMNS
    runs = found.evidence.paper_runs
    rows = []
    for title, arm in found.evidence.reported.items():
        rows.append([Cell(title), Cell("Table 1, one run"), *_results(paper.TABLE_1[title], columns)])
        if title in runs:
            rows.append([Cell(title), Cell("as given, here, one seed"), *_results(runs[title], columns)])
        confirmed = next(one for one in found.arms if one.arm == arm).confirmations
        if len(confirmed):
            what = f"arm {arm}, confirmed, mean of {len(confirmed)}"
            rows.append([Cell(title), Cell(what), *_results(confirmed[list(columns)].mean(), columns)])
    note = (
        "Training results are those of the best epoch by validation; the paper's epoch was chosen on the test images."
    )
    headings = ["network", "run", "training loss", "training accuracy", "testing loss", "testing accuracy"]
    return PageTable("The paper's Table 1 beside ours", note, headings, rows)


def _results(row: Any, columns: Sequence[str]) -> list[Cell]:
    return [
        Cell(percent(row[name]) if name.endswith("accuracy") else _decimal(row[name]), _number(row[name]))
        for name in columns
    ]


def _decimal(value: float) -> str:
    return "-" if value is None or value != value else f"{value:.4f}"


def _optimism(found: Findings) -> PageTable:
    rows = [
        [
            Cell(one.arm),
            *(Cell(percent(value), _number(value)) for value in (one.accuracy, one.chosen_on, one.held_out)),
            Cell(points(one.owed.value), _number(one.owed.value)),
            Cell(interval(one.owed, signed=True)),
        ]
        for one in found.optimism
    ]
    headings = ["arm", "all test images, chosen on them", "PrivateTest, chosen on it"]
    headings += ["PrivateTest, chosen on PublicTest", "owed to choosing, points", "95 % interval"]
    note = "One configuration and its seeds in the paper's protocol and in the challenge's, on the images both test."
    return PageTable("What choosing on the test images adds", note, headings, rows)


def _fixed(found: Findings) -> PageTable:
    measure = found.evidence.judged_by
    told = {"val_accuracy": "validation accuracy", "test_accuracy": "test accuracy", "test_macro_f1": "test macro F1"}
    if measure.of_scores:
        told = {"val_score": f"validation {measure.title}", "test_score": f"test {measure.title}"}
    rows = [
        [
            Cell(str(row["trial"])),
            Cell(str(row["arm"])),
            Cell(str(row["status"])),
            *(Cell(measure.scale.value(row[name]), _number(row[name])) for name in told),
            Cell(row["error"] if isinstance(row["error"], str) else ""),
        ]
        for row in found.evidence.fixed.to_dict("records")
    ]
    headings = ["trial", "arm", "status", *told.values(), "error"]
    note = (
        "One seed each." if found.evidence.learned_folds is None else "One seed in each fold; means over the folds."
    )
    return PageTable("Configurations run as they were given", note, headings, rows)


def _with_interval(one: Estimate, scale: Scale) -> str:
    return scale.value(one.value) + (f" ({interval(one, scale=scale)})" if one.repeats >= 2 else "")


def _number(value: float) -> float | None:
    return None if value is None or value != value else float(value)
