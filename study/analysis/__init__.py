"""From a study's tables to what can be said of them: estimates with intervals, comparisons, verdicts."""
