# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""HAProxy's runtime API on its admin socket (HAProxy's management guide, "Unix Socket commands"), as far as draining and the write gate need it."""

from __future__ import annotations

import csv
import socket
import time
import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._errors import HostError

READ, WRITE = "registries_read", "registries_write"
# What the list of the gate holds while it is closed; otherwise it is empty.
CLOSED = "closed"
# Bits of srv_admin_state: drained by a command, or because the server that it follows is ("show servers state").
_DRAINED = 0x08 | 0x10
_RUNNING = 2  # srv_op_state
_PAUSE = 0.2  # seconds between two looks
_CHUNK = 64 * 1024


class Server(t.NamedTuple):
    """A registry as HAProxy has it in the backend for reads."""

    name: str
    running: bool
    drained: bool


class Haproxy:
    """The HAProxy whose admin socket is at I(path)."""

    def __init__(self, path: str, timeout: float = 10) -> None:
        self.path = path
        self._timeout = timeout

    def ask(self, command: str) -> str:
        """What it answers to one command."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(self._timeout)
                connection.connect(self.path)
                connection.sendall(f"{command}\n".encode())
                return b"".join(iter(lambda: connection.recv(_CHUNK), b"")).decode().strip()
        except OSError as error:
            raise HostError(
                f"HAProxy does not answer at {self.path}: {error.strerror or error}",
                "Run airlift.registry.deploy, or look at `docker compose --project-name airlift-load-balancer logs`.",
            ) from error

    def order(self, command: str) -> None:
        """One command that is answered by nothing unless it is refused."""
        if said := self.ask(command):
            raise HostError(
                f"HAProxy at {self.path} refuses `{command}`: {said}",
                "Run airlift.registry.deploy, so that it has the configuration of this version.",
            )

    def servers(self) -> list[Server]:
        """All registries."""
        return parse_servers(self.ask(f"show servers state {READ}"))

    def drain(self, name: str, drained: bool) -> None:
        """Send a registry no new requests, or send it some again; what is in flight goes on."""
        for backend in (READ, WRITE):
            self.order(f"set server {backend}/{name} state {'drain' if drained else 'ready'}")

    def gate_is_closed(self, gate: str) -> bool:
        said = self.ask(f"show acl {gate}")
        if said.startswith("Unknown"):
            raise HostError(
                f"HAProxy at {self.path} has no write gate {gate}",
                "Run airlift.registry.deploy, so that it has the configuration of this version.",
            )
        return CLOSED in said.split()

    def set_gate(self, gate: str, closed: bool) -> None:
        self.order(f"add acl {gate} {CLOSED}" if closed else f"clear acl {gate}")

    def await_silence(self, backends: t.Iterable[str], server: str, seconds: float) -> int:
        """Wait until a server of I(backends) does nothing, for I(seconds) at most; how many requests are still in flight."""
        deadline = time.monotonic() + seconds
        while (busy := busy_with(self.ask("show stat"), backends, server)) and time.monotonic() < deadline:
            time.sleep(_PAUSE)
        return busy


def parse_servers(text: str) -> list[Server]:
    """Read the answer to C(show servers state): a version, a header behind a C(#), and a line for each server."""
    lines = text.splitlines()[1:]
    rows = csv.DictReader([lines[0].lstrip("# "), *lines[1:]], delimiter=" ") if lines else []
    return [
        Server(row["srv_name"], int(row["srv_op_state"]) == _RUNNING, bool(int(row["srv_admin_state"]) & _DRAINED))
        for row in rows
    ]


def busy_with(text: str, backends: t.Iterable[str], server: str) -> int:
    """Read of the answer to C(show stat) how many requests a server has now; C(BACKEND) stands for all of a backend."""
    rows = csv.DictReader(text.lstrip("# ").splitlines())
    return sum(int(row["scur"]) for row in rows if row["pxname"] in backends and row["svname"] == server)
