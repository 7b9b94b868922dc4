"""Do class weights help the rare classes, above all "disgust", and what do they cost the others?

The paper finds "disgust" the worst of its classes, blames its 436 training images against 7,215 of "happy", and hopes
for a remedy (section 3.2). Judged by macro F1, where every class counts alike.

Command:  python -m study.run --space imbalance
Cost:     three arms: budget quick, on two CPU cores and FER2013, about 3 minutes
Outcome:  budget quick, 3 seeds (an eighth of the width, 5,000 images, five epochs;
          results/reference/imbalance-fer2013-quick): macro F1 is 35.5 % without weights; balanced weights cost 4.6
          points (-7.1 to -2.1), their square roots cannot be told from none (+1.4, -2.0 to +4.8). At full size: not
          yet known
"""

from search_spaces.space import Float, Space

SPACE = Space(
    name="imbalance",
    question="Do class weights help the rare classes, by macro F1?",
    scientific={"train.class_weights": ("none", "sqrt", "balanced")},
    nuisance={
        "train.learning_rate": Float(2e-4, 5e-3, log=True),
        "train.label_smoothing": Float(0.0, 0.2),
    },
    measure="macro_f1",
)
