# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Transports: how a host gets what it lacks.

A transport is one class in a file of its own, as C(_transport_push), with one verb, C(bring). Those of a run take turns: each brings what it
can, then the host is asked again. Push is the last of them, as it needs nothing but the connection that Ansible has.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.airlift.registry.plugins.module_utils._layout import Files
from ansible_collections.airlift.registry.plugins.plugin_utils._progress import Progress


class Shell(t.Protocol):
    """Runs a command line on the host with I(data) as its input: exit code, output, errors."""

    def __call__(self, command: str, data: bytes | None = None) -> tuple[int, str, str]: ...


@dataclass(frozen=True)
class Blob:
    """A blob to send from I(offset) on."""

    digest: str
    size: int
    offset: int
    files: Files


class Arrivals:
    """Whom a transport tells of what has arrived, so that the host may load it while the rest is on its way. Nobody, as it is here."""

    def arrived(self, digest: str, size: int) -> None:
        """A blob is whole in staging; I(size) bytes of it came just now."""

    def go_on(self) -> None:
        """To be called now and then; raises when no more is to be brought."""


@dataclass(frozen=True)
class Cargo:
    """What one host lacks: the plan, and of it the blobs that go into the staging directory at C(staging_path), best in this order."""

    plan: t.Mapping[str, t.Any]
    blobs: t.Sequence[Blob]
    staging_path: str
    arrivals: Arrivals = field(default_factory=Arrivals)


class Transport(t.Protocol):
    """Brings a cargo to one host."""

    def bring(self, cargo: Cargo, progress: Progress) -> None:
        """Bring what this transport can, and count its bytes; raises TransportError when the next one should try, HostError when none should."""
