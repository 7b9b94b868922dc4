"""Imports go one way, and nothing slow is imported on the way to a plan or an error."""

import ast
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT

LAYERS = ("fer_core", "search_spaces", "study")  # each may import itself and those before it
STUDY = (  # likewise, what lies in study/
    *("plan", "carried", "scale", "search", "watching", "records", "engine", "replay", "cluster"),
    *("analysis", "report", "judge", "export", "arguments", "planning", "check", "spaces", "run"),
)
NETWORK = ("model", "ends", "se", "augmentation", "normalisation", "pooling")
KERAS = (
    *NETWORK,
    *(
        "adam",
        "by_class",
        "compiled",
        "examples",
        "passes",
        "regression",
        "tasks",
        "loops_jax",
        "loops_tensorflow",
        "training",
    ),
)
SLOW = {"ray", "keras", "tensorflow", "pandas", "optuna", "sklearn", "scipy", "matplotlib"}
ONLY_IN = {
    "ray": {f"study/cluster/{name}.py" for name in ("connection", "runner", "tune_parts", "trial")},
    "optuna": {f"study/search/{name}.py" for name in ("sampler", "memory", "evolution")}
    | {"study/analysis/importance.py"},
    "statsmodels": {"study/analysis/comparisons.py"},
    "jinja2": {"study/report/page.py"},
    "keras": {f"fer_core/{name}.py" for name in KERAS},
    "PIL": {f"fer_core/data/{name}.py" for name in ("image", "sheet")},
    "tensorflow": {
        f"fer_core/{name}.py" for name in ("training", "loops_tensorflow", "normalisation", "adam", "device_memory")
    },
}


def imports() -> Iterator[tuple[str, str]]:
    """Every (file, imported module) of the project."""
    for layer in LAYERS:
        for path in sorted((ROOT / layer).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    yield from ((str(path.relative_to(ROOT)), alias.name) for alias in node.names)
                elif isinstance(node, ast.ImportFrom):
                    yield str(path.relative_to(ROOT)), node.module or ""


def test_no_layer_imports_a_later_one() -> None:
    for file, module in imports():
        layer, imported = file.split("/")[0], module.split(".")[0]
        if imported in LAYERS:
            assert LAYERS.index(imported) <= LAYERS.index(layer), f"{file} imports {module}"


def test_nothing_of_study_imports_what_comes_after_it() -> None:
    assert {path.stem for path in (ROOT / "study").iterdir()} - {"__init__", "__pycache__"} == set(STUDY)
    for file, module in imports():
        if file.startswith("study/") and module.startswith("study."):
            part, imported = file.removesuffix(".py").split("/")[1], module.split(".")[1]
            assert STUDY.index(imported) <= STUDY.index(part), f"{file} imports {module}"


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_is_imported_only_where_it_belongs(library: str) -> None:
    found = {file for file, module in imports() if module.split(".")[0] == library}
    assert found == ONLY_IN[library]


def test_the_analysis_draws_nothing() -> None:
    for file, module in imports():
        if file.startswith("study/analysis/"):
            assert module.split(".")[0] != "matplotlib", f"{file} imports {module}"
            assert not module.startswith("study.report"), f"{file} imports {module}"


@pytest.mark.parametrize(
    ("command", "arguments", "allowed"),
    [
        ("run", ("--help",), set()),
        ("run", ("--space", "se_placement", "--dry-run", "--data", "synthetic"), {"scipy"}),  # what it could see
        ("run", ("--space", "se_placement", "--data", "/nowhere"), set()),
        ("run", ("--space", "nothing"), set()),
        ("report.__main__", ("--help",), set()),
        ("report.__main__", ("/nowhere",), set()),
        ("judge.__main__", ("--help",), set()),
        ("judge.__main__", ("/nowhere",), set()),
    ],
    ids=[
        *("help", "dry-run", "bad path", "bad space"),
        *("report help", "report bad path", "judge help", "judge bad path"),
    ],
)
def test_nothing_slow_is_imported_before_a_command_starts(
    command: str, arguments: tuple[str, ...], allowed: set[str]
) -> None:
    script = (
        "import sys\n"
        f"from study.{command} import main\n"
        "from fer_core.errors import InputError\n"
        "try:\n"
        f"    main({list(arguments)!r})\n"
        "except (SystemExit, InputError):\n"
        "    pass\n"
        f"slow = {SLOW - allowed} & set(sys.modules)\n"
        "assert not slow, slow\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
