"""What lies in `deploy/`: each file is read by who will read it, its command is one of `study.run`; the wheel; and
the locks.
"""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version
from ray.autoscaler._private.util import prepare_config, validate_config

from study.arguments import make_parser
from tests.conftest import ROOT

FILES = ("deploy/study.sbatch", "deploy/rayjob.yaml", "docs/slurm.md", "docs/ray-up.md", "README.md")


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / "deploy" / name).read_text())


@pytest.mark.parametrize("file", FILES)
def test_its_commands_are_understood(file: str) -> None:
    text = (ROOT / file).read_text().replace("\\\n", " ")
    found = re.findall(r"(?:-m study\.run|sbatch deploy/study\.sbatch) (--[^\n#`]*)", text)
    assert found
    for arguments in found:
        make_parser().parse_args([word for word in shlex.split(arguments) if word not in ("&", "...")])


def test_slurms_script_is_bash() -> None:
    subprocess.run(["bash", "-n", ROOT / "deploy" / "study.sbatch"], check=True)


def test_the_launcher_takes_its_file() -> None:
    validate_config(prepare_config(read("cluster.yaml")))


def test_the_pods_run_the_ray_that_is_pinned() -> None:
    job = read("rayjob.yaml")
    pinned = re.search(r"^ray\[tune\]==(\S+)|^ray==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert pinned is not None
    version = pinned.group(1) or pinned.group(2)
    assert job["spec"]["rayClusterSpec"]["rayVersion"] == version
    assert f"ARG RAY={version}\n" in (ROOT / "deploy" / "Dockerfile").read_text()


def test_a_wheel_holds_all_that_the_packages_hold(tmp_path: Path) -> None:
    def without_caches(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if name == "__pycache__"]

    packages, copy = ("fer_core", "search_spaces", "study"), tmp_path / "copy"
    for name in packages:  # a build leaves files beside what it builds
        shutil.copytree(ROOT / name, copy / name, ignore=without_caches)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    every = {str(path.relative_to(copy)) for path in copy.glob("*/**/*") if path.is_file()}
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", tmp_path, copy], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.split("/")[0] in packages}
    assert held == every


OLDEST = ROOT / "requirements-oldest.lock"


def pinned(lock: Path) -> dict[str, list[str]]:
    """A package's versions, of which there are several where they depend on Python's."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)(?:\[\w,]+\])?==(\S+)", lock.read_text(), re.MULTILINE):
        found.setdefault(name, []).append(version)
    return found


def test_no_two_locks_of_one_environment_pin_a_package_differently() -> None:
    pins: dict[str, set[tuple[str, ...]]] = {}
    for lock in set(ROOT.glob("requirements*.lock")) - {OLDEST}:
        for name, versions in pinned(lock).items():
            pins.setdefault(name, set()).add(tuple(versions))
    assert len(pins) > 100
    assert [name for name, by_lock in pins.items() if len(by_lock) > 1] == []


def test_the_oldest_lock_pins_every_package_of_a_study_at_its_lower_bound() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = pinned(OLDEST)
    for wanted in map(Requirement, project["dependencies"]):
        (bound,) = (part.version for part in wanted.specifier if part.operator == ">=")
        assert [Version(version) for version in pins[wanted.name]] == [Version(bound)], wanted.name


def test_a_study_is_installed_without_the_packages_of_its_tests() -> None:
    studies, tests = ((ROOT / f"requirements{part}.lock").read_text() for part in ("", "-dev"))
    for package in ("pytest", "moto", "selenium", "optuna-dashboard"):
        assert f"\n{package}" not in studies
        assert f"\n{package}" in tests
