"""What a driver that died in the middle of a write leaves behind, put right before the next one begins.

Tables are renamed into place whole. Lines are appended: to the pending rows and to Optuna's journal, which refuses
to be read when a line in its middle is half of one. So a last line without its end is dropped, which loses no more
than that the journal is brought in step with the tables again, and the epoch or trial with its worker's checkpoint.
"""

import os
from pathlib import Path

from study.records.folder import JOURNAL
from study.records.schemas import PENDING

LINES = (PENDING, JOURNAL)


def mend(folder: Path) -> list[str]:
    """Drop half-written last lines in `folder`, and the journal's lock of a dead driver. Returns what was done, in
    words.

    Only for who holds the study's own lock.
    """
    for stale in folder.glob(f"{JOURNAL}.lock*"):
        stale.unlink(missing_ok=True)
    return [text for name in LINES if (text := _mend_lines(folder / name))]


def _mend_lines(path: Path) -> str | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    whole = content.rfind(b"\n") + 1
    if whole == len(content):
        return None
    os.truncate(path, whole)
    return f"{path.name}: its last line was cut off; {len(content) - whole} bytes dropped."
