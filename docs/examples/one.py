"""How accurate is the paper's network without SE blocks?

A space that compares and tunes nothing: one network as it is, over as many seeds as it takes to know its accuracy.

Command:  python -m study.run --space docs/examples/one.py --data fer2013.csv --seeds 10
Cost:     budget quick on FER2013, on two CPU cores: 2 minutes
Outcome:  at a quarter of the width 60.64 % without, 63.51 % with the test's photographs in training
          (results/reference/one-fer2013-*; docs/findings.md, "Photographs that were seen")
"""

from search_spaces.space import Space

SPACE = Space(
    name="one",
    question="How accurate is the paper's network without SE blocks?",
    fixed={"model.se_placement": "none"},
)
