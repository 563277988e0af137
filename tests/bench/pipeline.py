# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many requests over few connections, so cheaply that the server is what is measured: each connection sends several at once (HTTP/1.1 pipelining)."""

from __future__ import annotations

import ssl
import typing as t
from concurrent.futures import ThreadPoolExecutor

CONNECTIONS, AT_ONCE = 8, 25


def ask(connect: t.Callable[[], ssl.SSLSocket], path: str, headers: str, requests: int) -> None:
    """Ask that often; every answer must be 200. I(headers) are lines that end with CR LF."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode()
    rounds = requests // (CONNECTIONS * AT_ONCE)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for done in [pool.submit(_converse, connect, request, rounds) for _each in range(CONNECTIONS)]:
            done.result()


def _converse(connect: t.Callable[[], ssl.SSLSocket], request: bytes, rounds: int) -> None:
    with connect() as connection:
        for _round in range(rounds):
            connection.sendall(request * AT_ONCE)
            _receive(connection)


def _receive(connection: ssl.SSLSocket) -> None:
    """Until that many answers have begun and the last one is whole: the registry's bodies end with a line feed or a brace."""
    received = b""
    while received.count(b"HTTP/1.1 200") < AT_ONCE or not received.rstrip(b"\n").endswith(b"}"):
        chunk = connection.recv(1 << 18)
        if not chunk or b"HTTP/1.1 4" in chunk or b"HTTP/1.1 5" in chunk:
            raise AssertionError((received + chunk)[-500:])
        received += chunk
