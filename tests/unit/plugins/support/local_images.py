# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images as EngineStorage tells of them, made from few words."""

from __future__ import annotations

import typing as t

from ansible_collections.airlift.registry.tests.unit.plugins.support.images import sha256

# Bytes of the layer that each step makes; a step of another name makes none.
SIZES = {"base": 1000, "lib": 200, "v1": 30, "v2": 31, "dir": 0}


def digest(name: str) -> str:
    return f"sha256:{sha256(name.encode())}"


def step(name: str) -> dict[str, t.Any]:
    created_by = f"COPY {name} /" if name in SIZES else name
    return {"created": "2026-01-01T00:00:00Z", "created_by": created_by, "comment": "", "size": SIZES.get(name, 0)}


def local(name: str, *steps: str, tags: t.Sequence[str] = (), **changes: t.Any) -> dict[str, t.Any]:
    """The image I(name): its ID follows from the name, its layers from the steps that make one."""
    return {
        "id": digest(name),
        "tags": [full(tag) for tag in tags],
        "digests": [],
        "manifests": [],
        "created": "2026-01-01T00:00:00Z",
        "tagged": "",
        "platform": "linux/amd64",
        "engine_size": 0,
        "layers": [digest(entry) for entry in steps if entry in SIZES],
        "whole": True,
        "steps": [step(entry) for entry in steps],
        **changes,
    }


def full(tag: str) -> str:
    return tag if "/" in tag else f"docker.io/library/{tag}"


def container(name: str, image: str, state: str = "running") -> dict[str, str]:
    return {"id": digest(name), "name": name, "state": state, "image": digest(image)}


def locked(tag: str, image: str, platform: str = "linux/amd64", **changes: str) -> dict[str, str]:
    """A lock's image, whose config has the digest that local() gives as ID."""
    return {
        "lock": "a.lock.yml",
        "name": full(tag),
        "platform": platform,
        "config": digest(image),
        "digest": digest(f"manifest of {image}"),
        "index": "",
        **changes,
    }
