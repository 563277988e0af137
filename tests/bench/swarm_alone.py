# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A swarm without modules and engines: tracker, seed and members alone, each in a network namespace of its own, and what came of it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
import typing as t
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.airlift.registry.plugins.module_utils import _swarm
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.integration.support.site import NETWORK, Site, site

LAYERS = 3
_INTERVAL = 0.2
_HOOK = '#!/bin/sh\n: > "${0%/*}/complete"\n'


@dataclass(frozen=True)
class Figures:
    """What was measured, in seconds: C(link) is what one link takes for the layers, C(first) the time until the first piece is on any host, C(last)
    until the last host has all. C(copies) is what the seed sent over the bytes of the layers, C(busy) the share of the processors' time that was used."""

    hosts: int
    link: float
    first: float
    last: float
    copies: float
    busy: float

    @property
    def ratio(self) -> float:
        return self.last / self.link


def measure(hosts: int, size: int, megabits: int, directory: Path, limit: float = 600) -> Figures:
    """Bring I(size) bytes to so many hosts behind links of I(megabits)."""
    with site(f"airlift-alone-{os.getpid()}", hosts + 1, directory) as made, ExitStack() as stack:
        made.shape(megabits)
        for number in made.machines:
            # Linux' own default, whatever this machine has: links that are shaped here are no long fat ones.
            made.run(
                number, *f"ip route replace {NETWORK}.0/24 dev e0 src {made.address(number)} congctl cubic".split()
            )
        torrent, total = _offer(made, size, stack)
        busy, started = _processor_seconds(), time.monotonic()
        for number in made.machines[1:]:
            _join(made, number, torrent, stack)
        first, last = _watch(made, started, limit)
        used = (_processor_seconds() - busy) / (last * (os.cpu_count() or 1))
        return Figures(hosts, total * 8 / megabits / 1e6, first, last, made.sent(0) / total, used)


def _offer(made: Site, size: int, stack: ExitStack) -> tuple[Path, int]:
    """Start the tracker and the seed; the torrent, and its bytes."""
    address, blobs = made.address(0), made.directory / "seed" / _swarm.NAME
    blobs.mkdir(parents=True)
    for _number in range(LAYERS):
        data = os.urandom(size // LAYERS)
        (blobs / hashlib.sha256(data).hexdigest()).write_bytes(data)
    total = size // LAYERS * LAYERS
    path, tracker = made.directory / "torrent", made.directory / "tracker"
    _swarm.make_torrent(
        str(blobs), str(path), f"http://{address}:6969/announce", "bench", _swarm.piece_exponent(total), run_program
    )
    torrent = _swarm.read_torrent(str(path), run_program)
    # The tracker gives up its rights, and then has to find its list.
    for place in (*made.directory.parents[:3], made.directory, tracker):
        place.mkdir(exist_ok=True)
        place.chmod(place.stat().st_mode | 0o011)
    (tracker / "allowed").write_text(f"{torrent.info_hash}\n")
    stack.enter_context(_running(made, 0, _swarm.tracker_command(str(tracker), address, 6969, "allowed")))
    seed = _swarm.Member(str(blobs.parent), address, 6881, 0)
    stack.enter_context(_running(made, 0, seed.command(str(path), sorted(torrent.indices.values()))))
    while not {f"{address}:6969", f"{address}:6881"} <= made.listening(0):
        time.sleep(_INTERVAL)
    return path, total


def _join(made: Site, number: int, torrent: Path, stack: ExitStack) -> None:
    place = made.directory / f"member-{number}"
    place.mkdir()
    (place / "hook").write_text(_HOOK)
    (place / "hook").chmod(0o755)
    member = _swarm.Member(str(place), made.address(number), 6881, 0)
    # Not C(counted): to tell of each message costs processors, which all hosts share here.
    command = member.command(str(torrent), range(1, LAYERS + 1), str(place / "hook"))
    stack.enter_context(_running(made, number, command))


@contextmanager
def _running(made: Site, number: int, command: t.Sequence[str]) -> t.Iterator[None]:
    enter = ["ip", "netns", "exec", made.namespace(number)]
    process = subprocess.Popen(
        [*enter, *command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _watch(made: Site, started: float, limit: float) -> tuple[float, float]:
    """Seconds until the first piece is anywhere, and until all is everywhere."""
    places = [made.directory / f"member-{number}" for number in made.machines[1:]]
    first = 0.0
    while not all((place / "complete").exists() for place in places):
        took = time.monotonic() - started
        assert took < limit, f"{made.count - 1} hosts did not get everything within {limit} s"
        if not first and any(_swarm.size_on_disk(str(place / _swarm.NAME)) for place in places):
            first = took
        time.sleep(_INTERVAL)
    return first, time.monotonic() - started


def _processor_seconds() -> float:
    """What all processors of this machine have worked: proc(5), the times of C(cpu) but for C(idle) and C(iowait)."""
    user, nice, system, _idle, _wait, *others = map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:8])
    return (user + nice + system + sum(others)) / os.sysconf("SC_CLK_TCK")
