"""Shares of GPUs: what fits on one, what a trial gets, and what happens when that is too little.

Ray believes what it is told about GPUs, so handing out, retries and growing shares are tested without any. What
needs a device has the mark `gpu` and is skipped without.
"""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import keras
import pandas as pd
import pytest
import ray

from fer_core import device_memory
from fer_core.config import TrialConfig
from fer_core.data import protocols
from search_spaces.catalogue import load_space
from study.cluster import connection, runner
from study.cluster.machines import share_out, usable
from study.cluster.probe import measure
from study.cluster.sharing import Need, Shares, as_share, share
from study.engine import Engine, StudyFailedError
from study.plan import make_plan
from study.records.parquet import read_table
from study.records.place import Place
from study.records.tables import Tables
from study.search.sampler import Sampler
from tests.formulas import Doomed, Hungry, Meeting, Mortal, Unlucky

GIB = 1 << 30


def test_as_many_trials_share_a_gpu_as_memory_and_cpus_allow() -> None:
    small = Need(peak=2 * GIB, context=GIB // 2, total=80 * GIB)
    assert share(small, cpus_a_gpu=8) == 0.125
    assert share(small, cpus_a_gpu=3) == 0.3333
    assert share(small, cpus_a_gpu=64) == 1 / 16
    assert share(Need(20 * GIB, GIB // 2, 80 * GIB), cpus_a_gpu=8) == 0.3333
    assert share(Need(70 * GIB, GIB // 2, 80 * GIB), cpus_a_gpu=8) == 1
    assert share(small, cpus_a_gpu=0.5) == 1


@pytest.mark.parametrize("trials", range(1, 17))
def test_shares_of_a_gpu_add_up_to_it(trials: int) -> None:
    assert 1 - 0.002 < trials * as_share(trials) <= 1
    assert share_out(64, 4, gpus_per_trial=as_share(trials)).slots == min(4 * trials, 64)


def test_no_trial_lies_on_two_nodes() -> None:
    assert share_out(16, 2, gpus_per_trial=0.4).slots_on([(8, 1), (8, 1), (4, 0)]) == 4
    assert share_out(6, 0, cpus_per_trial=2).slots_on([(3, 0), (3, 0)]) == 2
    assert share_out(6, 0, cpus_per_trial=2).slots_on([]) == 1  # wait for a node


def test_nodes_without_a_gpu_lend_no_cpus_to_trials_on_gpus() -> None:
    assert usable([(64, 0), (8, 1), (16, 2)]) == (24, 3)
    assert usable([(64, 0), (8, 0)]) == (72, 0)


def test_where_trials_shall_have_no_gpu_every_node_lends_its_cpus() -> None:
    machine = usable([(64, 0), (8, 1), (16, 2)], on_gpus=False)
    assert machine == (88, 0)
    assert share_out(*machine).slots_on([(64, 0), (8, 1), (16, 2)]) == 88


def test_an_arms_share_doubles_when_its_trials_run_out_of_memory() -> None:
    shares = Shares(0.25)
    assert shares.grow("conv", had=0.25) == 0.5
    assert shares.grow("conv", had=0.25) == 0.5  # a second trial, which began before the first ran out
    assert shares.grow("conv", had=0.5) == 1
    assert shares.grow("conv", had=1) is None
    assert (shares.of("conv"), shares.of("none")) == (1, 0.25)


def test_the_backends_own_error_is_known_as_out_of_memory() -> None:
    with pytest.raises(Exception) as problem:  # noqa: PT011  # which one is the backend's business
        keras.ops.zeros((1 << 30, 1 << 20)) + 1
    assert device_memory.is_exhausted(problem.value)
    assert not device_memory.is_exhausted(ValueError("shapes (3, 4) and (5,) do not fit"))


def test_without_a_gpu_nothing_is_measured_or_limited(monkeypatch: pytest.MonkeyPatch, narrow: TrialConfig) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert device_memory.total() is None
    assert device_memory.limit(0.25) is None
    assert measure(narrow) is None


@pytest.fixture(scope="module")
def pretended_gpus() -> Iterator[tuple[float, float]]:
    """A private Ray that believes in two GPUs."""
    with connection.connected(None, num_cpus=8, num_gpus=2) as found:
        yield found


def run(
    machine: tuple[float, float],
    parts: tuple[protocols.Learning, protocols.Testing],
    folder: Path,
    gpus_per_trial: float = 0.25,
    **given: Any,
) -> None:
    """A study of two fixed, twelve search and six confirm trials, eight at a time unless they get more of a GPU."""
    plan = make_plan(
        load_space("se_placement"), budget="quick", protocol="challenge", data_name="fer2013", trials=4, seeds=2
    )
    cluster = share_out(*machine, gpus_per_trial=gpus_per_trial)
    with closing(Tables(folder)) as tables:
        engine = Engine(plan, Sampler(plan, folder / "optuna.log"), tables)
        runner.run_trials(engine, cluster, {TrialConfig().data.view: parts}, Place(folder), **given)
        assert engine.finished


def given_to(trials: pd.DataFrame) -> pd.DataFrame:
    """Which `gpu` a formula saw and its `share` of it: it writes both into `node`."""
    return trials["node"].str.extract(r"^(?P<gpu>\d) (?P<share>\S+)$")


def test_a_trial_that_fails_always_is_tried_three_times_and_recorded_with_its_error(
    pretended_gpus: tuple[float, float], parts: tuple[protocols.Learning, protocols.Testing], tmp_path: Path
) -> None:
    run(pretended_gpus, parts, tmp_path, gpus_per_trial=1, trainable=Unlucky)
    trials = read_table(tmp_path, "trials").set_index("trial")
    failed = trials[trials["status"] == "failed"]
    assert sorted(failed["arm"]) == ["block", "conv", "none"]
    assert set(failed["number"]) == {1}
    assert set(failed["attempts"]) == {3}
    assert set(failed["error"]) == {"ValueError: the second of every arm"}
    assert set(failed["epochs"]) == {1}
    others = trials.drop(failed.index)
    assert len(others) == 17
    assert set(others["attempts"]) == {1}


def test_a_worker_on_cpus_alone_sees_no_gpu(pretended_gpus: tuple[float, float]) -> None:
    @ray.remote(num_cpus=1)
    def seen() -> str | None:
        return os.environ.get("CUDA_VISIBLE_DEVICES")  # None: all

    assert ray.get(seen.remote()) == ""
    assert ray.get(seen.options(num_gpus=0.5).remote()) in ("0", "1")


def test_workers_start_side_by_side_and_are_kept_for_later_trials(
    pretended_gpus: tuple[float, float], parts: tuple[protocols.Learning, protocols.Testing], tmp_path: Path
) -> None:
    run(pretended_gpus, parts, tmp_path, gpus_per_trial=0.5, trainable=Meeting)
    trials = read_table(tmp_path, "trials")
    assert set(trials["status"]) <= {"completed", "pruned"}
    assert set(trials["attempts"]) == {1}
    assert len(list(tmp_path.glob("started-*"))) == 4  # as many as run at a time
    assert set(given_to(trials)["gpu"]) == {"0", "1"}  # halves of two GPUs, and the first four trials met


def test_a_worker_that_dies_while_it_takes_up_a_trial_is_one_failure_and_not_two(
    pretended_gpus: tuple[float, float], parts: tuple[protocols.Learning, protocols.Testing], tmp_path: Path
) -> None:
    run(pretended_gpus, parts, tmp_path, trainable=Mortal)
    died = {path.name.removeprefix("died-") for path in tmp_path.glob("died-*")}
    trials = read_table(tmp_path, "trials").set_index("trial")
    assert died
    assert set(trials["status"]) <= {"completed", "pruned"}
    assert set(trials.loc[list(died), "attempts"]) == {2}
    assert set(trials.drop(died)["attempts"]) == {1}


@pytest.mark.faults
def test_a_study_whose_every_trial_fails_stops_with_the_cause(
    pretended_gpus: tuple[float, float], parts: tuple[protocols.Learning, protocols.Testing], tmp_path: Path
) -> None:
    with pytest.raises(
        StudyFailedError, match="6 trials in a row failed, the last with: ValueError: whatever the trial"
    ):
        run(pretended_gpus, parts, tmp_path, trainable=Doomed)
    assert len(read_table(tmp_path, "trials")) == 6


def test_a_trial_that_runs_out_of_memory_gets_more_and_its_arm_keeps_it(
    pretended_gpus: tuple[float, float], parts: tuple[protocols.Learning, protocols.Testing], tmp_path: Path
) -> None:
    said: list[str] = []
    run(pretended_gpus, parts, tmp_path, say=said.append, trainable=Hungry)
    trials, epochs = read_table(tmp_path, "trials"), read_table(tmp_path, "epochs")
    assert len(trials) == 20
    assert set(trials["status"]) <= {"completed", "pruned"}
    assert set(trials["attempts"]) == {1}
    assert not epochs.duplicated(["trial", "epoch"]).any()
    assert set(said) == {
        "arm conv: 0.25 of a GPU has too little memory; its trials get 0.5 from now on.",
        "arm conv: 0.5 of a GPU has too little memory; its trials get 1 from now on.",
    }
    shares = {arm: set(given_to(rows)["share"]) for arm, rows in trials.groupby("arm")}
    assert shares == {"conv": {"1"}, "none": {"0.25"}, "block": {"0.25"}}


def test_what_cannot_be_measured_is_a_whole_gpu(pretended_gpus: tuple[float, float], narrow: TrialConfig) -> None:
    assert runner.gpu_need(narrow) is None
    assert share_out(8, 2).gpus_per_trial == 1


@pytest.mark.gpu
def test_a_real_trial_is_measured_and_kept_within_its_share(narrow: TrialConfig) -> None:
    if device_memory.total() is None:
        pytest.skip("needs an NVIDIA GPU")
    allowed = device_memory.limit(0.5)
    need = measure(narrow)
    assert need is not None
    assert allowed is not None
    assert 0 < need.peak < allowed < need.total
