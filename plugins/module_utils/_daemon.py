# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Programs that go on when the module that started them has ended: each in a directory of its own, with its process ID and what it says.

A process is known by its ID and by the directory, which is on its command line, so that nobody else's process is ever stopped.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import sys
import time
import typing as t
from contextlib import suppress

from ansible_collections.airlift.registry.plugins.module_utils._errors import HostError
from ansible_collections.airlift.registry.plugins.module_utils._signature import Run

_PID, _LOG = "pid", "log"
_START_TIMEOUT = 10.0  # seconds until a shell has written its process ID
STOP_TIMEOUT = 5.0  # seconds to end by itself
_INTERVAL = 0.1
_MAX_LOG = 64 * 1024  # bytes at the end of a log in which its last line is looked for

# $0 is the directory, "$@" the command. Nothing of it holds the pipes of who starts it. A session of its own, so that all of it can be stopped at once.
_DETACHED = 'umask 077; exec > "$0/log" 2>&1 < /dev/null; echo $$ > "$0/pid"; "$@"'
# $0 waits for what ends the command, $1 is the most seconds, $2 the directory that goes then. At the end nothing of the group is left.
# It is held while its files go, so that it makes none anew.
_UNTIL = (
    'limit=$1; place=$2; shift 2; "$@" & child=$!; '
    '(timeout --foreground "$limit" sh -c "$0"; kill -STOP $child; rm -rf -- "$place"; kill -KILL $child) & wait $child; kill 0'
)
# Ends when for $1 seconds nobody has accepted a connection at any of the places, ADDRESS PORT each, that follow.
_UNREACHED = """
import socket, sys, time
grace, last = float(sys.argv[1]), time.monotonic()
def accepts(place):
    try:
        socket.create_connection(place.rsplit(" ", 1), grace / 4).close()
    except OSError:
        return False
    return True
while time.monotonic() - last < grace:
    if any(map(accepts, sys.argv[2:])):
        last = time.monotonic()
    time.sleep(grace / 4)
"""


def while_alive(pid: int, seconds: int, place: str, command: t.Sequence[str]) -> list[str]:
    """The command, ended when the process I(pid) has ended or after I(seconds). Then the directory I(place) is removed."""
    return _until(["tail", "--sleep-interval=1", f"--pid={pid}", "-f", "/dev/null"], seconds, place, command)


def while_reached(
    others: t.Sequence[tuple[str, int]], grace: int, seconds: int, place: str, command: t.Sequence[str]
) -> list[str]:
    """The command, ended when for I(grace) seconds none of the I(others), address and port each, has accepted a connection, or after I(seconds).

    Then the directory I(place) is removed.
    """
    places = [f"{address} {port}" for address, port in others]
    return _until([sys.executable, "-c", _UNREACHED, str(grace), *places], seconds, place, command)


def _until(watch: t.Sequence[str], seconds: int, place: str, command: t.Sequence[str]) -> list[str]:
    return ["sh", "-c", _UNTIL, "exec " + shlex.join(watch), str(seconds), place, *command]


def start(directory: str, command: t.Sequence[str], run: Run) -> None:
    """Start a command in the background, at home in I(directory), which exists; raises HostError when that fails."""
    pid_file = os.path.join(directory, _PID)
    with suppress(FileNotFoundError):
        os.unlink(pid_file)
    code, _out, err = run(["setsid", "--fork", "sh", "-c", _DETACHED, directory, *command], None)
    deadline = time.monotonic() + _START_TIMEOUT
    while code == 0 and time.monotonic() < deadline:
        if _pid(directory):
            return
        time.sleep(_INTERVAL)
    raise HostError(
        f"{command[0]} could not be started in {directory}: {err.strip()}", "Install util-linux, which has setsid(1)."
    )


def wait_for_port(directory: str, address: str, port: int) -> None:
    """Wait until what was started there listens; raises HostError when it has ended instead."""
    while is_running(directory):
        with suppress(OSError), socket.create_connection((address, port), _INTERVAL):
            return
        time.sleep(_INTERVAL)
    raise HostError(
        f"Nothing listens on {address} port {port}, as the program has ended: {last_words(directory)}",
        "Check that the address is this machine's and the port is free, and run this again.",
    )


def is_running(directory: str) -> bool:
    """Whether what was started there still runs."""
    return bool(_alive(directory))


def stop(directory: str, patience: float = STOP_TIMEOUT) -> bool:
    """Stop what was started there, with all that it started, by force after I(patience) seconds; whether there was anything to stop."""
    pid = _alive(directory)
    if not pid:
        return False
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + patience
        with suppress(ProcessLookupError):
            os.killpg(pid, number)
        while _runs(pid) and time.monotonic() < deadline:
            time.sleep(_INTERVAL)
    return True


def _runs(group: int) -> bool:
    """Whether any process of a group runs. One that has ended may stay for long where nobody asks for it, as in a container without an init."""
    for entry in filter(str.isdecimal, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{entry}/stat", "rb") as stream:
            # proc(5): the name, in brackets, may have any byte in it; after it come state, parent and group.
            state, _parent, of = stream.read().rpartition(b")")[2].split()[:3]
            if int(of) == group and state != b"Z":
                return True
    return False


def log_of(directory: str) -> str:
    """The file with what it says."""
    return os.path.join(directory, _LOG)


def last_words(directory: str) -> str:
    """The last line that it said."""
    try:
        with open(log_of(directory), "rb") as stream:
            stream.seek(max(0, os.path.getsize(stream.name) - _MAX_LOG))
            lines = [line.strip() for line in stream.read().decode(errors="replace").splitlines()]
    except FileNotFoundError:
        return ""
    return next((line for line in reversed(lines) if line), "")


def _alive(directory: str) -> int:
    """The process ID of what was started there and still runs; 0 when there is none."""
    pid = _pid(directory)
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            return pid if os.fsencode(directory) in stream.read() else 0
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _pid(directory: str) -> int:
    try:
        with open(os.path.join(directory, _PID), encoding="ascii") as stream:
            return int(stream.read())
    except (FileNotFoundError, ValueError):
        return 0
