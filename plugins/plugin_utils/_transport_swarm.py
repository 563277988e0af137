# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Transport swarm: which hosts feed each other, which layers, and why; and what came to one of them that way. Pure.

What carries it out are the modules swarm_seed and swarm_member, as it is about many hosts at once. The rule is in docs/guides/large-fleets.md.
"""

from __future__ import annotations

import ipaddress
import typing as t
from collections import Counter
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.plugin_utils._transport_choice import PUSH

SWARM, AUTO = "swarm", "auto"
Wish = t.Mapping[str, t.Any]


def choose(wishes: t.Mapping[str, Wish], hosts: int, size: int) -> dict[str, dict[str, t.Any]]:
    """For each host the C(blobs), digests, that come by the swarm, and the C(reason) for that or for none.

    A wish has the host's C(transport), C(site), C(address) for others and C(layers), bytes by digest, that it lacks. C(auto) takes part when at least
    I(hosts) hosts of a site lack the same layers, and these have at least I(size) bytes together.
    """
    by_site: dict[str, list[Wish]] = {}
    for wish in wishes.values():
        by_site.setdefault(wish["site"], []).append(wish)
    sites = {site: _site(found, hosts) for site, found in by_site.items()}
    return {host: _choice(wish, sites[wish["site"]], hosts, size) for host, wish in wishes.items()}


@dataclass(frozen=True)
class _Site:
    """What enough hosts of a site lack alike, bytes by digest, and how many hosts lack any of it."""

    shared: t.Mapping[str, int]
    takers: int

    @property
    def size(self) -> int:
        return sum(self.shared.values())


def _site(wishes: t.Sequence[Wish], hosts: int) -> _Site:
    able = [wish["layers"] for wish in wishes if _can(wish)]
    counts = Counter(digest for layers in able for digest in layers)
    shared = {digest: size for layers in able for digest, size in layers.items() if counts[digest] >= hosts}
    return _Site(shared, sum(not shared.keys().isdisjoint(layers) for layers in able))


def _choice(wish: Wish, site: _Site, hosts: int, size: int) -> dict[str, t.Any]:
    if wish["transport"] == SWARM:
        return {"blobs": sorted(wish["layers"]), "reason": "swarm was asked for"}
    problem = _problem(wish, site, hosts, size)
    if problem:
        return {"blobs": [], "reason": f"no swarm, as {problem}"}
    return {
        "blobs": sorted(site.shared.keys() & wish["layers"].keys()),
        "reason": f"swarm, as {site.takers} hosts of the site {wish['site']} lack the same {site.size} bytes",
    }


def _problem(wish: Wish, site: _Site, hosts: int, size: int) -> str:
    """What speaks against a swarm for a host, by the rule; nothing when it is to take part."""
    if wish["transport"] != AUTO:
        return f"{wish['transport']} was asked for"
    if not wish["layers"]:
        return "there is nothing to bring"
    if not _is_address(wish["address"]):
        return f"{wish['address'] or 'nothing'} is no address by which other hosts reach this one"
    if site.shared.keys().isdisjoint(wish["layers"]):
        return f"fewer than {hosts} hosts of the site {wish['site']} lack the same layers"
    if site.size < size:
        return f"hosts of the site {wish['site']} lack the same {site.size} bytes, fewer than {size}"
    return ""


def _can(wish: Wish) -> bool:
    """Whether a host could take part."""
    return wish["transport"] == SWARM or (wish["transport"] == AUTO and _is_address(wish["address"]))


def _is_address(text: str) -> bool:
    """Whether others may reach a host by it. What only Ansible can follow, as a name or a forwarded port, is none."""
    try:
        return not ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Brought:
    """What a swarm has brought to one host before: digests, their bytes, those that came to nothing; and why there was a swarm or none."""

    reason: str = ""
    arrived: t.Collection[str] = ()
    bytes: int = 0
    wasted: int = 0

    @classmethod
    def of(cls, option: t.Mapping[str, t.Any]) -> Brought:
        """As the option I(swarm) of image_preload has it."""
        return cls(
            option.get("reason") or "",
            option.get("arrived") or (),
            int(option.get("bytes") or 0),
            int(option.get("bytes_wasted") or 0),
        )

    def traffic(self) -> dict[str, int]:
        """Its bytes, as they are reported."""
        return {"bytes_sent": 0, "bytes_pulled": 0, "bytes_swarm": self.bytes, "bytes_wasted": self.wasted}

    def told(self, result: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """A result of image_preload with the images that came this way, or shall come, and the reason."""
        images = [
            {**image, "transport": SWARM} if image["transport"] == PUSH and self._has(image) else image
            for image in result["images"]
        ]
        is_all = bool(self.arrived) and all(image["transport"] in (SWARM, "") for image in images)
        reasons = [self.reason, *([] if is_all else [result["transport_reason"]])]
        return {**result, "images": images, "transport_reason": "; ".join(filter(None, reasons))}

    def _has(self, image: t.Mapping[str, t.Any]) -> bool:
        return any(
            layer["action"] in ("staged", "send") and layer["digest"] in self.arrived for layer in image["layers"]
        )
