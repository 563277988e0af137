# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The documents of a bundle, made of what was packed: plain data in, the same bytes out every time."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils import _layout, _oci
from ansible_collections.airlift.registry.plugins.module_utils._bundle import NAME_ANNOTATION, REF_ANNOTATION, Image
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError

LOCK_VERSION = 1


@dataclass(frozen=True)
class Packed:
    """An image that is in the store now, where it came from, and by which digest it was known there."""

    image: Image
    source: str
    source_id: str


def documents(packed: t.Sequence[Packed]) -> dict[str, bytes]:
    """The bundle's small files by name, without checksums and signature."""
    ordered = sorted(packed, key=lambda entry: entry.image.name)
    images = [entry.image for entry in ordered]
    return {
        _layout.LAYOUT: b'{"imageLayoutVersion":"1.0.0"}',
        _layout.INDEX: _oci.canonical_json(_index(images)),
        _layout.DOCKER_MANIFEST: _oci.canonical_json(_docker_manifest(images)),
        _layout.LOCK: format_lock([lock_entry(entry) for entry in ordered]),
    }


def lock_entry(packed: Packed) -> dict[str, t.Any]:
    """What bundle.lock.yml says of an image. C(size) is in bytes, of all its blobs."""
    image = packed.image
    return {
        "name": image.name,
        "digest": image.manifest.digest,
        "config": image.config.digest,
        "platform": image.platform,
        "size": image.size,
        "created": image.created,
        "source": packed.source,
        "source_id": packed.source_id,
    }


def format_lock(entries: t.Sequence[dict[str, t.Any]]) -> bytes:
    """The lock as YAML. Every value is a number or a quoted string, which JSON and YAML write alike."""
    lines = [f"version: {LOCK_VERSION}", "images:"]
    for entry in entries:
        for number, (key, value) in enumerate(entry.items()):
            lines.append(f"{'  - ' if number == 0 else '    '}{key}: {_oci.canonical_json(value).decode()}")
    return ("\n".join(lines) + "\n").encode()


def parse_lock(data: bytes) -> list[dict[str, t.Any]]:
    """Read what format_lock wrote, and nothing else; raises BundleError."""
    entries: list[dict[str, t.Any]] = []
    try:
        version, images, *lines = data.decode().removesuffix("\n").split("\n")
        if (version, images) != (f"version: {LOCK_VERSION}", "images:"):
            raise ValueError(version)
        for line in lines:
            if line.startswith("  - "):
                entries.append({})
            key, value = line[4:].split(": ", 1)
            entries[-1][key] = json.loads(value)
    except (ValueError, IndexError) as error:
        raise BundleError(f"bundle.lock.yml is none of version {LOCK_VERSION}", "Make the bundle anew.") from error
    return entries


def _index(images: t.Sequence[Image]) -> dict[str, t.Any]:
    return {"schemaVersion": 2, "mediaType": _oci.OCI_INDEX, "manifests": [_index_entry(image) for image in images]}


def _index_entry(image: Image) -> dict[str, t.Any]:
    system, architecture, *variant = image.platform.split("/")
    platform = {"os": system, "architecture": architecture, **({"variant": variant[0]} if variant else {})}
    annotations = {NAME_ANNOTATION: image.name, REF_ANNOTATION: image.name}
    return {**image.manifest.to_json(), "platform": platform, "annotations": annotations}


def _docker_manifest(images: t.Sequence[Image]) -> list[dict[str, t.Any]]:
    entries: dict[str, dict[str, t.Any]] = {}
    for image in images:
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
