"""Trainings that ran without this project, judged by it: do more trees help a random forest?

Ten folds of scikit-learn's handwritten digits, each forest grown three times. What the forests answer is written as a
table, a row an answer, and judged in two seconds:

    python docs/examples/cross_validation.py answers.csv
    python -m study.judge answers.csv --baseline few
"""

import sys

import pandas as pd
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold

TREES = {"few": 20, "many": 60}


def main(path: str, seeds: int = 3) -> None:
    images, labels = load_digits(return_X_y=True)
    folds = StratifiedKFold(10, shuffle=True, random_state=0).split(images, labels)
    answers = []
    for fold, (train, test) in enumerate(folds):
        for arm, trees in TREES.items():
            for seed in range(seeds):
                forest = RandomForestClassifier(trees, random_state=seed).fit(images[train], labels[train])
                probabilities = pd.DataFrame(forest.predict_proba(images[test])).add_prefix("p_")
                rows = {"arm": arm, "seed": seed, "fold": fold, "example": test, "label": labels[test]}
                answers.append(probabilities.assign(**rows))
    pd.concat(answers).to_csv(path, index=False)


if __name__ == "__main__":
    main(sys.argv[1])
