"""Should a network whose numbers are judged by their concordance be trained towards it, too?

The paper's network, which learns valence and arousal in the place of classes. Contests of these, as on AffectNet or
Aff-Wild, are judged by the concordance correlation coefficient (Lin 1989), and many train towards 1 less that of a
batch, rather than towards a squared or absolute error. docs/data.md makes the data from FER+'s votes ("Numbers in
the place of classes").

Command:  python -m study.run --space docs/examples/agreement.py --data valence.npz
          with --trials 6 --epochs 10 --seeds 5 --set model.width=0.125 --set data.train_images=5000
          --set data.val_images=none, then --resume --searches 3
Cost:     a quarter of an hour a search on two CPU cores
Outcome:  undecided: +0.022 of a concordance of 0.66 (-0.148 to +0.193), where one search alone had said +0.043
          (results/reference/agreement-ferplus; docs/findings.md, "Valence and arousal")
"""

from search_spaces.space import Float, Space

SPACE = Space(
    name="agreement",
    question="Should a network whose numbers are judged by their concordance be trained towards it, too?",
    measure="concordance",
    scientific={"train.regression_loss": ("squared", "absolute", "concordance")},
    nuisance={"train.learning_rate": Float(2e-4, 1e-2, log=True), "augment.shift": Float(0.0, 0.2)},
)
