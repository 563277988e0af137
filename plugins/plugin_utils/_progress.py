# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Progress of a transfer: bytes, rate and time left, for whoever wants to know, now and then."""

from __future__ import annotations

import threading
import time
import typing as t

_INTERVAL = 1.0  # seconds between two readings


class Reading(t.NamedTuple):
    """How far a transfer to C(host) is: bytes, and C(seconds) since it began."""

    host: str
    sent: int
    total: int
    wasted: int
    seconds: float

    @property
    def rate(self) -> float:
        """Bytes per second."""
        return self.sent / self.seconds if self.seconds > 0 else 0.0


class Progress:
    """Counts the bytes that reach I(host), from any thread, and gives I(show) a reading now and then, and at the end."""

    def __init__(self, host: str, total: int, show: t.Callable[[Reading], None]) -> None:
        self._host = host
        self._total = total
        self._show = show
        self._lock = threading.Lock()
        self._started = self._shown = time.monotonic()
        self.sent = self.wasted = 0

    def advance(self, count: int) -> None:
        """I(count) more bytes have arrived."""
        with self._lock:
            self.sent += count
            now = time.monotonic()
            if now - self._shown >= _INTERVAL or self.sent == self._total:
                self._shown = now
                self._show(Reading(self._host, self.sent, self._total, self.wasted, now - self._started))

    def waste(self, count: int) -> None:
        """I(count) bytes, at most, were sent and did not arrive."""
        with self._lock:
            self.wasted += count


def progress_line(who: str, sent: int, total: int, rate: float) -> str:
    """One line for people: C(sent) of C(total) bytes, at C(rate) bytes per second."""
    left = "done" if sent >= total else f"{(total - sent) / rate:.0f} s left" if rate else "waiting"
    share = 100 * sent // total if total else 100
    return f"{who}: {sent / 1e6:.1f} of {total / 1e6:.1f} MB ({share} %), {rate / 1e6:.1f} MB/s, {left}"
