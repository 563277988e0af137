# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two bundles compared by their locks."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._compare import as_diff, compare
from ansible_collections.airlift.registry.plugins.module_utils._lock import Lock, LockedBlob, LockedImage

NOTHING: dict[str, t.Any] = {
    "added": [], "changed": [], "gone": [], "unchanged": [],
    "layers_added": 0, "bytes_added": 0, "layers_gone": 0, "bytes_gone": 0,
}  # fmt: skip


def digest(text: str) -> str:
    return f"sha256:{text.encode().hex():0>64}"


def lock(images: dict[str, str], **blobs: int) -> Lock:
    """A lock of images (C(name platform) to manifest) and layers with their sizes."""
    entries = []
    for key, manifest in images.items():
        name, _space, platform = key.partition(" ")
        entries.append(LockedImage(name, platform or "linux/amd64", digest(manifest), digest("c"), 1, "", "x", "y"))
    layers = tuple(LockedBlob(digest(name), digest(f"d{name}"), size) for name, size in blobs.items())
    return Lock("", tuple(entries), layers)


OLD = lock({"app": "1", "tool": "2"}, base=100, top=10)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param(OLD, {"unchanged": ["app", "tool"]}, id="the same"),
        pytest.param(
            lock({"app": "3", "tool": "2"}, base=100, new=20),
            {"changed": ["app"], "unchanged": ["tool"], "layers_added": 1, "bytes_added": 20, "layers_gone": 1, "bytes_gone": 10},
            id="an image with a new layer",
        ),
        pytest.param(
            lock({"app": "1", "more": "2"}, base=100, top=10),
            {"added": ["more"], "gone": ["tool"], "unchanged": ["app"]},
            id="another name for the same image",
        ),
        pytest.param(
            lock({"app": "1", "app linux/arm64": "4", "tool": "2"}, base=100, top=10, arm=7),
            {"changed": ["app"], "unchanged": ["tool"], "layers_added": 1, "bytes_added": 7},
            id="a platform more",
        ),
        pytest.param(
            lock({}), {"gone": ["app", "tool"], "layers_gone": 2, "bytes_gone": 110}, id="nothing left"
        ),
    ],
)  # fmt: skip
def test_says_what_came_and_what_went(after: Lock, expected: dict[str, t.Any]) -> None:
    assert compare(OLD, after) == {**NOTHING, **expected}


def test_the_diff_has_a_line_for_each_platform() -> None:
    after = lock({"app": "1", "app linux/arm64": "4"})
    assert as_diff(OLD, after) == {
        "before": {"app linux/amd64": digest("1"), "tool linux/amd64": digest("2")},
        "after": {"app linux/amd64": digest("1"), "app linux/arm64": digest("4")},
    }
