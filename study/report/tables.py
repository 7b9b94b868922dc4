"""`arms`, `comparisons`, `effects`, `seen`, `ensembles`, `targets`: parquet, CSV, LaTeX; most of other data, too.

Their columns are documented in `results/README.md`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from study.analysis.arms import ArmFindings
from study.analysis.column import Column
from study.analysis.comparisons import Comparison
from study.analysis.effects import Effect
from study.analysis.estimate import Estimate
from study.analysis.findings import Findings
from study.analysis.looks import level_text
from study.analysis.measures import MEASURES
from study.records.schemas import CONFIG_COLUMNS, SCHEMA_VERSION, SETTING, VERSION_KEY
from study.report.summary import ENSEMBLES, SEEN, column_lines, effect_text, paired_by, seen_heading
from study.scale import SHARES, WITHOUT_UNIT, Scale

F, I, S = pa.float64(), pa.int64(), pa.string()  # noqa: E741
BOUNDS = ("", "_low", "_high", "_se")
JUDGED = {
    **{"looks": I, "folds": I, "searches": I, "seeds": I, "seed_sd": F, "search_sd": F},
    **{"difference": F, "low": F, "high": F, "standard_error": F, "p_value": F, "p_corrected": F},
}
COLUMNS: dict[str, dict[str, pa.DataType]] = {
    "arms": {
        **{"study": S, "arm": S, "trials": I, "completed": I, "pruned": I, "diverged": I, "failed": I},
        **{"search_epochs": I, "search_seconds": F, "validation": F},
        **{f"untuned_{name}": F for name in ("lower_quartile", "median", "upper_quartile")},
        **{"folds": I, "searches": I, "seeds": I, "failed_confirmations": I, "parameters": I, "seconds": F},
        **{f"test_{name}{bound}": F for name in MEASURES for bound in BOUNDS},
        **{"seed_sd": F, "search_sd": F},
        **CONFIG_COLUMNS,
    },
    "comparisons": {
        **{"study": S, "arm": S, "baseline": S, "measure": S, **JUDGED},
        **{"comparisons": I, "detectable": F, "verdict": S, "claim": S},
        **{"mcnemar_seeds": pa.list_(I), "mcnemar_p": pa.list_(F)},
        **{f"test_{name}_difference{bound}": F for name in MEASURES for bound in BOUNDS},
    },
    "effects": {
        **{"study": S, "factor": S, "value": S, "baseline": S, "measure": S, "pairs": I, **JUDGED},
        **{"effects": I, "detectable": F, "verdict": S},
    },
    "seen": {
        **{"study": S, "seen": S, "images": I, "arm": S, "baseline": S},
        **{"looks": I, "folds": I, "searches": I, "seeds": I},
        **{"value": F, "low": F, "high": F, "standard_error": F},
    },
    "ensembles": {
        **{"study": S, "arm": S, "baseline": S, "measure": S},
        **{"looks": I, "folds": I, "searches": I, "networks": I},
        **{f"{name}{bound}": F for name in ("one", "together") for bound in BOUNDS},
    },
    "targets": {
        **{"study": S, "target": S, "measure": S, "images": I, "arm": S, "baseline": S},
        **{"looks": I, "folds": I, "searches": I, "seeds": I},
        **{"value": F, "low": F, "high": F, "standard_error": F},
    },
}
OPTIONAL = ("effects", "seen", "ensembles", "targets")  # written only where there is something to say


ELSEWHERE = "elsewhere"
Rows = Callable[[Sequence[Findings]], list[dict[str, Any]]]


def write_tables(found: Sequence[Findings], folders: Sequence[Path], report: Path) -> list[Path]:
    """Write the tables: parquet into every one of `folders`, CSV and LaTeX into `report`. Returns the files.

    `effects` only where a study crosses factors, `seen` where it is known what was there to learn from, `ensembles`
    where an arm has several networks, `targets` where it is known which numbers were answered,
    `elsewhere_arms` and so on where other data was tested, too.
    """
    written = []
    for name, (rows, latex) in TABLES.items():
        here, there = rows(found), _rows_elsewhere(rows, found)
        if here or name not in OPTIONAL:
            written += _write_table(name, here, COLUMNS[name], latex(found), folders, report)
        if there:
            text = latex([one for each in found for one in each.elsewhere.values()])
            written += _write_table(f"{ELSEWHERE}_{name}", there, {"data": S, **COLUMNS[name]}, text, folders, report)
    return written


def _rows_elsewhere(rows: Rows, found: Sequence[Findings]) -> list[dict[str, Any]]:
    """The rows of other data, each beginning with its name."""
    others = [(name, there) for one in found for name, there in one.elsewhere.items()]
    return [{"data": name, **row} for name, there in others for row in rows([there])]


def _write_table(
    name: str,
    rows: list[dict[str, Any]],
    types: Mapping[str, pa.DataType],
    latex: str,
    folders: Sequence[Path],
    report: Path,
) -> list[Path]:
    columns = [*dict.fromkeys([*types, *(column for row in rows for column in row)])]
    table, written = _table(rows, columns, types), []
    for folder in folders:
        path = folder / f"{name}.parquet"
        partial = path.with_suffix(".parquet.partial")
        pq.write_table(table, partial, compression="zstd")
        partial.replace(path)
        written.append(path)
    csv = pd.DataFrame(rows, columns=columns).map(_joined)
    return [*written, _write(report / f"{name}.csv", csv.to_csv(index=False)), _write(report / f"{name}.tex", latex)]


def _table(rows: list[dict[str, Any]], columns: Sequence[str], types: Mapping[str, pa.DataType]) -> pa.Table:
    """The rows in Arrow. Of the settings of a user's own network or trainer Arrow finds the type."""
    arrays = [pa.array([row.get(column) for row in rows], types.get(column)) for column in columns]
    return pa.table(arrays, names=columns, metadata={VERSION_KEY: str(SCHEMA_VERSION)})  # type: ignore[arg-type]


