# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a work takes of a machine that has nothing else to do: time, bytes over links, processors, memory, disk."""

from __future__ import annotations

import os
import threading
import time
import typing as t
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.airlift.registry.tests.bench.support import run

_LOOK = 0.1  # seconds
_TICKS = os.sysconf("SC_CLK_TCK")


class Spent(t.NamedTuple):
    """Seconds; bytes that came over the links of hosts; seconds of processors; bytes of memory and disk beyond what was taken before, at most, and of disk afterwards."""

    seconds: float
    wire: int
    hosts_cpu: float
    controller_cpu: float
    memory: int
    disk: int
    kept: int


@dataclass(frozen=True)
class Meter:
    """Of hosts, which are containers on this machine: their ends of the links here (I(interfaces)), and their containers. Disks are those of I(places)."""

    interfaces: tuple[str, ...]
    containers: tuple[str, ...]
    places: tuple[str, ...]

    def measure(self, work: t.Callable[[], object]) -> Spent:
        """Do the work; what it took. Processors, memory and disk are those of the whole machine."""
        spaces = {_space(run(f"docker inspect -f '{{{{.State.Pid}}}}' {name}").strip()) for name in self.containers}
        wire, hosts, machine = self._wire(), _hosts_cpu(spaces), _machine_cpu()
        with _Peaks(self.places) as peaks:
            started = time.monotonic()
            work()
            seconds = time.monotonic() - started
        hosts, machine = _hosts_cpu(spaces) - hosts, _machine_cpu() - machine
        return Spent(seconds, self._wire() - wire, hosts, machine - hosts, peaks.memory, peaks.disk, peaks.kept)

    def _wire(self) -> int:
        counts = (Path(f"/sys/class/net/{name}/statistics/tx_bytes").read_text() for name in self.interfaces)
        return sum(map(int, counts))


class _Peaks:
    """Looks again and again at the machine's memory and disks."""

    def __init__(self, places: t.Sequence[str]) -> None:
        # Several places may be on one disk.
        self._disks = {os.stat(place).st_dev: place for place in places}
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch)
        self._memory, self._disk = _memory_taken(), self._disk_taken()
        self.memory = self.disk = self.kept = 0

    def __enter__(self) -> _Peaks:
        self._watcher.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        self._watcher.join()
        self.kept = self._disk_taken() - self._disk

    def _watch(self) -> None:
        while not self._done.wait(_LOOK):
            self.memory = max(self.memory, _memory_taken() - self._memory)
            self.disk = max(self.disk, self._disk_taken() - self._disk)

    def _disk_taken(self) -> int:
        found = map(os.statvfs, self._disks.values())
        return sum((disk.f_blocks - disk.f_bfree) * disk.f_frsize for disk in found)


def _memory_taken() -> int:
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return (int(lines["MemTotal"].split()[0]) - int(lines["MemAvailable"].split()[0])) * 1024


def _space(pid: str) -> str:
    return os.readlink(f"/proc/{pid}/ns/pid")


def _hosts_cpu(spaces: t.Collection[str]) -> float:
    """Seconds of all processes in these namespaces, each with those that it has waited for."""
    found = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if _space(process.name) in spaces:
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                found += sum(map(int, fields[11:15]))
    return found / _TICKS


def _machine_cpu() -> float:
    """Seconds in which processors were at work for anybody."""
    user, nice, system, _idle, _waiting, irq, soft_irq, *_others = Path("/proc/stat").read_text().split()[1:]
    return sum(map(int, (user, nice, system, irq, soft_irq))) / _TICKS
