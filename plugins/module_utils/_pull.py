# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What an engine tells while it pulls an image, counted; and what helps against what it says when it cannot. Pure."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._reference import hex_of

_SHORT = 12  # engines tell of a layer by that many digits of its digest
_THERE = "Already exists"
# All of these mean that every byte has come; which of them an engine tells depends on its store, and podman tells of no byte before.
_ARRIVED = ("Verifying Checksum", "Download complete", "Extracting", "Pull complete")
_MISSING = re.compile(r"manifest unknown|not found|name unknown|not known to registry", re.IGNORECASE)
# In this order: a registry that lets nobody in says of a certificate nothing, but of some images that they are not found.
_HELP = (
    (
        re.compile(r"x509|certificate|tls:", re.IGNORECASE),
        "Let the host's engine trust the registry's authority (role airlift.registry.client)",
    ),
    (
        re.compile(r"unauthorized|denied|forbidden|authoriz|authentication|no basic auth|\b40[13]\b", re.IGNORECASE),
        "Log the user of the task in on the host (role airlift.registry.client, client_username) with a user who may pull there",
    ),
    (
        re.compile(r"toomanyrequests|too many requests|\b429\b", re.IGNORECASE),
        "Let fewer hosts pull at once (--forks, preload_serial), or have the registry's limit raised",
    ),
    (_MISSING, "Publish the bundle there (playbook airlift.registry.publish), to the place that registry names"),
)
_OTHERWISE = "Look whether the registry is up and the host reaches it"


class Tally:
    """The pull of one image with these layers (sizes by digest)."""

    def __init__(self, layers: t.Mapping[str, int]) -> None:
        self._sizes = {hex_of(digest)[:_SHORT]: size for digest, size in layers.items()}
        self._got: dict[str, int] = {}
        self._ended: set[str] = set()

    def note(self, event: t.Mapping[str, t.Any]) -> bool:
        """Count an event of the engine's; whether it tells of anything new."""
        layer, status = str(event.get("id", "")), str(event.get("status", ""))
        if layer not in self._sizes or layer in self._ended:
            return False
        if status == _THERE or status in _ARRIVED:
            self._ended.add(layer)
            self._got[layer] = 0 if status == _THERE else self._sizes[layer]
            return True
        before = self._got.get(layer, -1)
        self._got[layer] = max(before, _current(event, self._sizes[layer]))
        return self._got[layer] > before

    @property
    def bytes(self) -> int:
        """Bytes of layers that came from the registry."""
        return sum(self._got.values())

    @property
    def is_waiting(self) -> bool:
        """Whether anything is still to come from the registry. Afterwards the engine unpacks, some of them in silence."""
        return len(self._ended) < len(self._sizes)


def _current(event: t.Mapping[str, t.Any], size: int) -> int:
    """What has come of a layer by this event; it is for people, so it is not believed beyond the layer's size."""
    detail = event.get("progressDetail") if event.get("status") == "Downloading" else None
    if not isinstance(detail, dict):
        return 0
    current, total = detail.get("current"), detail.get("total")
    # Docker draws the bar to its end when a download breaks off (moby, pkg/progress, Reader.Close). A layer that came says so by its next status.
    is_drawn = isinstance(total, int) and 0 < total == current
    return min(current, size) if isinstance(current, int) and current > 0 and not is_drawn else 0


def is_missing(problem: str) -> bool:
    """Whether the registry is well and just has no such image, so that others may be there."""
    return what_helps(problem) == _HELP[-1][1]


def what_helps(problem: str) -> str:
    """The next step, by what the engine says of the pull that failed."""
    return next((step for pattern, step in _HELP if pattern.search(problem)), _OTHERWISE)
