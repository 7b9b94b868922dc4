"""The notebook in docs/ runs from its first cell to its last, in a real kernel."""

from pathlib import Path

import nbformat
import pytest
from ipykernel.kernelspec import install
from nbclient import NotebookClient

from tests.conftest import ROOT
from tests.made import make_study

NOTEBOOK = ROOT / "docs" / "from_study_to_figures.ipynb"


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A kernel of this environment, and nowhere else."""
    install(prefix=str(tmp_path / "jupyter"), kernel_name="here")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter" / "share" / "jupyter"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return "here"


def executed(kernel: str) -> nbformat.NotebookNode:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(
        notebook, timeout=120, kernel_name=kernel, resources={"metadata": {"path": NOTEBOOK.parent}}
    ).execute()
    return notebook


def outputs(notebook: nbformat.NotebookNode, kind: str) -> list[str]:
    found = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output["data"][kind] for output in found if kind in output.get("data", {})]


def printed(notebook: nbformat.NotebookNode) -> str:
    found = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output["text"] for output in found if output["output_type"] == "stream")


def test_it_draws_the_papers_figures_of_the_study_that_is_kept(kernel: str) -> None:
    notebook = executed(kernel)
    assert len(outputs(notebook, "image/png")) == 4
    assert "The paper's claim of +1.03 points for SE per block: undecided" in printed(notebook)


def test_it_draws_those_of_another_study(kernel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDY", str(make_study(tmp_path / "mine", {"none": 0.4, "block": 0.6})))
    notebook = executed(kernel)
    assert len(outputs(notebook, "image/png")) == 4
    assert "Does it help?" in printed(notebook)
