"""The closing table of a study: its arms, their differences, and what they say of the question."""

import math

import pandas as pd
from rich.console import Console
from rich.table import Table

from fer_core.data.sources import SYNTHETIC
from study.plan import Plan
from study.statistics import (
    ArmEstimate,
    Difference,
    claim_verdict,
    compare,
    confirmed,
    estimate_arm,
)


def print_summary(
    console: Console, plan: Plan, trials: pd.DataFrame, winners: dict[str, str | None], data: str
) -> None:
    """Print the closing tables. `winners`: each arm's best configuration, by digest; `data`: the data set's name."""
    estimates = [estimate_arm(trials, arm.name, winners[arm.name]) for arm in plan.arms]
    console.print(_arms_table(plan, estimates, trials, winners, data))
    fixed = trials[trials["phase"] == "fixed"]
    for row in fixed.itertuples():
        console.print(
            f"The paper's configuration at this scale, arm {row.arm}, one seed: test {_percent(row.test_accuracy)}"
        )
    differences = compare({arm.name: confirmed(trials, arm.name, winners[arm.name]) for arm in plan.arms})
    if differences and plan.seeds:
        console.print(_differences_table(differences))
        console.print(verdict_line(plan, differences, data))


def verdict_line(plan: Plan, differences: list[Difference], data: str) -> str:
    """The study's answer in words, as far as it goes."""
    parts = []
    for d in differences:
        if d.baseline == plan.arms[0].name and d.verdict != "undecided":
            parts.append(f"{d.arm} is {d.verdict} than {d.baseline}")
    answer = "; ".join(parts) or f"no arm can be told from {plan.arms[0].name} with {plan.seeds} seeds"
    if plan.space.name == "se_placement":
        if data == SYNTHETIC:
            answer += ". These are drawn faces: they say nothing of FER2013"
        else:
            gain = next(d for d in differences if (d.baseline, d.arm) == ("none", "block"))
            answer += f". The paper's gain of +1.03 points for SE per block: {claim_verdict(gain)}"
            if plan.base.model.width != 1 or plan.base.data.train_images is not None:
                answer += " (at this reduced scale)"
    return f"Verdict: {answer}."


def _arms_table(
    plan: Plan, estimates: list[ArmEstimate], trials: pd.DataFrame, winners: dict[str, str | None], data: str
) -> Table:
    table = Table(title=f"{plan.space.name} on {data}: {plan.space.question}", title_justify="left")
    table.add_column("arm")
    table.add_column("best configuration by validation", overflow="fold")
    for heading in ("trials", "epochs", "validation", "test, mean of seeds", "spread", "seeds"):
        table.add_column(heading, justify="right")
    for e in estimates:
        table.add_row(
            e.arm,
            _tuned_text(plan, trials, e.arm, winners[e.arm]),
            str(e.search_trials),
            str(e.search_epochs),
            _percent(e.val_accuracy),
            _percent(e.test_accuracy),
            "-" if math.isnan(e.test_spread) else f"± {100 * e.test_spread:.2f}",
            str(e.seeds),
        )
    return table


def _tuned_text(plan: Plan, trials: pd.DataFrame, arm_name: str, winner: str | None) -> str:
    rows = trials[(trials["arm"] == arm_name) & (trials["trial"].str.split("-").str[0] == winner)]
    if rows.empty:
        return "-"
    arm = next(a for a in plan.arms if a.name == arm_name)
    values = {name: rows.iloc[0][f"config.{name}"] for name in plan.space.tuned_in(arm)}
    return ", ".join(
        f"{name.partition('.')[2]} {value:.3g}" if isinstance(value, float) else f"{name.partition('.')[2]} {value}"
        for name, value in values.items()
    )


def _differences_table(differences: list[Difference]) -> Table:
    table = Table(title="Differences in test accuracy, points, paired by seed", title_justify="left")
    table.add_column("pair")
    table.add_column("difference", justify="right")
    table.add_column("95 % interval over seeds", justify="right")
    table.add_column("verdict")
    for d in differences:
        interval = f"{100 * d.low:+.2f} to {100 * d.high:+.2f}" if math.isfinite(d.low) else "needs 2 seeds"
        table.add_row(f"{d.arm} - {d.baseline}", f"{100 * d.mean:+.2f}", interval, d.verdict)
    return table


def _percent(fraction: float) -> str:
    return "-" if fraction is None or math.isnan(fraction) else f"{100 * fraction:.2f} %"
