# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Which transports a host's images come by, in their order. Pure; the rule is in docs/guides/large-fleets.md."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._oci import chain_ids
from ansible_collections.airlift.registry.plugins.plugin_utils._transport_registry import place

PUSH, REGISTRY = "push", "registry"


@dataclass(frozen=True)
class Choice:
    """The transports that take turns, why these, and what is to be said before."""

    transports: tuple[str, ...]
    reason: str
    warnings: tuple[str, ...] = ()

    def pulled(self, plan: t.Mapping[str, t.Any]) -> set[str]:
        """The IDs of the images that would come from the registry."""
        loads = {image["id"] for image in plan["images"] if image["action"] == "load"}
        return loads if REGISTRY in self.transports else set()


def choose(transport: str, registry: str, plan: t.Mapping[str, t.Any], snapshot: t.Mapping[str, t.Any]) -> Choice:
    """The transports for I(plan), by the option I(transport) and the I(registry) that was named (C(HOST[:PORT][/PREFIX]), or nothing)."""
    if transport == REGISTRY and not registry:
        raise InputError(
            "The transport is registry, and no registry is named",
            "Set registry (of the role: preload_registry) to where the bundle was published, for example registry.example.com.",
        )
    if registry:
        for image in plan["images"]:
            place(image["name"], registry)
    if transport == PUSH or not registry:
        return Choice((PUSH,), "push was asked for" if transport == PUSH else "no registry is named")
    if not any(image["action"] == "load" for image in plan["images"]):
        return Choice((PUSH,), "there is nothing to bring")
    return _with_registry(transport, registry, plan, snapshot)


def _with_registry(
    transport: str, registry: str, plan: t.Mapping[str, t.Any], snapshot: t.Mapping[str, t.Any]
) -> Choice:
    problem = snapshot["registry"]
    warning = (
        f"The registry {registry} is not reached from this host ({problem}), so the images are sent if need be. "
        "Look whether it is up, and whether the host's name server and routes lead there."
    )
    if transport == REGISTRY:
        return Choice((REGISTRY, PUSH), "registry was asked for", (warning,) if problem else ())
    if problem:
        return Choice((PUSH,), "the registry is not reached", (warning,))
    pull, push = pull_bytes(plan, snapshot), push_bytes(plan)
    if pull > push:
        return Choice((PUSH,), f"a pull would cost {pull} bytes and push {push}")
    return Choice((REGISTRY, PUSH), f"a pull costs {pull} bytes, no more than push with {push}")


def push_bytes(plan: t.Mapping[str, t.Any]) -> int:
    """Bytes that push would send."""
    return sum(blob["size"] - blob["offset"] for blob in plan["blobs"])


def pull_bytes(plan: t.Mapping[str, t.Any], snapshot: t.Mapping[str, t.Any]) -> int:
    """Bytes that the engine would pull, an estimate from above.

    Docker with a graph driver knows blobs of what it pulled only: it pulls layers again that came by a load. An image that was pulled shows a digest.
    """
    engine = snapshot["engine"]
    forgets = engine["store"] == "graph" and engine["product"] == "docker"
    pulled = [image["layers"] for image in snapshot["images"] if image["digests"]]
    known = {chain for layers in pulled for chain in chain_ids(layers)}
    sizes: dict[str, int] = {}
    for image in plan["images"]:
        if image["action"] == "load":
            chains = chain_ids([layer["diff_id"] for layer in image["layers"]])
            for layer, chain in zip(image["layers"], chains):
                if not (chain in known if forgets else layer["action"] == "present"):
                    sizes[layer["digest"]] = layer["size"]
    return sum(sizes.values())
