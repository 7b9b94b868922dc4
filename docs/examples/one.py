"""How accurate is the paper's network without SE blocks?

A space that compares and tunes nothing: one network as it is, over as many seeds as it takes to know its accuracy.

Command:  python -m study.run --space docs/examples/one.py --data fer2013.csv --seeds 10
Cost:     budget quick on FER2013, on two CPU cores: 2 minutes
Outcome:  what photographs that were seen in training do for it: docs/findings.md, results/reference/one-fer2013-*
"""

from search_spaces.space import Space

SPACE = Space(
    name="one",
    question="How accurate is the paper's network without SE blocks?",
    fixed={"model.se_placement": "none"},
)
