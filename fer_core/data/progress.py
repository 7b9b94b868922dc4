"""A progress bar while a data set is read."""

from rich.console import Console
from rich.progress import Progress

from fer_core.data.dataset import Dataset
from fer_core.data.sources import Source, read
from fer_core.form import PAPERS, Form


def read_with_progress(
    source: Source, console: Console, form: Form = PAPERS, unreadable: list[str] | None = None
) -> Dataset:
    """As `sources.read`, with a bar on `console` that goes away; none where it is no terminal."""
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        bar = bars.add_task("reading images", total=None)
        return read(source, form, lambda done, total: bars.update(bar, completed=done, total=total), unreadable)
