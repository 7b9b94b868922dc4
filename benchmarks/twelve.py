"""The space of the benchmark `benchmarks.study`: two hyperparameters, one arm."""

from search_spaces.space import Float, Space

SPACE = Space(
    name="twelve",
    question="How well does the network do with its rate and shift tuned?",
    scientific={"model.se_placement": ("none",)},
    nuisance={"train.learning_rate": Float(2e-4, 5e-3, log=True), "augment.shift": Float(0.0, 0.2)},
)
