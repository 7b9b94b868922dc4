"""What a search trial's rank after some epochs says of its rank at the end: Spearman's correlation, arm by arm.

Of the best validation accuracy so far, over the trials that reached the last epoch looked at. Where it is near 0, a
rung there stops trials by chance. By default for recorded trials of FER2013 that nothing stopped.

    python -m benchmarks.ranks
    python -m benchmarks.ranks results/NAME --last 32     # of another study, whose trials ran for 32 epochs at least
"""

import argparse
import math
from pathlib import Path

from rich.console import Console
from rich.table import Table

from study.records.parquet import read_table

CURVES = Path(__file__).parents[1] / "results" / "reference" / "curves-fer2013-eighth"
SHARES = {"a ninth": 1 / 9, "a third": 1 / 3, "half": 1 / 2, "two thirds": 2 / 3}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="benchmarks.ranks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=CURVES, metavar="DIR", help="a study's folder")
    parser.add_argument("--last", type=int, help="the epoch that counts as the end (default: the study's last)")
    options = parser.parse_args(arguments)
    trials, epochs = (read_table(options.folder, name) for name in ("trials", "epochs"))
    searched = trials[trials["phase"] == "search"]
    epochs = epochs[epochs["trial"].isin(searched["trial"])]
    last = options.last or int(epochs["epoch"].max())
    after = {name: math.ceil(last * share) for name, share in SHARES.items()}
    table = Table("arm", "trials", *(f"{name}: {epoch}" for name, epoch in after.items()))
    for arm, rows in searched.groupby("arm", sort=False):
        curves = epochs[epochs["trial"].isin(rows["trial"])].pivot(
            index="epoch", columns="trial", values="val_accuracy"
        )
        best = curves.loc[:last, curves.loc[last].notna()].cummax()
        ranks = [best.loc[epoch].corr(best.loc[last], method="spearman") for epoch in after.values()]
        table.add_row(str(arm), str(best.shape[1]), *(f"{rank:+.2f}" for rank in ranks))
    console = Console()
    console.print(f"{options.folder.name}: rank correlation with epoch {last}, after")
    console.print(table)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
