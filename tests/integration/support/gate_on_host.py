# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs on a host, before its engine's socket: lets everything through, but holds one request until it is told to go on.

Arguments: a directory, the engine's socket, which request to hold (a regular expression for its method and path, and which one that
matches), after how many bytes of it (-1: all, so that the engine works while nobody hears of it), and a command to run at that moment, if any.
In the directory are the socket C(docker.sock), C(arrived) once the request is held, and C(go), which lets it go on.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
import time
import typing as t
from contextlib import suppress
from pathlib import Path

CHUNK = 64 * 1024
HEAD = re.compile(rb"([A-Z]+ \S+) HTTP/1\.1\r\n")
END = b"0\r\n\r\n"  # of a chunked body


class Gate:
    """Counts requests, and stops the right one."""

    def __init__(self, directory: Path, request: str, number: int, after: int, command: str) -> None:
        self.directory = directory
        self.request = re.compile(request.encode())
        self.left = number
        self.after = after
        self.command = command
        self.is_closed = False

    def stops(self, data: bytes) -> bool:
        """Whether here begins the request to hold. No layer of a test has a chunk that looks like the head of one."""
        head = HEAD.match(data)
        if not head or not self.request.match(head[1]):
            return False
        self.left -= 1
        return self.left == 0

    def hold(self) -> None:
        if self.command:
            subprocess.run(["sh", "-c", self.command], check=False)
        (self.directory / "arrived").touch()
        self.wait()

    def wait(self) -> None:
        while not (self.directory / "go").exists():
            time.sleep(0.005)

    def upload(self, client: socket.socket, engine: socket.socket) -> None:
        passed = None  # bytes of the request to hold
        while data := client.recv(CHUNK):
            if self.stops(data):
                passed = 0
            if passed is not None and 0 <= self.after <= passed:
                passed = None
                self.hold()
            is_end = passed is not None and self.after < 0 and data.endswith(END)
            self.is_closed |= is_end
            engine.sendall(data)
            if is_end:
                passed = None
                self.hold()
            if passed is not None:
                passed += len(data)

    def download(self, client: socket.socket, engine: socket.socket) -> None:
        while data := engine.recv(CHUNK):
            if self.is_closed:
                self.wait()
            client.sendall(data)


def carry(
    direction: t.Callable[[socket.socket, socket.socket], None], client: socket.socket, engine: socket.socket
) -> None:
    """Pass on in one direction; when that ends, so does the other."""
    with suppress(OSError):
        direction(client, engine)
    for end in (client, engine):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def main(directory: str, target: str, request: str, number: str, after: str, command: str) -> None:
    # Tests that kill all of a host's Python mean the module.
    Path("/proc/self/comm").write_text("gate")
    gate = Gate(Path(directory), request, int(number), int(after), command)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{directory}/docker.sock")
        # An engine of an ordinary user is asked by that user.
        Path(f"{directory}/docker.sock").chmod(0o666)
        server.listen(64)
        while True:
            client, _address = server.accept()
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(target)
            for direction in (gate.upload, gate.download):
                threading.Thread(target=carry, args=(direction, client, engine), daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
