# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers of fleets, as image_preload gives them."""

from __future__ import annotations

import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._fleet import Answers

ENGINE = {"product": "docker", "version": "26.1.5", "store": "graph", "driver": "overlay2", "platform": "linux/amd64"}
SHARED = "sha256:shared"
DISK: dict[str, t.Any] = {
    "kind": "disk",
    "images": [],
    "problem": "The disk of the engine is too small: /var/lib/docker has 1 bytes free and 2 are needed",
    "next_step": "Make room there and run this again.",
}


def image(
    name: str, action: str, layers: t.Mapping[str, tuple[int, str]], before: str | None = None
) -> dict[str, t.Any]:
    """An image of a plan; I(layers) are sizes and actions by digest."""
    return {
        "name": name,
        "id": f"id of {name}",
        "before": f"id of {name}" if action == "present" else before,
        "action": action,
        "reason": f"because of {action}",
        "layers": [{"digest": digest, "size": size, "action": done} for digest, (size, done) in layers.items()],
    }


def answer(images: t.Sequence[dict[str, t.Any]], **more: t.Any) -> dict[str, t.Any]:
    """An answer of a host that could be asked."""
    send = {layer["digest"]: layer["size"] for one in images for layer in one["layers"] if layer["action"] == "send"}
    return {
        "changed": any(one["action"] != "present" for one in images),
        "images": list(images),
        "bytes": {"present": 0, "staged": 0, "delta": 0, "send": sum(send.values())},
        "bytes_sent": 0,
        "bytes_pulled": 0,
        "bytes_swarm": 0,
        "bytes_wasted": 0,
        "seconds": 1.5,
        "engine": ENGINE,
        "reasons": [],
        "warnings": [],
        **more,
    }


def update(top: int = 70) -> list[dict[str, t.Any]]:
    """An image to load above a layer that is there, one to rename, and one that is there."""
    return [
        image("app:2", "load", {SHARED: (900, "present"), "sha256:top": (top, "send")}, "id of app:1"),
        image("app:current", "retag", {SHARED: (900, "present"), "sha256:old": (30, "present")}),
        image("tool:1", "present", {SHARED: (900, "present"), "sha256:tool": (5, "present")}),
    ]


def large(hosts: int, images: int) -> list[Answers]:
    """A fleet of which each twentieth host fails."""
    plan = [
        image(f"docker.io/library/service{number}:1", "load" if number % 3 else "present",
              {SHARED: (30_000_000, "present"), f"sha256:{number}": (1_000_000 + number, "send" if number % 3 else "present")})
        for number in range(images)
    ]  # fmt: skip
    good = answer(plan, bytes_sent=1_000_000)
    bad = {"failed": True, "msg": "it failed", "reasons": [DISK]}
    return [
        Answers(f"ship{number}", bad) if number % 20 == 19 else Answers(f"ship{number}", {**good, "seconds": 1 + number % 37}, good, is_begun=True)
        for number in range(hosts)
    ]  # fmt: skip
