# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Image sources: what an image is known by where it comes from, and how it gets into the store of a bundle.

Each kind of source is one class with two verbs, C(identify) (cheap, changes nothing) and C(fetch).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._bundle import Image, Layer
from ansible_collections.airlift.registry.plugins.module_utils._docker_archive import SavedImage, read_archive
from ansible_collections.airlift.registry.plugins.module_utils._engine import Engine
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._layout import CHUNK
from ansible_collections.airlift.registry.plugins.module_utils._pack import Packed
from ansible_collections.airlift.registry.plugins.module_utils._reference import (
    Source,
    hex_of,
    is_digest,
    normalize,
    parse_source,
)
from ansible_collections.airlift.registry.plugins.module_utils._skopeo import Skopeo


@dataclass(frozen=True)
class Wanted:
    """An image that shall be in the bundle: its full reference there, its source, and its platform."""

    name: str
    source: Source
    platform: str


class SourceKind(t.Protocol):
    """One transport."""

    def identify(self, wanted: Wanted) -> str:
        """The digest by which the source knows the image."""

    def fetch(self, wanted: t.Sequence[Wanted], ids: t.Mapping[Wanted, str], store: BlobStore) -> list[Packed]:
        """Bring the images into the store."""


class DaemonSource:
    """C(docker-daemon:): images of an engine, all saved in one stream, so that a layer they share is compressed once."""

    def __init__(self, connect: t.Callable[[], Engine]) -> None:
        self._connect = connect

    def identify(self, wanted: Wanted) -> str:
        engine = self._connect()
        image = engine.inspect(wanted.source.location)
        if image is None:
            raise InputError(
                f"The engine at {engine.host} has no image {wanted.source.location}",
                "Check the name with docker images, build or pull it first.",
            )
        return str(image["id"])

    def fetch(self, wanted: t.Sequence[Wanted], ids: t.Mapping[Wanted, str], store: BlobStore) -> list[Packed]:
        names = sorted({entry.source.location for entry in wanted})
        what = f"docker save {' '.join(names)}"
        with self._connect().save(names) as stream:
            saved = read_archive(stream, store, what)
        return [_pack(entry, ids[entry], _find(entry, ids[entry], saved, what), store) for entry in wanted]


class ArchiveSource:
    """C(docker-archive:): files that docker save wrote, C(PATH) or C(PATH:REFERENCE)."""

    def identify(self, wanted: Wanted) -> str:
        path = _archive_path(wanted.source)
        if not os.path.isfile(path):
            raise InputError(
                f"There is no docker archive at {path}",
                "Check the path; it is looked for on the host that runs Ansible.",
            )
        with open(path, "rb") as stream:
            return _digest_of_stream(stream)

    def fetch(self, wanted: t.Sequence[Wanted], ids: t.Mapping[Wanted, str], store: BlobStore) -> list[Packed]:
        packed = []
        for path in sorted({_archive_path(entry.source) for entry in wanted}):
            what = f"docker archive {path}"
            with open(path, "rb") as stream:
                saved = read_archive(stream, store, what)
            for entry in wanted:
                if _archive_path(entry.source) == path:
                    packed.append(_pack(entry, ids[entry], _find(entry, "", saved, what), store))
        return packed


class RegistrySource:
    """C(docker://): images of registries, by skopeo, every byte as it was served."""

    def __init__(self, skopeo: Skopeo) -> None:
        self._skopeo = skopeo

    def identify(self, wanted: Wanted) -> str:
        return self._skopeo.manifest_digest(wanted.source.location, wanted.platform)

    def fetch(self, wanted: t.Sequence[Wanted], ids: t.Mapping[Wanted, str], store: BlobStore) -> list[Packed]:
        return [self._fetch_one(entry, ids[entry], store) for entry in wanted]

    def _fetch_one(self, wanted: Wanted, source_id: str, store: BlobStore) -> Packed:
        directory = tempfile.mkdtemp(dir=store.root, prefix="pull-")
        try:
            self._skopeo.pull(wanted.source.location, wanted.platform, directory)
            return Packed(_adopt(wanted, directory, store), str(wanted.source), source_id)
        finally:
            shutil.rmtree(directory)


