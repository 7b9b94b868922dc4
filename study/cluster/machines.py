"""The machines of a study: what each trial gets of them, found without Ray where that is possible."""

import glob
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Cluster:
    """CPUs and GPUs in all, and each trial's share. `address`: of a Ray cluster, None for this machine alone."""

    cpus: float
    gpus: float
    cpus_per_trial: float
    gpus_per_trial: float
    address: str | None = None
    max_concurrent: int | None = None

    @property
    def slots(self) -> int:
        """How many trials run at a time."""
        return self.slots_on([(self.cpus, self.gpus)])

    def slots_on(self, nodes: Iterable[tuple[float, float]]) -> int:
        """How many run at a time on nodes of so many CPUs and GPUs, none of them on two nodes. At least one."""
        fitting = sum(self._fitting(cpus, gpus) for cpus, gpus in nodes)
        return max(1, int(min(fitting, self.max_concurrent or math.inf)))

    def _fitting(self, cpus: float, gpus: float) -> float:
        by_cpu = cpus // self.cpus_per_trial if self.cpus_per_trial else math.inf
        return min(by_cpu, self._on_gpus(gpus), cpus)

    def _on_gpus(self, gpus: float) -> float:
        if not self.gpus_per_trial:
            return math.inf
        if self.gpus_per_trial >= 1:
            return gpus // self.gpus_per_trial
        return gpus * int(1 / self.gpus_per_trial + 1e-9)  # none lies on two GPUs


def usable(nodes: Iterable[tuple[float, float]], on_gpus: bool = True) -> tuple[float, float]:
    """The CPUs and GPUs for trials on nodes of so many: where any has GPUs, those without serve none.

    on_gpus: False for trials that run on the CPUs of all nodes.
    """
    nodes = list(nodes)
    if not on_gpus:
        return sum(cpus for cpus, _ in nodes), 0.0
    serving = [node for node in nodes if node[1]] or nodes
    return sum(cpus for cpus, _ in serving), sum(gpus for _, gpus in serving)


def share_out(
    cpus: float,
    gpus: float,
    *,
    address: str | None = None,
    cpus_per_trial: float | None = None,
    gpus_per_trial: float | None = None,
    max_concurrent: int | None = None,
) -> Cluster:
    """A trial gets one GPU, or what `gpus_per_trial` says, with its share of the CPUs; without GPUs, one CPU.

    On CPUs two trials of one thread do about 1.3 times the work of one trial with two.
    """
    if gpus_per_trial is None:
        gpus_per_trial = 1.0 if gpus else 0.0
    if cpus_per_trial is None:
        cpus_per_trial = max(1.0, cpus * gpus_per_trial // gpus) if gpus and gpus_per_trial else 1.0
    return Cluster(cpus, gpus, cpus_per_trial, gpus_per_trial, address, max_concurrent)


def this_machine() -> tuple[float, float]:
    """The CPUs this process may use and the NVIDIA GPUs it may see."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = len(glob.glob("/dev/nvidia[0-9]*"))
    if visible is not None:
        devices = min(devices, len([d for d in visible.split(",") if d.strip() not in ("", "-1")]))
    return float(len(os.sched_getaffinity(0))), float(devices)


def keep_ray_private() -> None:
    """Have a Ray that is started for this process alone listen on the loopback only. Before Ray is imported."""
    # Ray's switch for desktops whose firewall would ask; on any system its nodes then have the address 127.0.0.1.
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
