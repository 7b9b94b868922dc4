"""What lies in `deploy/`: each file is read by who will read it, its command is one of `study.run`; and the locks."""

import re
import shlex
import subprocess
from typing import Any

import pytest
import yaml
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


def test_no_two_locks_pin_a_package_differently() -> None:
    pins: dict[str, set[tuple[str, ...]]] = {}
    for lock in ROOT.glob("requirements*.lock"):
        found: dict[str, list[str]] = {}
        for name, version in re.findall(r"^([\w.-]+)(?:\[\w,]+\])?==(\S+)", lock.read_text(), re.MULTILINE):
            found.setdefault(name, []).append(version)
        for name, versions in found.items():
            pins.setdefault(name, set()).add(tuple(versions))
    assert len(pins) > 100
    assert [name for name, by_lock in pins.items() if len(by_lock) > 1] == []


def test_a_study_is_installed_without_the_packages_of_its_tests() -> None:
    studies, tests = ((ROOT / f"requirements{part}.lock").read_text() for part in ("", "-dev"))
    for package in ("pytest", "moto", "selenium", "optuna-dashboard"):
        assert f"\n{package}" not in studies
        assert f"\n{package}" in tests
