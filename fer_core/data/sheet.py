"""A contact sheet: a few images of every class, and below them the suspicious ones."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from fer_core.data.audit import Audit
from fer_core.data.dataset import Dataset

COLUMNS = 16
TITLE = 14  # pixels of height for a row's title
ENLARGED = 2


def contact_sheet(dataset: Dataset, audit: Audit) -> Image.Image:
    """The sheet, a row a class, then where there are any constant images, those with contradicting labels, and
    photographs in two parts that are not identical, beside each other.
    """
    rows = [(name, _of_class(dataset, label)) for label, name in enumerate(dataset.classes)]
    rows.append(("constant", np.array(audit.constant, int)))
    contradicting = [row for group in audit.contradicting for row in group]
    rows.append(("identical images, labels that contradict", np.array(contradicting, int)))
    repeated = [one for found in (audit.photographs or {}).values() for one in found]
    twins = {row for found in audit.across.values() for row in found}
    pairs = [row for one in repeated if one.row not in twins for row in (one.row, one.earlier)]
    rows.append(("photographs in two parts, not identical", np.array(pairs, int)))
    shown = [(f"{title} ({len(found)})", dataset.images[found[:COLUMNS]]) for title, found in rows if len(found)]
    side, colour = dataset.images.shape[1], dataset.images.ndim == 4
    size = COLUMNS * side, len(shown) * (side + TITLE)
    sheet = Image.new("RGB" if colour else "L", size, color="white")
    draw = ImageDraw.Draw(sheet)
    for number, (title, images) in enumerate(shown):
        top = number * (side + TITLE)
        draw.text((2, top + 1), f"{dataset.name}: {title}", fill="black")
        sheet.paste(Image.fromarray(np.hstack(list(images))), (0, top + TITLE))
    return sheet.resize((sheet.width * ENLARGED, sheet.height * ENLARGED), Image.Resampling.NEAREST)


def write_sheet(dataset: Dataset, audit: Audit, path: Path) -> None:
    """Write the sheet to `path` as PNG."""
    contact_sheet(dataset, audit).save(path, format="PNG")


def _of_class(dataset: Dataset, label: int) -> np.ndarray:
    return np.flatnonzero(dataset.labels == label)
