# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs on a host, before its engine's socket: passes everything on, and keeps what was asked of the engine.

Arguments: a directory and the engine's socket. In the directory are the socket C(docker.sock) and, for each connection, a file with all bytes that were sent.
"""

from __future__ import annotations

import itertools
import socket
import sys
import threading
import typing as t
from contextlib import suppress
from pathlib import Path

CHUNK = 64 * 1024


def carry(source: socket.socket, target: socket.socket, keep: t.Callable[[bytes], object]) -> None:
    """Pass on in one direction; when that ends, so does the other."""
    with suppress(OSError):
        while data := source.recv(CHUNK):
            keep(data)
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def serve(client: socket.socket, address: str, path: Path) -> None:
    engine = socket.socket(socket.AF_UNIX)
    engine.connect(address)
    answers = threading.Thread(target=carry, args=(engine, client, len), daemon=True)
    answers.start()
    # Unbuffered: what the engine was asked is kept before it can answer.
    with open(path, "wb", buffering=0) as kept:
        carry(client, engine, kept.write)


def main(directory: str, address: str) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{directory}/docker.sock")
        server.listen(64)
        for number in itertools.count():
            client, _address = server.accept()
            path = Path(directory, f"{number:04}.asked")
            threading.Thread(target=serve, args=(client, address, path), daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
