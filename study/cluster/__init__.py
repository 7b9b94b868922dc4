"""Ray's part: the machines, the workers on them, and what a trial does there."""
