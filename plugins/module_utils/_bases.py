# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Bases: the bundles that have what an incremental bundle leaves out. Their locks in, what to leave out and how to say so out.

A base may be incremental itself. What it left out is then looked for in its own base, so that a layer is always named
with the bundle that has its bytes.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.plugins.module_utils._image import Layer
from ansible_collections.airlift.registry.plugins.module_utils._lock import Lock, LockedBase, LockedBlob

_TAR = "application/vnd.oci.image.layer.v1.tar"
_MEDIA_TYPES = {"": f"{_TAR}+gzip", "zstd": f"{_TAR}+zstd", "none": _TAR}  # by what the lock says of the compression


@dataclass(frozen=True)
class Base:
    """A bundle, or the lock of one: its ID, the name that people know it by, and its lock."""

    id: str
    name: str
    lock: Lock


@dataclass(frozen=True)
class Bases:
    """What all bases together have: C(homes) is the ID of the bundle by the layer's digest, C(names) are those of the bundles by ID."""

    homes: t.Mapping[str, str] = field(default_factory=dict)
    names: t.Mapping[str, str] = field(default_factory=dict)
    blobs: tuple[LockedBlob, ...] = ()

    @property
    def layers(self) -> list[Layer]:
        """The layers, as a manifest that is made here may name them."""
        return [
            Layer(_oci.Descriptor(_MEDIA_TYPES[blob.compression], blob.digest, blob.size), blob.diff_id)
            for blob in self.blobs
            if blob.compression in _MEDIA_TYPES
        ]


NO_BASES = Bases()


def combine(bases: t.Iterable[Base]) -> Bases:
    """All bases as one, whatever their order. A bundle that was given is a better home than one that it only names."""
    ordered = sorted(bases, key=lambda base: base.id)
    homes: dict[str, str] = {}
    names = {base.id: base.name for base in ordered}
    for base in ordered:
        homes.update((blob.digest, base.id) for blob in base.lock.blobs if not blob.base and blob.digest not in homes)
    for base in ordered:
        for blob in base.lock.blobs:
            homes.setdefault(blob.digest, blob.base)
        for further in base.lock.bases:
            names.setdefault(further.id, further.name)
    return Bases(homes, names, tuple(blob for base in ordered for blob in base.lock.blobs))


def lock_layers(layers: t.Iterable[Layer], bases: Bases) -> tuple[tuple[LockedBlob, ...], tuple[LockedBase, ...]]:
    """How a lock names these layers, and the bases that have some of them."""
    once = {layer.blob.digest: layer for layer in layers}
    blobs = tuple(_locked(layer, bases) for _digest, layer in sorted(once.items()))
    used = sorted({blob.base for blob in blobs if blob.base})
    return blobs, tuple(LockedBase(home, bases.names[home]) for home in used)


def base_differences(lock: Lock, layers: t.Sequence[Layer], bases: Bases) -> list[str]:
    """Why a bundle of I(lock) with these layers is another one than with I(bases), in words."""
    blobs, used = lock_layers(layers, bases)
    if (blobs, used) == (lock.blobs, lock.bases):
        return []
    had = {blob.digest: blob.base for blob in lock.blobs}
    more = {blob.digest for blob in blobs if blob.base and not had[blob.digest]}
    fewer = {blob.digest for blob in blobs if not blob.base and had[blob.digest]}
    reasons = [f"the bases have {_count(more)} of it that it does not leave out"] if more else []
    reasons += [f"it leaves out {_count(fewer)} that none of the bases has"] if fewer else []
    return reasons or ["its bases are others, or have other names"]


def reuse_differences(images: t.Mapping[str, t.Sequence[Layer]], known: t.Mapping[str, Layer]) -> list[str]:
    """The I(images), by name, for a layer of which a blob of the same content is I(known) that is used instead (see _reuse)."""
    return [
        f"a layer of {name} is in a base or in another image with the same content"
        for name, layers in sorted(images.items())
        if any(known.get(layer.diff_id, layer).blob.digest != layer.blob.digest for layer in layers)
    ]


def _locked(layer: Layer, bases: Bases) -> LockedBlob:
    blob = layer.blob
    compression = _oci.compression_of(blob.media_type)
    return LockedBlob(
        blob.digest,
        layer.diff_id,
        blob.size,
        bases.homes.get(blob.digest, ""),
        "" if compression == "gzip" else compression,
    )


def _count(digests: t.Collection[str]) -> str:
    return "one layer" if len(digests) == 1 else f"{len(digests)} layers"
