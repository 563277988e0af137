# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watches a TLS address from outside: how long was the longest time without a new connection?"""

from __future__ import annotations

import socket
import ssl
import threading
import time
import typing as t

_PAUSE = 0.02  # seconds between two connections
_TIMEOUT = 0.25  # seconds after which a connection counts as failed


class Watch:
    """Opens connections, one after the other, while the C(with) block runs."""

    def __init__(self, address: str, port: int, ca: str) -> None:
        self._place = (address, port)
        self._context = ssl.create_default_context(cafile=ca)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._successes: list[float] = []
        self.failures = 0

    def __enter__(self) -> Watch:
        self._successes.append(time.monotonic())
        self._thread.start()
        return self

    def __exit__(self, *_error: t.Any) -> None:
        self._stop.set()
        self._thread.join()
        self._successes.append(time.monotonic())

    @property
    def longest_gap(self) -> float:
        """The longest time, in seconds, from one established connection to the next."""
        return max(after - before for before, after in zip(self._successes, self._successes[1:], strict=False))

    @property
    def connections(self) -> int:
        """How many connections were established."""
        return len(self._successes) - 2

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with (
                    socket.create_connection(self._place, _TIMEOUT) as plain,
                    self._context.wrap_socket(plain, server_hostname=self._place[0]),
                ):
                    self._successes.append(time.monotonic())
            except OSError:
                self.failures += 1
            self._stop.wait(_PAUSE)