def _adopt(wanted: Wanted, directory: str, store: BlobStore) -> Image:
    """Take over what skopeo wrote: manifest.json, and each blob under the hexadecimal digits of its digest."""
    what = f"The manifest of {wanted.source}"
    with open(os.path.join(directory, "manifest.json"), "rb") as stream:
        data = stream.read(_oci.MAX_DOCUMENT + 1)
    manifest = _oci.parse_manifest(data, what)
    with open(os.path.join(directory, hex_of(manifest.config.digest)), "rb") as stream:
        config = _oci.parse_config(stream.read(_oci.MAX_DOCUMENT + 1), f"The config of {wanted.source}")
    # One blob may stand for several layers of an image.
    for blob in {blob.digest: blob for blob in (manifest.config, *manifest.layers)}.values():
        store.adopt(os.path.join(directory, hex_of(blob.digest)), blob, str(wanted.source))
    descriptor = store.add_document(data, manifest.media_type)
    if len(config.diff_ids) != len(manifest.layers):
        raise InputError(
            f"{wanted.source} has {len(manifest.layers)} layers and {len(config.diff_ids)} diffIDs",
            "It cannot be run anywhere; build and push it again.",
        )
    if not is_same_platform(config.platform, wanted.platform):
        raise InputError(
            f"{wanted.source} is for {config.platform}, and {wanted.platform} was wanted",
            "Set the platform that you mean: a mapping with source and platforms.",
        )
    layers = tuple(Layer(blob, diff_id) for blob, diff_id in zip(manifest.layers, config.diff_ids))
    return Image(wanted.name, descriptor, manifest.config, config.platform, config.created, layers)


def _pack(wanted: Wanted, source_id: str, saved: SavedImage, store: BlobStore) -> Packed:
    config = _oci.parse_config(saved.config, f"The config of {wanted.source}")
    descriptor = store.add_document(saved.config, _oci.OCI_CONFIG)
    manifest = store.add_document(
        _oci.image_manifest(descriptor, [layer.blob for layer in saved.layers]), _oci.OCI_MANIFEST
    )
    image = Image(wanted.name, manifest, descriptor, config.platform, config.created, saved.layers)
    return Packed(image, str(wanted.source), source_id)


def _find(wanted: Wanted, source_id: str, saved: t.Sequence[SavedImage], what: str) -> SavedImage:
    """The image of an archive that was asked for: by its ID, by its name, or because there is no other."""
    reference = _archive_reference(wanted.source)
    for image in saved:
        if _oci.digest_of(image.config) == source_id or (reference and reference in image.tags):
            return image
    if len(saved) == 1 and not reference:
        return saved[0]
    tags = sorted(tag for image in saved for tag in image.tags)
    raise InputError(
        f"{what} has no image {reference or wanted.name}", f"It has {', '.join(tags) or 'images without names'}."
    )


def _archive_path(source: Source) -> str:
    return source.location.partition(":")[0]


def _archive_reference(source: Source) -> str:
    text = source.location.partition(":")[2] if source.transport == "docker-archive" else source.location
    return normalize(text) if text and not is_digest(text) else ""


def _digest_of_stream(stream: t.BinaryIO) -> str:
    checksum = hashlib.sha256()
    while chunk := stream.read(CHUNK):
        checksum.update(chunk)
    return f"sha256:{checksum.hexdigest()}"


def parse_wanted(value: t.Any, platform: str) -> Wanted:
    """One entry of the option C(images): a source, or a mapping with C(source), C(name) and C(platforms)."""
    if isinstance(value, str):
        value = {"source": value}
    if (
        not isinstance(value, dict)
        or not isinstance(value.get("source"), str)
        or not isinstance(value.get("name", ""), str)
        or set(value) - {"source", "name", "platforms"}
    ):
        raise InputError(
            f"Image {json.dumps(value, default=str)} cannot be used",
            "Give a source, or a mapping with source, and name and platforms if you like.",
        )
    source = parse_source(value["source"])
    platforms = value.get("platforms") or [platform]
    if not isinstance(platforms, list) or not all(_is_platform(entry) for entry in platforms):
        raise InputError(
            f"Platforms {json.dumps(platforms, default=str)} of image {source} cannot be used",
            "Give a list with one platform, written as os/architecture or os/architecture/variant.",
        )
    if len(platforms) != 1:
        raise InputError(
            f"Image {source} is wanted for {len(platforms)} platforms", "Give one platform; make one bundle for each."
        )
    return Wanted(_bundle_name(value.get("name"), source), source, platforms[0])


def is_same_platform(found: str, wanted: str) -> bool:
    """Whether an image for I(found) is what was wanted; a variant counts only where both name one."""
    length = min(found.count("/"), wanted.count("/")) + 1
    return found.split("/")[:length] == wanted.split("/")[:length]


def _is_platform(value: t.Any) -> bool:
    return isinstance(value, str) and len(value.split("/")) in (2, 3) and all(value.split("/"))


def _bundle_name(name: str | None, source: Source) -> str:
    text = name or (source.location if source.transport != "docker-archive" else source.location.partition(":")[2])
    if not text or "@" in text or is_digest(text):
        raise InputError(f"Image {source} has no name with a tag", "Give it one: a mapping with source and name.")
    return normalize(text)
