# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The documents of a bundle, made of what was packed: plain data in, the same bytes out every time."""

from __future__ import annotations

import datetime
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils import _layout, _oci
from ansible_collections.airlift.registry.plugins.module_utils._bases import NO_BASES, Bases, lock_layers
from ansible_collections.airlift.registry.plugins.module_utils._bundle import NAME_ANNOTATION
from ansible_collections.airlift.registry.plugins.module_utils._deltas import NO_DELTAS, Deltas, format_deltas
from ansible_collections.airlift.registry.plugins.module_utils._image import Image
from ansible_collections.airlift.registry.plugins.module_utils._lock import (
    Lock,
    LockedImage,
    LockedOption,
    format_lock,
)
from ansible_collections.airlift.registry.plugins.module_utils._readme import README
from ansible_collections.airlift.registry.plugins.module_utils._referrers import (
    Referrer,
    format_listing,
    locked_referrers,
)

PREFERRED_PLATFORM = "linux/amd64"
_EPOCH = "1970-01-01T00:00:00Z"
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.\d+)?([Zz]|[+-]\d\d:\d\d)")


@dataclass(frozen=True)
class Packed:
    """An image that is in the store now, where it came from, and by which digest it was known there.

    I(is_made_here) says that its manifest was, so that it may be made another way.
    """

    image: Image
    source: str
    source_id: str
    is_made_here: bool = False


def documents(
    packed: t.Sequence[Packed],
    options: t.Sequence[LockedOption] = (),
    bases: Bases = NO_BASES,
    deltas: Deltas = NO_DELTAS,
    referrers: t.Sequence[Referrer] = (),
) -> dict[str, bytes]:
    """The bundle's small files by name, without checksums and signature. I(options) are noted in the lock."""
    images = sorted((entry.image for entry in packed), key=lambda image: (image.name, image.platform))
    return {
        _layout.LAYOUT: b'{"imageLayoutVersion":"1.0.0"}',
        _layout.README: README,
        _layout.INDEX: _oci.canonical_json(_index(images)),
        _layout.DOCKER_MANIFEST: _oci.canonical_json(_docker_manifest(images)),
        _layout.LOCK: format_lock(make_lock(packed, options=options, bases=bases, referrers=referrers)),
        **({_layout.DELTAS: format_deltas(deltas)} if deltas.mode != "none" else {}),
        **({_layout.REFERRERS: format_listing(referrers)} if referrers else {}),
    }


def make_lock(
    packed: t.Sequence[Packed],
    created: str = "",
    options: t.Sequence[LockedOption] = (),
    bases: Bases = NO_BASES,
    referrers: t.Sequence[Referrer] = (),
) -> Lock:
    """The lock of these images, without the layers that I(bases) have.

    I(created) is by default the time of the newest of them, so that the same images make the same lock.
    """
    ordered = sorted(packed, key=lambda entry: (entry.image.name, entry.image.platform))
    blobs, used = lock_layers((layer for entry in ordered for layer in entry.image.layers), bases)
    return Lock(
        created or newest(entry.image.created for entry in ordered),
        tuple(_locked_image(entry) for entry in ordered),
        blobs,
        used,
        tuple(options),
        locked_referrers(referrers),
    )


def newest(times: t.Iterable[str]) -> str:
    """The latest of these RFC 3339 times, in UTC and whole seconds; what is none does not count."""
    return max((text for text in map(_in_utc, times) if text), default=_EPOCH)


def _in_utc(text: str) -> str:
    match = _RFC3339.fullmatch(text)
    if not match:
        return ""
    try:
        moment = datetime.datetime.fromisoformat(match[1] + match[2].upper().replace("Z", "+00:00"))
    except ValueError:
        return ""
    return moment.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _locked_image(packed: Packed) -> LockedImage:
    image = packed.image
    return LockedImage(
        name=image.name,
        platform=image.platform,
        digest=image.manifest.digest,
        config=image.config.digest,
        size=image.size,
        created=image.created,
        source=packed.source,
        source_id=packed.source_id,
        index=image.index.digest if image.index else "",
    )


def _index(images: t.Sequence[Image]) -> dict[str, t.Any]:
    # Sorted by name, so of each index one of its images is enough.
    named = {image.name: image for image in images}
    return {
        "schemaVersion": 2,
        "mediaType": _oci.OCI_INDEX,
        "manifests": [_index_entry(image) for image in named.values()],
    }


def _index_entry(image: Image) -> dict[str, t.Any]:
    platform = {} if image.index else {"platform": _oci.split_platform(image.platform)}
    annotations = {NAME_ANNOTATION: image.name, _oci.REF_ANNOTATION: image.name}
    return {**image.target.to_json(), **platform, "annotations": annotations}


def _docker_manifest(images: t.Sequence[Image]) -> list[dict[str, t.Any]]:
    """A docker archive has one image for a name, so of several platforms the preferred one is in it."""
    chosen: dict[str, Image] = {}
    for image in images:
        if image.name not in chosen or image.platform == PREFERRED_PLATFORM:
            chosen[image.name] = image
    entries: dict[str, dict[str, t.Any]] = {}
    for image in chosen.values():
        entry = entries.setdefault(
            image.manifest.digest,
            {
                "Config": _layout.blob_name(image.config.digest),
                "RepoTags": [],
                "Layers": [_layout.blob_name(layer.blob.digest) for layer in image.layers],
            },
        )
        entry["RepoTags"].append(image.name)
    return list(entries.values())
