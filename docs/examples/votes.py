"""A score that no study has: how far networks' answers are from what the annotators said, image by image.

The networks of `results/reference/soft_labels-ferplus-quarter`, trained towards FER+'s labels, towards the
distribution of its votes, or towards labels drawn from it. Their score is the Kullback-Leibler divergence of what a
network says from the votes, in nats, 0 where it says what the annotators did:

    python docs/examples/votes.py fer2013.csv fer2013new.csv votes.csv
    python -m study.judge votes.csv --column score=divergence --lower-is-better --unit nats
"""

import sys
from pathlib import Path

import numpy as np
from scipy.special import rel_entr

from fer_core.data.sources import find_source, read
from study.records.parquet import read_table

STUDY = Path(__file__).parents[2] / "results" / "reference" / "soft_labels-ferplus-quarter"


def main(data: str, votes: str, path: str) -> None:
    said = read(find_source(data, votes)).distributions
    trials = read_table(STUDY, "trials").query("phase == 'confirm'")
    answers = read_table(STUDY, "predictions").merge(trials[["trial", "arm", "seed"]], on="trial")
    probabilities = np.stack(answers["probabilities"].to_list())
    divergence = rel_entr(said[answers["image"]], probabilities).sum(axis=1)
    table = answers[["arm", "seed"]].assign(example=answers["image"], divergence=divergence)
    table.to_csv(path, index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
