# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Which manifests of a source go into a bundle, by platform, and what a name means there. Plain data in and out.

* One platform: its manifest, and no index.
* C(all), or every platform that the index has: the index byte for byte, with all that it lists (attestations too).
* Some platforms: an index without the others. Manifests keep their digests, the index gets a new one, attestations stay behind:
  they are about the index that was, and registries refuse an index whose manifests are missing.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError

ALL = "all"


@dataclass(frozen=True)
class Choice:
    """The manifests to take, those of attestations among them, and the index that the name will mean, if it means one."""

    entries: tuple[_oci.IndexEntry, ...]
    index: bytes = b""
    media_type: str = ""

    @property
    def images(self) -> tuple[_oci.IndexEntry, ...]:
        return tuple(entry for entry in self.entries if entry.platform != _oci.NO_PLATFORM)


def is_same_platform(found: str, wanted: str) -> bool:
    """Whether an image for I(found) is what was wanted; a variant counts only where both name one."""
    length = min(found.count("/"), wanted.count("/")) + 1
    return found.split("/")[:length] == wanted.split("/")[:length]


def choose(data: bytes, platforms: t.Sequence[str], what: str) -> Choice:
    """What to take of the index or manifest I(data); raises InputError when it lacks a platform, BundleError when it is neither."""
    document = _oci.parse_document(data, what)
    if "manifests" not in document:
        manifest = _oci.parse_manifest(data, what)
        return Choice((_oci.IndexEntry(_oci.Descriptor(manifest.media_type, _oci.digest_of(data), len(data)), ""),))
    entries = _oci.parse_index(data, what)
    images = [entry for entry in entries if entry.platform != _oci.NO_PLATFORM]
    chosen = images if ALL in platforms else dict.fromkeys(_find(images, platform, what) for platform in platforms)
    if len(platforms) == 1 and ALL not in platforms:
        return Choice(tuple(chosen))
    media_type = document.get("mediaType", _oci.OCI_INDEX)
    if {entry.descriptor.digest for entry in chosen} == {entry.descriptor.digest for entry in images}:
        return Choice(entries, data, media_type)
    return Choice(tuple(chosen), _trim(document, {entry.descriptor.digest for entry in chosen}), media_type)


def _find(images: t.Sequence[_oci.IndexEntry], wanted: str, what: str) -> _oci.IndexEntry:
    """The entry of exactly this platform, else the first that will do."""
    fitting = [entry for entry in images if is_same_platform(entry.platform, wanted)]
    for entry in sorted(fitting, key=lambda entry: entry.platform != wanted):
        return entry
    there = ", ".join(sorted({entry.platform for entry in images}))
    raise InputError(
        f"{what} has no image for {wanted}", f"It has {there or 'none'}. Set platforms, or platform for all images."
    )


def _trim(document: dict[str, t.Any], digests: t.Collection[str]) -> bytes:
    kept = [entry for entry in document["manifests"] if entry["digest"] in digests]
    return _oci.canonical_json({**document, "manifests": kept})
