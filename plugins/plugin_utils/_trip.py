# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What is under way to one host of a run."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.airlift.registry.plugins.module_utils._pool import Pool
from ansible_collections.airlift.registry.plugins.plugin_utils._events import Events
from ansible_collections.airlift.registry.plugins.plugin_utils._progress import Reading
from ansible_collections.airlift.registry.plugins.plugin_utils._screen import Screen
from ansible_collections.airlift.registry.plugins.plugin_utils._survey import Survey
from ansible_collections.airlift.registry.plugins.plugin_utils._transport import Arrivals, Blob, Cargo
from ansible_collections.airlift.registry.plugins.plugin_utils._transport_registry import Pulled
from ansible_collections.airlift.registry.plugins.plugin_utils._transport_swarm import Brought
from ansible_collections.airlift.registry.plugins.plugin_utils._waves import sending_order

_TELLING = 1024 * 1024  # bytes


@dataclass
class Trip:
    """What is under way to one host. C(sent) are bytes so far over Ansible's connection, in C(seconds), C(wasted) what was sent beside them and did not
    arrive, at most, C(pulled) is what came from a registry, C(brought) what had come from a swarm before.

    C(events) and C(screen) are told of it; C(proven) are the names of images that events have told of.
    C(doubts) is what went wrong in this run, as make_plan knows it from a snapshot; C(overlaps) says whether the host may load while bytes are under way.
    """

    host: str
    plan: t.Callable[[t.Mapping[str, t.Any]], Survey]
    pool: Pool
    events: Events
    screen: Screen | None
    brought: Brought = field(default_factory=Brought)
    warnings: list[str] = field(default_factory=list)
    sent: int = 0
    wasted: int = 0
    seconds: float = 0.0
    pulled: Pulled = field(default_factory=Pulled)
    doubts: dict[str, t.Any] = field(default_factory=dict)
    overlaps: bool = True
    proven: set[str] = field(default_factory=set)

    def survey(self, snapshot: t.Mapping[str, t.Any]) -> Survey:
        """Plan anew for what the host has now."""
        return self.plan({**snapshot, **self.doubts})

    def see(self, reading: Reading) -> None:
        """Tell how far the sending is."""
        self.events.tell_progress(reading)
        if self.screen:
            self.screen.show(reading)

    def tell_plan(self, plan: t.Mapping[str, t.Any]) -> None:
        """Tell what is to be done now."""
        lacking = sum(blob["size"] - blob["offset"] for blob in plan["blobs"])
        self.events.tell("plan", images=sum(image["action"] != "present" for image in plan["images"]), bytes=lacking)

    def tell_proven(self, plan: t.Mapping[str, t.Any]) -> None:
        """Tell which images of a plan that was carried out the engine has been proven to have, each once."""
        for image in plan["images"]:
            if image["action"] != "present" and image["name"] not in self.proven:
                self.proven.add(image["name"])
                self.events.tell("image", image=image["name"], id=image["id"])

    def traffic(self) -> dict[str, int]:
        """Bytes so far, as they are reported."""
        return {
            "bytes_sent": self.sent,
            "bytes_pulled": self.pulled.bytes,
            "bytes_swarm": self.brought.bytes,
            "bytes_wasted": self.wasted + self.pulled.wasted + self.brought.wasted,
        }

    def all_warnings(self) -> list[str]:
        """What is to be said, whoever noticed it."""
        return [*self.warnings, *self.pulled.warnings, *([self.events.problem] if self.events.problem else [])]

    def link_speed(self) -> int:
        """Bytes per second so far, or 0 when too little was sent to tell."""
        return int(self.sent / self.seconds) if self.sent >= _TELLING and self.seconds else 0

    def cargo(self, found: Survey, arrivals: Arrivals) -> Cargo:
        """What a transport has to bring, and whom to tell of it."""
        planned = {blob["digest"]: blob for blob in found.plan["blobs"]}
        blobs = [
            Blob(digest, planned[digest]["size"], planned[digest]["offset"], self.pool.home(digest).files)
            for digest in sending_order(found.plan)
        ]
        return Cargo(found.plan, blobs, found.staging_path, arrivals)
