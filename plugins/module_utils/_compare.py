# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Two bundles compared by their locks: which names are new, mean something else, or are gone, and which layers are new."""

from __future__ import annotations

import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._lock import Lock


def compare(before: Lock, after: Lock) -> dict[str, t.Any]:
    """What I(after) has that I(before) has not, and the other way round. Bytes are those of compressed layers."""
    old, new = _meanings(before), _meanings(after)
    layers = {blob.digest: blob.size for blob in before.blobs}
    fresh = {blob.digest: blob.size for blob in after.blobs if blob.digest not in layers}
    kept = {blob.digest for blob in after.blobs}
    return {
        "added": sorted(new.keys() - old.keys()),
        "changed": sorted(name for name in old.keys() & new.keys() if old[name] != new[name]),
        "gone": sorted(old.keys() - new.keys()),
        "unchanged": sorted(name for name in old.keys() & new.keys() if old[name] == new[name]),
        "layers_added": len(fresh),
        "bytes_added": sum(fresh.values()),
        "layers_gone": len(layers.keys() - kept),
        "bytes_gone": sum(size for digest, size in layers.items() if digest not in kept),
    }


def as_diff(before: Lock, after: Lock) -> dict[str, dict[str, str]]:
    """The same for C(--diff): the digest of each name and platform, before and after."""
    return {"before": _flat(before), "after": _flat(after)}


def _meanings(lock: Lock) -> dict[str, dict[str, str]]:
    """What each name means: the digest of the manifest by platform."""
    names: dict[str, dict[str, str]] = {}
    for image in lock.images:
        names.setdefault(image.name, {})[image.platform] = image.digest
    return names


def _flat(lock: Lock) -> dict[str, str]:
    return {f"{image.name} {image.platform}": image.digest for image in lock.images}
