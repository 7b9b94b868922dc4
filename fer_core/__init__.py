"""The paper: its data, network and training. Knows nothing of Ray, Optuna or tables."""
