# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Manifests, configs and descriptors of the OCI image specification: bytes in, verified plain data out.

Rules, each checked before a value is believed:

* a document is a JSON object no larger than MAX_DOCUMENT (distribution specification: registries cap manifests at 4 MiB);
* a descriptor has a media type, a sha256 digest and a size that is not negative (image specification, "Descriptor");
* a manifest has one config and at least one layer, all of media types that hold an image (image specification, "Manifest");
* an index lists manifests, never other indexes, each once (image specification, "Index"; nesting is legal there and used by nobody);
* a config names its platform and one diffID for each layer of its manifest (image specification, "Image configuration").
"""

from __future__ import annotations

import hashlib
import json
import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError
from ansible_collections.airlift.registry.plugins.module_utils._reference import is_digest

MAX_DOCUMENT = 4 * 1024 * 1024
_MARKS = (b"[", b"{", b",", b":")
_MAX_VALUES = 400_000  # an index.json of 10,000 images has half of that

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER_TAR = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"

MANIFEST_TYPES = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEX_TYPES = (OCI_INDEX, DOCKER_INDEX)
_CONFIG_TYPES = (OCI_CONFIG, DOCKER_CONFIG)
# Layers that no registry hands out ("foreign", "nondistributable") cannot be carried, so they are not here.
_LAYER_TYPES = (
    OCI_LAYER_TAR,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
)

REF_ANNOTATION = "org.opencontainers.image.ref.name"  # image specification, "Pre-Defined Annotation Keys"
NO_PLATFORM = "unknown/unknown"  # how builders mark what in an index is no image

_NEXT = "Make the bundle anew from a source that is whole."


@dataclass(frozen=True)
class Descriptor:
    """A pointer to a blob: media type, digest and size in bytes."""

    media_type: str
    digest: str
    size: int

    def to_json(self) -> dict[str, t.Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


@dataclass(frozen=True)
class Manifest:
    """One image for one platform: its config and its layers, base first."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]


@dataclass(frozen=True)
class Artifact:
    """A manifest of any kind: what it consists of, and what it is about (image specification, "Manifest": subject)."""

    media_type: str
    artifact_type: str
    blobs: tuple[Descriptor, ...]
    subject: Descriptor | None
    annotations: t.Mapping[str, str]


@dataclass(frozen=True)
class IndexEntry:
    """One manifest of an index. C(platform) is C(unknown/unknown) for what is no image, such as an attestation."""

    descriptor: Descriptor
    platform: str


@dataclass(frozen=True)
class Config:
    """What is needed of an image configuration. C(platform) is C(os/architecture[/variant])."""

    platform: str
    diff_ids: tuple[str, ...]
    created: str


