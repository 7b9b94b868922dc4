"""The closing table of a study: its arms, their differences, and what they say of the question."""

import math

import pandas as pd
from rich.console import Console
from rich.table import Table

from fer_core import paper
from fer_core.data.sources import SYNTHETIC
from search_spaces.space import Arm
from study.optimism import Optimism, optimism
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
    console: Console,
    plan: Plan,
    trials: pd.DataFrame,
    predictions: pd.DataFrame,
    winners: dict[str, str | None],
    data: str,
) -> None:
    """Print the closing tables. `winners`: each arm's best configuration, by digest; `data`: the data set's name."""
    measure = plan.space.measure
    estimates = [estimate_arm(trials, arm.name, winners[arm.name], measure) for arm in plan.arms]
    console.print(_arms_table(plan, estimates, trials, winners, data))
    console.print(
        "Tests are means over the seeds; without twins: accuracy on the test images with no identical training image."
    )
    searched = {e.arm: e.search_trials for e in estimates if plan.trials_in(_arm(plan, e.arm))}
    if len(set(searched.values())) > 1:
        text = ", ".join(f"{arm} {count}" for arm, count in searched.items())
        console.print(f"The arms did not get the same number of search trials: {text}.")
    fixed = trials[trials["phase"] == "fixed"]
    for row in fixed.itertuples():
        console.print(
            f"The paper's configuration at this scale, arm {row.arm}, one seed: test {_percent(row.test_accuracy)}, "
            f"without twins {_percent(row.test_accuracy_distinct)}"
        )
    tested = {arm.name: confirmed(trials, arm.name, winners[arm.name], f"test_{measure}") for arm in plan.arms}
    differences = [
        d
        for group in plan.space.comparable()
        for d in compare({arm.name: tested[arm.name] for arm in group})
        if d.seeds
    ]
    if differences:
        console.print(_differences_table(differences, measure))
    owed = optimism(trials, predictions)
    if owed:
        console.print(_optimism_table(plan, owed))
    if differences:
        console.print(verdict_line(plan, differences, data))


def verdict_line(plan: Plan, differences: list[Difference], data: str) -> str:
    """The study's answer in words, as far as it goes."""
    baselines = [group[0].name for group in plan.space.comparable()]
    against = [d for d in differences if d.baseline in baselines]
    parts = [f"{d.arm} is {d.verdict} than {d.baseline}" for d in against if d.verdict != "undecided"]
    answer = "; ".join(parts) or f"no arm can be told from {' or '.join(baselines)} with {plan.seeds} seeds"
    arms = tuple(arm.name for _, arm in plan.space.paper_trials())
    claim = next((d for d in differences if (d.baseline, d.arm) == arms), None)
    if data == SYNTHETIC:
        answer += ". These are drawn faces: they say nothing of FER2013"
    elif claim is not None:
        answer += f". The paper's gain of +1.03 points for SE per block: {claim_verdict(claim)}"
        if plan.base.model.width != 1 or plan.base.data.train_images is not None:
            answer += " (at this reduced scale)"
    return f"Verdict: {answer}."


def _optimism_table(plan: Plan, owed: list[Optimism]) -> Table:
    reported = {arm.name: paper.REPORTED_TEST_ACCURACY[title] for title, arm in plan.space.paper_trials()}
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
    for o in owed:
        table.add_row(
            o.arm,
            _percent(reported.get(o.arm, math.nan)),
            *map(_percent, (o.accuracy, o.chosen_on, o.held_out)),
            f"{100 * o.owed.mean:+.2f}",
            _interval(o.owed),
        )
    return table


def _arms_table(
    plan: Plan, estimates: list[ArmEstimate], trials: pd.DataFrame, winners: dict[str, str | None], data: str
) -> Table:
    table = Table(title=f"{plan.space.name} on {data}: {plan.space.question}", title_justify="left")
    table.add_column("arm")
    table.add_column("best configuration by validation", overflow="fold")
    name = _name(plan.space.measure)
    for heading in ("trials", "epochs", f"validation {name}", f"test {name}", "spread", "without twins", "seeds"):
        table.add_column(heading, justify="right")
    for e in estimates:
        table.add_row(
            e.arm,
            _tuned_text(plan, trials, e.arm, winners[e.arm]),
            str(e.search_trials),
            str(e.search_epochs),
            _percent(e.validation),
            _percent(e.test),
            "-" if math.isnan(e.test_spread) else f"± {100 * e.test_spread:.2f}",
            _percent(e.test_accuracy_distinct),
            str(e.seeds),
        )
    return table


def _tuned_text(plan: Plan, trials: pd.DataFrame, arm_name: str, winner: str | None) -> str:
    rows = trials[(trials["arm"] == arm_name) & (trials["trial"].str.split("-").str[0] == winner)]
    if rows.empty:
        return "-"
    values = {name: rows.iloc[0][f"config.{name}"] for name in plan.space.tuned_in(_arm(plan, arm_name))}
    if not values:
        return "as given, nothing tuned"
    return ", ".join(
        f"{name.partition('.')[2]} {value:.3g}" if isinstance(value, float) else f"{name.partition('.')[2]} {value}"
        for name, value in values.items()
    )


def _differences_table(differences: list[Difference], measure: str) -> Table:
    table = Table(title=f"Differences in test {_name(measure)}, points, paired by seed", title_justify="left")
    table.add_column("pair")
    table.add_column("difference", justify="right")
    table.add_column("95 % interval over seeds", justify="right")
    table.add_column("verdict")
    for d in differences:
        table.add_row(f"{d.arm} - {d.baseline}", f"{100 * d.mean:+.2f}", _interval(d), d.verdict)
    return table


def _interval(d: Difference) -> str:
    return f"{100 * d.low:+.2f} to {100 * d.high:+.2f}" if math.isfinite(d.low) else "needs 2 seeds"


def _arm(plan: Plan, name: str) -> Arm:
    return next(arm for arm in plan.arms if arm.name == name)


def _name(measure: str) -> str:
    return {"accuracy": "accuracy", "macro_f1": "macro F1"}[measure]


def _percent(fraction: float) -> str:
    return "-" if fraction is None or math.isnan(fraction) else f"{100 * fraction:.2f} %"
