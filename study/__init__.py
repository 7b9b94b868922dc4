"""The harness: from a space to a plan, trials on a Ray cluster, tables, and a verdict."""
