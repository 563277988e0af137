# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift: each way in which an engine's images can differ from a lock."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._drift import drift
from ansible_collections.airlift.registry.plugins.module_utils._plan import temporary_name
from ansible_collections.airlift.registry.tests.unit.plugins.support.local_images import digest, full, local, locked

V1 = locked("app:v1", "v1")
MULTI = locked("app:v1", "v1", index=digest("index of v1"))
BY_DIGEST = locked(f"registry.example.com/app@{digest('manifest of v1')}", "v1")
THERE = local("v1", "base", tags=["app:v1"])
NAMELESS = local("v1", "base")
P, M, D, INCOMPLETE = "present", "missing", "different", "incomplete"


@pytest.mark.parametrize(
    ("entries", "images", "states", "extra"),
    [
        pytest.param([V1], [THERE], [P], [], id="as it should be"),
        pytest.param([V1], [local("manifest of v1", "base", tags=["app:v1"])], [P], [], id="containerd store: the ID is the manifest's digest"),
        pytest.param([MULTI], [local("index of v1", "base", tags=["app:v1"])], [P], [], id="containerd store: or that of the index"),
        pytest.param([V1], [local("index of v1", "base", tags=["app:v1"], manifests=[digest("manifest of v1")])], [P], [], id="containerd store: pulled by an index that the lock does not name"),
        pytest.param([V1], [local("index of v2", "base", tags=["app:v1"], manifests=[digest("manifest of v2")])], [D], [], id="containerd store: pulled by an index of another image"),
        pytest.param([V1], [], [M], [], id="nothing there"),
        pytest.param([V1], [NAMELESS], [M], [], id="the image without any name is missing, and not extra"),
        pytest.param([V1], [local("v1", "base", tags=["app:old"])], [M], ["app:old"], id="the image under another name"),
        pytest.param([V1], [local("v2", "base", tags=["app:v1"])], [D], [], id="the name means another image"),
        pytest.param([V1], [local("v2", "base", tags=["app:v1"]), NAMELESS], [D], [], id="a tag that was moved away"),
        pytest.param([V1], [local("v1", tags=["app:v1"], whole=False)], [INCOMPLETE], [], id="layers are missing"),
        pytest.param([V1], [local("v1", "base", tags=["app:v1", "app:more"])], [P], ["app:more"], id="one name too many"),
        pytest.param([V1], [THERE, local("x", "base")], [P], [None], id="an image without a name that no lock has"),
        pytest.param([V1], [THERE, local("x", "base", digests=["a.example/x@" + digest("x")])], [P], ["a.example/x@" + digest("x")], id="an image that was pulled by digest"),
        pytest.param([V1, locked("tool:1", "tool", lock="b.lock.yml")], [THERE, local("tool", "base", tags=["tool:1"])], [P, P], [], id="two locks"),
        pytest.param([V1, locked("app:v1", "v2", lock="b.lock.yml")], [THERE], [P, D], [], id="two locks that contradict each other"),
        pytest.param([locked("app:v1", "arm", "linux/arm64"), V1], [THERE], [P], [], id="another platform of the name"),
        pytest.param([locked("app:v1", "arm", "linux/arm64")], [THERE], [], [], id="only another platform: not expected, and not extra"),
        pytest.param([locked("app:v1", "v1", "linux/amd64/v2")], [THERE], [P], [], id="a variant"),
        pytest.param([BY_DIGEST], [NAMELESS], [P], [], id="a reference by digest is there by its ID"),
        pytest.param([BY_DIGEST], [local("x", "base", digests=[BY_DIGEST["name"]])], [D], [], id="a reference by digest that means another image"),
        pytest.param([BY_DIGEST], [], [M], [], id="a reference by digest that is not there"),
        pytest.param([V1], [local("v1", "base", tags=["app:v1", temporary_name(digest("v1"))])], [P], [], id="a preload that is under way is nothing extra"),
    ],
)  # fmt: skip
def test_drift(
    entries: list[dict[str, str]], images: list[dict[str, t.Any]], states: list[str], extra: list[str | None]
) -> None:
    found = drift(entries, images, "linux/amd64")
    assert [entry["state"] for entry in found["images"]] == states
    assert [entry["names"] for entry in found["extra"]] == [[full(name)] if name else [] for name in extra]
    assert found["matches"] == (set(states) <= {P} and not extra)
    assert all(entry["reason"] for entry in found["images"])


def test_tells_what_the_name_means_and_where_the_lock_is() -> None:
    (entry,) = drift([V1], [local("v2", "base", tags=["app:v1"]), NAMELESS], "linux/amd64")["images"]
    assert entry == {
        "lock": "a.lock.yml",
        "name": "docker.io/library/app:v1",
        "platform": "linux/amd64",
        "id": digest("v2"),
        "state": D,
        "reason": "the name means another image, and the lock's image is there without this name",
    }
