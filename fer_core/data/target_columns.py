"""The columns of a table with numbers that are to be learned in the place of a label, such as `target.valence`."""

from collections.abc import Sequence

TARGET = "target."  # before a target's name


def targets_in(columns: Sequence[str]) -> list[str]:
    """Those of the columns, in their order."""
    return [column for column in columns if column.strip().lower().startswith(TARGET)]


def target_names(columns: Sequence[str]) -> tuple[str, ...]:
    """What the targets in these columns are called."""
    return tuple(column.strip()[len(TARGET) :] for column in columns)


def hint(column: str) -> str:
    """What is said where a column of numbers was found in the place of a label."""
    return f"Numbers that are to be learned stand in columns such as {TARGET}{column}."