def digest_of(data: bytes) -> str:
    """The sha256 digest of some bytes, as descriptors write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def compression_of(media_type: str) -> str:
    """How a layer of this media type is compressed: C(gzip), C(zstd), or C(none)."""
    for name in ("gzip", "zstd"):
        if media_type.endswith(name):
            return name
    return "none"


def canonical_json(value: t.Any) -> bytes:
    """JSON with one spelling only: the same value always makes the same bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def chain_ids(diff_ids: t.Sequence[str]) -> list[str]:
    """The chainID of each layer (image specification, "Layer ChainID")."""
    chain: list[str] = []
    for diff_id in diff_ids:
        chain.append(digest_of(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id)
    return chain


def parse_json(data: bytes, what: str) -> t.Any:
    """Parse any JSON that fits into a tenth of the memory that a process of ours may use."""
    # Lists and objects take up to twenty times the room of their text.
    if sum(map(data.count, _MARKS)) > _MAX_VALUES:
        raise BundleError(f"{what} has too many values", _NEXT)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{what} is not JSON", _NEXT) from error


def parse_document(data: bytes, what: str) -> dict[str, t.Any]:
    """Parse a JSON object; I(what) names it in the error."""
    if len(data) > MAX_DOCUMENT:
        raise BundleError(f"{what} is larger than {MAX_DOCUMENT} bytes", _NEXT)
    document = parse_json(data, what)
    if not isinstance(document, dict):
        raise BundleError(f"{what} is not a JSON object", _NEXT)
    return document


def parse_descriptor(value: t.Any, what: str) -> Descriptor:
    """Check one descriptor of a parsed document."""
    if not isinstance(value, dict):
        raise BundleError(f"{what} is not a descriptor", _NEXT)
    media_type, digest, size = value.get("mediaType"), value.get("digest"), value.get("size")
    if not isinstance(media_type, str) or not isinstance(digest, str) or not is_digest(digest):
        raise BundleError(f"{what} has no media type or no sha256 digest", _NEXT)
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise BundleError(f"{what} has no size", _NEXT)
    return Descriptor(media_type, digest, size)


def parse_manifest(data: bytes, what: str) -> Manifest:
    """Parse an image manifest, OCI or Docker schema 2."""
    document = parse_document(data, what)
    config = parse_descriptor(document.get("config"), f"The config of {what}")
    media_type = document.get("mediaType", OCI_MANIFEST)
    if media_type not in MANIFEST_TYPES or config.media_type not in _CONFIG_TYPES:
        raise BundleError(f"{what} is not an image manifest ({media_type}, config {config.media_type})", _NEXT)
    entries = document.get("layers")
    if not isinstance(entries, list) or not entries:
        raise BundleError(f"{what} has no layers", _NEXT)
    layers = tuple(parse_descriptor(entry, f"Layer {number} of {what}") for number, entry in enumerate(entries, 1))
    for layer in layers:
        if layer.media_type not in _LAYER_TYPES:
            raise BundleError(f"{what} has a layer that is no part of an image ({layer.media_type})", _NEXT)
    return Manifest(media_type, config, layers)


def parse_index(data: bytes, what: str) -> tuple[IndexEntry, ...]:
    """Parse an index of an image for several platforms, OCI or Docker manifest list."""
    document = parse_document(data, what)
    entries = document.get("manifests")
    if document.get("mediaType", OCI_INDEX) not in INDEX_TYPES or not isinstance(entries, list) or not entries:
        raise BundleError(f"{what} is not an index of manifests", _NEXT)
    found = tuple(_index_entry(entry, f"Entry {number} of {what}") for number, entry in enumerate(entries, 1))
    if len({entry.descriptor.digest for entry in found}) != len(found):
        raise BundleError(f"{what} lists a manifest twice", _NEXT)
    return found


def parse_artifact(data: bytes, what: str) -> Artifact:
    """Parse a manifest whatever it is about: an attestation, a signature, an SBOM."""
    document = parse_document(data, what)
    media_type, layers = document.get("mediaType", OCI_MANIFEST), document.get("layers", [])
    if media_type not in MANIFEST_TYPES or not isinstance(layers, list):
        raise BundleError(f"{what} is not a manifest", _NEXT)
    config = parse_descriptor(document.get("config"), f"The config of {what}")
    blobs = [parse_descriptor(entry, f"Layer {number} of {what}") for number, entry in enumerate(layers, 1)]
    subject = parse_descriptor(document["subject"], f"The subject of {what}") if "subject" in document else None
    artifact_type = document.get("artifactType") or config.media_type
    return Artifact(media_type, str(artifact_type), (config, *blobs), subject, _annotations(document))


def _annotations(document: t.Mapping[str, t.Any]) -> dict[str, str]:
    found = document.get("annotations")
    return {key: text for key, text in found.items() if isinstance(text, str)} if isinstance(found, dict) else {}


def parse_config(data: bytes, what: str) -> Config:
    """Parse an image configuration."""
    document = parse_document(data, what)
    rootfs = document.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(diff_ids, list) or not all(isinstance(entry, str) and is_digest(entry) for entry in diff_ids):
        raise BundleError(f"{what} has no list of diffIDs", _NEXT)
    platform = [document.get("os"), document.get("architecture"), document.get("variant") or "-"]
    if not all(isinstance(name, str) and name for name in platform):
        raise BundleError(f"{what} names no platform", _NEXT)
    names = [name for name in platform if isinstance(name, str) and name != "-"]
    return Config("/".join(names), tuple(diff_ids), str(document.get("created") or ""))


def oci_layer_type(media_type: str) -> str:
    """The OCI media type of a layer, for manifests of OCI's type."""
    return media_type.replace("docker.image.rootfs.diff.tar.", "oci.image.layer.v1.tar+").replace(
        "docker.image.rootfs.diff.tar", "oci.image.layer.v1.tar"
    )


def split_platform(platform: str) -> dict[str, str]:
    """A platform as descriptors write it (image specification, "Image Index Property Descriptions": platform)."""
    return dict(zip(("os", "architecture", "variant"), platform.split("/")))


def _index_entry(value: t.Any, what: str) -> IndexEntry:
    descriptor = parse_descriptor(value, what)
    if descriptor.media_type not in MANIFEST_TYPES:
        raise BundleError(f"{what} is no manifest of an image ({descriptor.media_type})", _NEXT)
    platform = value.get("platform")
    names = [platform.get(key) for key in ("os", "architecture", "variant")] if isinstance(platform, dict) else []
    return IndexEntry(descriptor, "/".join(name for name in names if isinstance(name, str) and name))


def image_manifest(config: Descriptor, layers: t.Sequence[Descriptor]) -> bytes:
    """The OCI manifest of an image that had none because an engine gave it."""
    return canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": config.to_json(),
            "layers": [layer.to_json() for layer in layers],
        }
    )