def arm_rows(found: Sequence[Findings]) -> list[dict[str, Any]]:
    """A row an arm of every study, as `COLUMNS` has it."""
    return [_arm_row(one, arm) for one in found for arm in one.arms]


def comparison_rows(found: Sequence[Findings]) -> list[dict[str, Any]]:
    """A row a pair of arms of every study."""
    return [_comparison_row(one, pair) for one in found for pair in one.comparisons]


def effect_rows(found: Sequence[Findings]) -> list[dict[str, Any]]:
    """A row a pair of a factor's values of every study that crosses factors."""
    return [_effect_row(one, effect) for one in found for effect in one.effects]


def seen_rows(found: Sequence[Findings]) -> list[dict[str, Any]]:
    """A row an arm and a pair of arms of every study, for every part of its test images."""
    return [
        _column_row(one, {"seen": part.title}, part, arm, baseline, estimate)
        for one in found
        for part in one.seen
        for arm, baseline, estimate in part.estimates
    ]


def target_rows(found: Sequence[Findings]) -> list[dict[str, Any]]:
    """A row an arm and a pair of arms of every study, for every target and measure of it."""
    return [
        _column_row(one, {"target": target, "measure": measure}, part, arm, baseline, estimate)
        for one in found
        for target, by_measure in one.targets.items()
        for measure, part in by_measure.items()
        for arm, baseline, estimate in part.estimates
    ]


def ensemble_rows(found: Sequence[Findings]) -> list[dict[str, Any]]:
    """A row an arm, or a pair of arms, of every study with several networks an arm."""
    return [
        _ensemble_row(study, arm, baseline, one, together)
        for study in found
        for (arm, baseline, one), (_, _, together) in zip(*(each.estimates for each in study.ensembles), strict=True)
    ]


def arms_latex(found: Sequence[Findings]) -> str:
    """The arms as a table for a paper, with booktabs."""
    rows = [
        {
            **_study_cell(found, one),
            "arm": arm.arm,
            "trials": str(arm.effort.trials),
            **{name: str(getattr(arm, name)) for name in (one.evidence.repeats, "seeds")},
            **{how.title: _with_margin(arm.estimates[name], how.scale) for name, how in one.measures.items()},
        }
        for one in found
        for arm in one.arms
    ]
    unit = "" if any(one.evidence.judged_by.of_scores for one in found) else " in per cent"
    return _latex(rows, f"Test results{unit}, mean over seeds with the margin of the 95 % interval.")


