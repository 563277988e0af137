# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Progress of a transfer: bytes, rate and time left, on a terminal; silent in a pipe and under CI."""

from __future__ import annotations

import os
import time
import typing as t

_INTERVAL = 1.0  # seconds between two lines


class Progress:
    """Counts the bytes that reach I(host) and says so, now and then, through I(show)."""

    def __init__(self, host: str, total: int, show: t.Callable[[str], None]) -> None:
        self._host = host
        self._total = total
        self._show = show
        self._started = self._shown = time.monotonic()
        self.sent = self.wasted = 0

    def advance(self, count: int) -> None:
        """I(count) more bytes have arrived."""
        self.sent += count
        now = time.monotonic()
        if now - self._shown >= _INTERVAL or self.sent == self._total:
            self._shown = now
            self._show(progress_line(self._host, self.sent, self._total, now - self._started))

    def waste(self, count: int) -> None:
        """I(count) bytes, at most, were sent and did not arrive."""
        self.wasted += count


def progress_line(host: str, sent: int, total: int, seconds: float) -> str:
    """One line for people: C(sent) of C(total) bytes after C(seconds)."""
    rate = sent / seconds if seconds > 0 else 0.0
    left = f"{(total - sent) / rate:.0f} s left" if rate and sent < total else "done" if sent >= total else "waiting"
    share = 100 * sent // total if total else 100
    return f"{host}: {sent / 1e6:.1f} of {total / 1e6:.1f} MB ({share} %), {rate / 1e6:.1f} MB/s, {left}"


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
