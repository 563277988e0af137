# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Progress on a terminal: a line for each host, and one for all of them; silent in a pipe and under CI."""

from __future__ import annotations

import fcntl
import os
import struct
import time
import typing as t

from ansible_collections.airlift.registry.plugins.plugin_utils._progress import Reading, progress_line

_INTERVAL = 1.0  # seconds between two lines about all hosts
_RECORD = struct.Struct("<3Q")  # bytes sent, bytes in all, bytes per second


class Board:
    """How far the hosts of a run are, in the file at I(path): each host has a process of its own. This one is number I(number) of I(hosts), from 0 on."""

    def __init__(self, path: str, number: int, hosts: int) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._number = number
        self._hosts = hosts

    def note(self, sent: int, total: int, rate: float) -> str | None:
        """Note how far this host is; the line about all that have begun, if it is time for one or all are done."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            self._write(1 + self._number, sent, total, int(rate))
            (said, *_nothing), *hosts = self._records()
            begun = [host for host in hosts if host[1]]
            sent, total, rate = (sum(host[column] for host in begun) for column in range(3))
            now = int(time.monotonic() * 1000)
            if not begun or (sent < total and now - said < _INTERVAL * 1000):
                return None
            self._write(0, now, 0, 0)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        return progress_line(f"{len(begun)} of {self._hosts} hosts", sent, total, rate)

    def _write(self, place: int, *record: int) -> None:
        os.pwrite(self._file, _RECORD.pack(*record), place * _RECORD.size)

    def _records(self) -> list[tuple[int, ...]]:
        """That of the last line about all, with its time in milliseconds, and those of the hosts up to the last that has begun."""
        return list(_RECORD.iter_unpack(os.pread(self._file, (1 + self._hosts) * _RECORD.size, 0)))


class Screen:
    """Shows one host's progress by I(display), and that of all by I(board) if there are others."""

    def __init__(self, display: t.Callable[[str], None], board: Board | None) -> None:
        self._display = display
        self._board = board

    def show(self, reading: Reading) -> None:
        """A line about this host, and perhaps one about all."""
        self._display(progress_line(reading.host, reading.sent, reading.total, reading.rate))
        # What is done takes nothing of the links any more.
        self._note(reading.sent, reading.total, reading.rate if reading.sent < reading.total else 0)

    def end(self, sent: int) -> None:
        """No more than these bytes are going to be sent to this host, whatever was planned."""
        self._note(sent, sent, 0)

    def _note(self, sent: int, total: int, rate: float) -> None:
        line = self._board.note(sent, total, rate) if self._board else None
        if line:
            self._display(line)


def is_wanted(environment: t.Mapping[str, str]) -> bool:
    """Whether somebody watches: Ansible's own process has a terminal, and this is no CI."""
    return not environment.get("CI") and _has_terminal(os.getppid())


def _has_terminal(pid: int) -> bool:
    # A task runs in a worker whose own outputs are detached; its parent is the process that was started by hand.
    try:
        handle = os.open(f"/proc/{pid}/fd/2", os.O_WRONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.isatty(handle)
    finally:
        os.close(handle)
