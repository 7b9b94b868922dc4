"""Draw the README's picture from a study's tables: `python docs/make_picture.py STUDY PICTURE.png`."""

import json
import sys
from pathlib import Path

import matplotlib
import pandas as pd

matplotlib.use("Agg")
from matplotlib import pyplot as plt

# Okabe and Ito's colours, and markers, so that the arms can be told apart in grey too.
STYLES = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"))


def main(study: Path, picture: Path) -> None:
    record = json.loads((study / "study.json").read_text())
    trials = pd.read_parquet(study / "trials.parquet").query("phase == 'confirm' and status == 'completed'")
    epochs = pd.read_parquet(study / "epochs.parquet")
    figure, (curves, dots) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for position, (arm, (colour, marker)) in enumerate(zip(record["arms"], STYLES, strict=False)):
        confirmed = trials[trials["arm"] == arm]
        by_epoch = epochs[epochs["trial"].isin(confirmed["trial"])].groupby("epoch")["val_accuracy"]
        line = 100 * by_epoch.agg(["mean", "min", "max"])
        curves.plot(line.index, line["mean"], color=colour, marker=marker, markersize=4, label=arm)
        curves.fill_between(line.index, line["min"], line["max"], color=colour, alpha=0.15)
        tested = 100 * confirmed["test_accuracy"]
        dots.plot(tested, [position] * len(tested), marker, color=colour, markerfacecolor="none")
        dots.plot(tested.mean(), position, marker, color=colour, markersize=10)
    curves.set(xlabel="epoch", ylabel="validation accuracy, %", title="winners, mean and range over seeds")
    curves.xaxis.get_major_locator().set_params(integer=True)
    curves.legend(title="SE blocks", frameon=False)
    dots.set(xlabel="test accuracy, %", title="every seed (open) and their mean (filled)", ylabel="SE blocks")
    dots.set_yticks(range(len(record["arms"])), record["arms"])
    dots.set_ylim(len(record["arms"]) - 0.5, -0.5)
    for axes in (curves, dots):
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(
        f"{record['space']} on {record['data']}, protocol {record['protocol']}, budget {record['budget']}"
    )
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
