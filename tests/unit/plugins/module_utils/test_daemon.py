# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real processes in the background: found again, stopped with all that they started, and never taken for somebody else's."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _daemon
from ansible_collections.airlift.registry.plugins.module_utils._errors import HostError
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program

SLEEP = ["sleep", "60"]


@pytest.fixture
def place(tmp_path: Path) -> t.Iterator[str]:
    yield str(tmp_path)
    _daemon.stop(str(tmp_path))


def eventually(condition: t.Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def group(place: str) -> list[str]:
    """The processes of what was started there, without those that have ended."""
    pid = (Path(place) / "pid").read_text().strip()
    listing = subprocess.run(["ps", "-o", "pid=,stat=", "-g", pid], capture_output=True, text=True, check=False)
    return [line.split()[0] for line in listing.stdout.splitlines() if " Z" not in line]


def gone(place: str, pids: list[str]) -> bool:
    listing = subprocess.run(["ps", "-o", "stat=", "-p", ",".join(pids)], capture_output=True, text=True, check=False)
    return not os.path.exists(place) and all(state.startswith("Z") for state in listing.stdout.split())


def test_starts_and_stops_all_of_it(place: str) -> None:
    assert not _daemon.is_running(place)
    _daemon.start(place, ["sh", "-c", "sleep 60 & sleep 60"], run_program)
    assert _daemon.is_running(place)
    assert eventually(lambda: len(group(place)) == 4)
    assert _daemon.stop(place)
    assert (group(place), _daemon.is_running(place), _daemon.stop(place)) == ([], False, False)


def test_what_does_not_end_by_itself_is_killed(place: str) -> None:
    _daemon.start(
        place, ["sh", "-c", "trap '' TERM; touch \"$0/ready\"; while :; do sleep 0.1; done", place], run_program
    )
    assert eventually(lambda: (Path(place) / "ready").exists())
    assert _daemon.stop(place, 0.3)
    assert eventually(lambda: group(place) == [])


def test_another_process_of_that_id_is_left_alone(place: str) -> None:
    other = subprocess.Popen(SLEEP)
    try:
        (Path(place) / "pid").write_text(str(other.pid))
        assert (_daemon.is_running(place), _daemon.stop(place)) == (False, False)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_ends_with_another_process(place: str) -> None:
    other = subprocess.Popen(SLEEP)
    _daemon.start(place, _daemon.while_alive(other.pid, 60, place, SLEEP), run_program)
    pids = group(place)
    other.kill()
    other.wait()
    assert pids
    assert eventually(lambda: gone(place, pids))


def test_ends_when_the_last_of_the_others_is_gone(place: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as last:
        others = [first.getsockname(), last.getsockname()]
        _daemon.start(place, _daemon.while_reached(others, 1, 60, place, SLEEP), run_program)
        pids = group(place)
        first.close()
        for _look in range(5):  # more than the time of grace
            last.accept()
        assert _daemon.is_running(place)
    assert eventually(lambda: gone(place, pids))


@pytest.mark.parametrize(
    "limited",
    [
        lambda place: _daemon.while_reached([], 60, 1, place, SLEEP),
        lambda place: _daemon.while_alive(os.getpid(), 1, place, SLEEP),
    ],
    ids=["while reached", "while alive"],
)
def test_ends_when_its_time_is_over(place: str, limited: t.Callable[[str], list[str]]) -> None:
    _daemon.start(place, limited(place), run_program)
    pids = group(place)
    assert eventually(lambda: gone(place, pids))


def test_waits_until_it_listens(place: str) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    _daemon.start(place, [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)], run_program)
    _daemon.wait_for_port(place, "127.0.0.1", port)
    socket.create_connection(("127.0.0.1", port), 1).close()


def test_says_why_it_does_not_listen(place: str) -> None:
    _daemon.start(place, ["sh", "-c", "echo first; echo port is taken >&2; exit 1"], run_program)
    with pytest.raises(HostError, match="Nothing listens on 127.0.0.1 port 1, as the program has ended: port is taken"):
        _daemon.wait_for_port(place, "127.0.0.1", 1)


def test_what_ends_by_itself_is_not_waited_for(place: str) -> None:
    _daemon.start(place, _daemon.while_alive(os.getpid(), 60, place, ["sh", "-c", "exit 3"]), run_program)
    assert eventually(lambda: not _daemon.is_running(place))
    assert eventually(lambda: group(place) == [])
    assert os.path.isdir(place)


def test_says_that_it_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="sleep could not be started"):
        _daemon.start(str(tmp_path), SLEEP, lambda _command, _data: (127, "", "no setsid"))