def comparisons_latex(found: Sequence[Findings]) -> str:
    """The comparisons likewise."""
    rows = [
        {**_study_cell(found, one), "pair": f"{pair.arm} - {pair.baseline}", **_latex_cells(one, pair)}
        for one in found
        for pair in one.comparisons
    ]
    levels = " or ".join(dict.fromkeys(level_text(one.evidence.looks) for one in found))
    paired = " or ".join(dict.fromkeys(map(paired_by, found)))
    units = " or ".join(dict.fromkeys(one.evidence.judged_by.scale.unit or "the score's unit" for one in found))
    return _latex(rows, f"Differences in {units}, paired by {paired}, with {levels} interval and Holm's correction.")


def effects_latex(found: Sequence[Findings]) -> str:
    """The effects likewise."""
    rows = [
        {**_study_cell(found, one), "values": effect_text(effect), **_latex_cells(one, effect)}
        for one in found
        for effect in one.effects
    ]
    return _latex(rows, "Differences in points on the mean over what else is compared, likewise.")


def seen_latex(found: Sequence[Findings]) -> str:
    """Accuracies and differences by what was there to learn from, likewise."""
    return _columns_latex(found, SEEN, lambda one: one.seen, seen_heading)


def ensembles_latex(found: Sequence[Findings]) -> str:
    """One network and all of an arm together, likewise."""
    return _columns_latex(found, ENSEMBLES, lambda one: one.ensembles, lambda column: column.title)


def targets_latex(found: Sequence[Findings]) -> str:
    """Every target by itself, likewise."""
    rows = [
        {
            **_study_cell(found, one),
            "arm, or pair": name,
            "target": target,
            **{
                measure: _with_margin(estimate, WITHOUT_UNIT, value)
                for measure, (value, estimate, _) in zip(by_measure, cells, strict=True)
            },
        }
        for one in found
        for target, by_measure in one.targets.items()
        for name, cells in column_lines(list(by_measure.values()), WITHOUT_UNIT)
    ]
    return _latex(rows, "Every target by itself, with the margin of the interval.")


def _columns_latex(
    found: Sequence[Findings],
    title: str,
    columns: Callable[[Findings], Sequence[Column]],
    heading: Callable[[Column], str],
) -> str:
    rows = []
    for one in found:
        headings = [heading(each) for each in columns(one)]
        for name, cells in column_lines(columns(one)):
            texts = [_with_margin(estimate, SHARES, value) for value, estimate, _ in cells]
            rows.append({**_study_cell(found, one), "arm, or pair": name, **dict(zip(headings, texts, strict=True))})
    return _latex(rows, f"{title}, in per cent and in points, with the margin of the interval.")


TABLES: dict[str, tuple[Rows, Callable[[Sequence[Findings]], str]]] = {
    "arms": (arm_rows, arms_latex),
    "comparisons": (comparison_rows, comparisons_latex),
    "effects": (effect_rows, effects_latex),
    "seen": (seen_rows, seen_latex),
    "ensembles": (ensemble_rows, ensembles_latex),
    "targets": (target_rows, targets_latex),
}


def label(found: Findings) -> str:
    """What the column `study` says: the names of the folders pooled."""
    return " + ".join(folder.name for folder in found.evidence.folders)


def _arm_row(found: Findings, arm: ArmFindings) -> dict[str, Any]:
    row = {
        "study": label(found),
        "arm": arm.arm,
        **{name: getattr(arm.effort, name) for name in ("trials", "completed", "pruned", "diverged", "failed")},
        "search_epochs": arm.effort.epochs,
        "search_seconds": arm.effort.seconds,
        "validation": arm.validation,
        **dict(zip(("untuned_lower_quartile", "untuned_median", "untuned_upper_quartile"), arm.untuned, strict=True)),
        "folds": arm.folds,
        "searches": arm.searches,
        "seeds": arm.seeds,
        "failed_confirmations": arm.failed_confirmations,
        "parameters": arm.parameters,
        "seconds": arm.seconds,
    }
    for name in found.measures:
        row |= _bounds(f"test_{name}", arm.estimates[name])
    tested = arm.estimates[found.evidence.measure]
    row |= {"seed_sd": tested.seed_sd, "search_sd": tested.search_sd}
    row |= {f"{SETTING}{name}": value for name, value in (arm.config or {}).items()}
    return {name: _finite(value) for name, value in row.items()}


