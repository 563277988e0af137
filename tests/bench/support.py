# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What benchmarks have in common: commands, their time, and contenders that take turns, so that a busy machine is busy for each of them."""

from __future__ import annotations

import shlex
import statistics
import subprocess
import sys
import time
import typing as t
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAB = f"{sys.executable} {ROOT}/molecule/resources/lab"
ROUNDS = 3

# Prints the largest resident size, in MiB, of any process that a command started. A process of its own,
# because a child of pytest would begin with the peak of pytest.
_PEAK = """
import resource, subprocess, sys
subprocess.run(["bash", "-o", "pipefail", "-c", sys.argv[1]], check=True, stdout=sys.stderr)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


def run(command: str) -> str:
    """What a command of bash prints; it must succeed."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def peak_memory(command: str) -> int:
    """The largest resident size of any one process of a command, in MiB."""
    return int(run(f"{sys.executable} -c {shlex.quote(_PEAK)} {shlex.quote(command)}"))


def timed(work: Callable[[], t.Any]) -> tuple[float, t.Any]:
    """How long something takes, in seconds, and what it returns."""
    started = time.monotonic()
    result = work()
    return time.monotonic() - started, result


def contest(contenders: t.Mapping[str, Callable[[], t.Any]], rounds: int = ROUNDS) -> dict[str, float]:
    """The median time of each contender, in seconds. They take turns."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _round in range(rounds):
        for name, work in contenders.items():
            times[name].append(timed(work)[0])
    return {name: statistics.median(found) for name, found in times.items()}


def tree_size(place: Path) -> int:
    """The bytes of a file, or of all files in a directory."""
    files = place.rglob("*") if place.is_dir() else [place]
    return sum(path.stat().st_size for path in files if path.is_file())


def link_to(lab: str, host: str) -> str:
    """This machine's end of the link to a host of a lab, which a benchmark may shape."""
    number = run(f"docker exec airlift-{lab}-{host} cat /sys/class/net/eth0/iflink").strip()
    return run(f"grep -lx {number} /sys/class/net/*/ifindex").split("/")[4]
