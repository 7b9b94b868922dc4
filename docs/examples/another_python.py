"""Do hidden layers help a perceptron that sees pixels, and are two better than one?

A space whose trainer is a script that another Python runs, with packages of its own: here perceptron.py beside this
file, which needs NumPy alone. What starts that Python is read from the variable TRAINER_PYTHON: a path, say
`~/envs/torch/bin/python`, or several words, as `apptainer exec --nv torch.sif python`; without it, it is this one.

Command:  TRAINER_PYTHON=~/envs/torch/bin/python python -m study.run --space docs/examples/another_python.py
          --data fer2013.csv --budget standard --trials 8 --epochs 15 --seeds 5
Cost:     7 minutes on two CPU cores
Outcome:  (results/reference/another_python-fer2013, by Python 3.13) 36.55 % without a hidden layer, one gains +5.87
          points (+4.05 to +7.70), two +7.76 (+6.70 to +8.81); on photographs that training does not show one gains
          +2.41 (+0.71 to +4.10)
"""

import os
from pathlib import Path

from fer_core.script import Script
from search_spaces.space import Float, Space

SPACE = Space(
    name="another_python",
    question="Do hidden layers help a perceptron that sees pixels, and are two better than one?",
    trainer=Script(Path(__file__).with_name("perceptron.py"), "Perceptron", os.environ.get("TRAINER_PYTHON")),
    scientific={"layers": (0, 1, 2)},
    nuisance={"rate": Float(1e-4, 1e-2, log=True), "decay": Float(1e-5, 1e-1, log=True)},
    fixed={"units": 256},
    published={"rate": 1e-3, "decay": 1e-3},
)