def _comparison_row(found: Findings, pair: Comparison) -> dict[str, Any]:
    claim = found.evidence.claim
    row = {
        "study": label(found),
        "arm": pair.arm,
        "baseline": pair.baseline,
        "measure": pair.measure,
        **_judged_row(pair),
        "comparisons": pair.family,
        "claim": found.claim if claim is not None and (pair.baseline, pair.arm) == claim.pair else None,
        "mcnemar_seeds": [seed for _, seed in pair.mcnemar],
        "mcnemar_p": list(pair.mcnemar.values()),
    }
    for name in found.measures:
        row |= _bounds(f"test_{name}_difference", pair.differences[name])
    return {name: _finite(value) for name, value in row.items()}


def _effect_row(found: Findings, effect: Effect) -> dict[str, Any]:
    row = {
        "study": label(found),
        "factor": effect.factor,
        "value": effect.value,
        "baseline": effect.baseline,
        "measure": found.evidence.measure,
        "pairs": effect.pairs,
        **_judged_row(effect),
        "effects": effect.family,
    }
    return {name: _finite(value) for name, value in row.items()}


def _ensemble_row(
    found: Findings, arm: str, baseline: str | None, one: Estimate, together: Estimate
) -> dict[str, Any]:
    row = {
        "study": label(found),
        "arm": arm,
        "baseline": baseline,
        "measure": found.evidence.measure,
        "looks": one.looks,
        "folds": one.folds,
        "searches": one.searches or one.folds or 1,
        "networks": one.seeds,
        **_bounds("one", one),
        **_bounds("together", together),
    }
    return {name: _finite(value) for name, value in row.items()}


def _column_row(
    found: Findings, said: Mapping[str, str], part: Column, arm: str, baseline: str | None, one: Estimate
) -> dict[str, Any]:
    row = {
        "study": label(found),
        **said,
        "images": part.images,
        "arm": arm,
        "baseline": baseline,
        "looks": one.looks,
        "folds": one.folds,
        "searches": one.searches or one.folds or 1,
        "seeds": one.seeds,
        "value": one.value,
        "low": one.low,
        "high": one.high,
        "standard_error": one.standard_error,
    }
    return {name: _finite(value) for name, value in row.items()}


def _judged_row(one: Comparison | Effect) -> dict[str, Any]:
    gap = one.difference
    return {
        "looks": gap.looks,
        "folds": gap.folds,
        "searches": gap.searches or gap.folds or 1,
        "seeds": gap.seeds,
        "seed_sd": gap.seed_sd,
        "search_sd": gap.search_sd,
        "difference": gap.value,
        "low": gap.low,
        "high": gap.high,
        "standard_error": gap.standard_error,
        "p_value": gap.p_value,
        "p_corrected": one.p_corrected,
        "detectable": gap.detectable(one.family),
        "verdict": one.verdict,
    }


def _latex_cells(found: Findings, one: Comparison | Effect) -> dict[str, str]:
    gap, scale = one.difference, found.evidence.judged_by.scale
    known = gap.repeats > 1 and not gap.without_spread
    return {
        "seeds": str(gap.seeds),
        "difference": scale.gap(gap.value),
        "low": scale.gap(gap.low) if known else "-",
        "high": scale.gap(gap.high) if known else "-",
        "p, corrected": f"{one.p_corrected:.3f}",
        "verdict": one.verdict,
    }


def _bounds(name: str, one: Estimate) -> dict[str, float]:
    return dict(zip((name + b for b in BOUNDS), (one.value, one.low, one.high, one.standard_error), strict=True))


def _finite(value: Any) -> Any:
    """Nothing where there is no number, or an interval without an end."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _joined(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, list) else value


def _study_cell(all_found: Sequence[Findings], one: Findings) -> dict[str, str]:
    elsewhere = {} if one.evidence.tested_on is None else {"data": one.evidence.tested_on}
    return elsewhere | ({"study": label(one)} if len({label(each) for each in all_found}) > 1 else {})


def _with_margin(one: Estimate, scale: Scale, value: str | None = None) -> str:
    text = (value or scale.value(one.value)).removesuffix(scale.sign)
    return text if one.repeats < 2 or one.without_spread else f"{text} ± {scale.size(one.margin())}"


def _latex(rows: list[dict[str, str]], caption: str) -> str:
    if not rows:
        return "% nothing to show yet\n"
    styler = pd.DataFrame(rows).style.format(escape="latex").format_index(escape="latex", axis=1).hide(axis="index")
    return styler.to_latex(hrules=True, caption=caption.replace("%", r"\%"), position_float="centering")


def _write(path: Path, text: str) -> Path:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
    return path
