"""Hosts that are network namespaces of this machine, joined by a bridge: each with an address and its own processes.

Needs root and iproute2. What a host's processes see of the disk is this machine's, as on a cluster with a shared one.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

PORT = 6379


def missing() -> str | None:
    """What is missing here to make hosts, in words; None if nothing is."""
    if os.geteuid():
        return "needs root"
    if shutil.which("ip") is None:
        return "needs iproute2 (the command ip)"
    probe = f"fer-probe-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True)
    subprocess.run(["ip", "netns", "delete", probe], capture_output=True)
    return f"may not make network namespaces ({made.stderr.strip()})" if made.returncode else None


class Hosts:
    """So many hosts with the addresses 10.203.0.1, 2, ...; a context manager, which ends what runs on them."""

    def __init__(self, count: int, environment: Mapping[str, str]) -> None:
        self.environment = {**os.environ, **environment}
        self._switch = f"fer-{os.getpid()}-switch"
        self.names = [f"fer-{os.getpid()}-{number}" for number in range(1, count + 1)]

    def __enter__(self) -> "Hosts":
        _ip("netns", "add", self._switch)
        _ip("-n", self._switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", self._switch, "link", "set", "bridge", "up")
        for number, name in enumerate(self.names, start=1):
            _ip("netns", "add", name)
            port = f"port{number}"
            _ip(
                *("link", "add", port, "netns", self._switch),
                *("type", "veth", "peer", "name", "eth0", "netns", name),
            )
            _ip("-n", self._switch, "link", "set", port, "master", "bridge", "up")
            _ip("-n", name, "addr", "add", f"{self.address(number)}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
            _ip("-n", name, "link", "set", "lo", "up")
        return self

    def __exit__(self, *error: object) -> None:
        for number, name in enumerate(self.names, start=1):
            self.end_all(number)
            _ip("netns", "delete", name)
        _ip("netns", "delete", self._switch)

    @staticmethod
    def address(number: int) -> str:
        return f"10.203.0.{number}"

    def command(self, number: int, *command: object) -> list[str]:
        """`command` as it is run on the host."""
        return ["ip", "netns", "exec", self.names[number - 1], *map(str, command)]

    def cut_off(self, number: int) -> None:
        """No packet reaches the host, nor leaves it, as with a cable pulled."""
        _ip("-n", self._switch, "link", "set", f"port{number}", "down")

    def reconnect(self, number: int) -> None:
        _ip("-n", self._switch, "link", "set", f"port{number}", "up")

    def running(self, number: int) -> list[str]:
        """The commands that run on the host."""
        found = []
        for process in _ip("netns", "pids", self.names[number - 1]).split():
            with suppress(OSError):
                command = Path(f"/proc/{process}/cmdline").read_bytes()
                found.append(command.replace(b"\0", b" ").decode(errors="replace"))
        return found

    def end_all(self, number: int) -> None:
        """End what runs on the host, as switching it off would."""
        for process in _ip("netns", "pids", self.names[number - 1]).split():
            with suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGKILL)

    def start_ray(self, number: int, place: Path) -> "subprocess.Popen[str]":
        """A Ray node with one CPU; the first host has the head. Returns once it runs.

        place: for Ray's files, short. Nodes find their sockets' names there, so they must start one after the other.
        """
        place.mkdir(exist_ok=True)
        joins = [f"--address={self.address(1)}:{PORT}"]
        leads = ["--head", f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={place}"]
        ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1"]
        command = self.command(number, *ray, f"--node-ip-address={self.address(number)}")
        log = place.with_name(f"{number}-{time.monotonic_ns()}.log")
        with log.open("w") as file:
            node = subprocess.Popen(
                [*command, *(leads if number == 1 else joins)],
                env=self.environment, stdout=file, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
        while "Ray runtime started" not in (said := log.read_text()):
            assert node.poll() is None, said
            time.sleep(0.1)
        return node


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout
