# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The thin archive: images without the layers that the engine has, streamed, never stored.

It has both faces over the same blobs, docker's C(manifest.json) and an OCI layout, because no other form with layers
left out is taken by Docker with either image store and by podman.
"""

from __future__ import annotations

import tarfile
import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils import _layout, _oci
from ansible_collections.airlift.registry.plugins.module_utils._bundle import NAME_ANNOTATION

_BLOCK = 512


@dataclass(frozen=True)
class ArchiveImage:
    """An image in a thin archive, under the I(name) that the engine shall give it. With an I(index) the name means that in the OCI layout."""

    name: str
    manifest: bytes
    config: bytes
    index: bytes = b""


def thin_archive(
    images: t.Sequence[ArchiveImage], layers: t.Mapping[str, str], contents: t.Mapping[str, str] | None = None
) -> t.Iterator[bytes]:
    """The archive's bytes. I(layers) are the layers that go in: the file of each, by digest. Those in I(contents) go in uncompressed, under their diffID:
    docker's face names them so, and an engine that reads the OCI layout does not find them."""
    for name, content in _documents(images, contents or {}).items():
        yield _header(name, len(content))
        yield content
        yield _padding(len(content))
    for digest, path in sorted(layers.items()):
        yield from _file(_layout.blob_name(digest), path)
    yield b"\0" * (2 * _BLOCK)


def _documents(images: t.Sequence[ArchiveImage], contents: t.Mapping[str, str]) -> dict[str, bytes]:
    documents: dict[str, bytes] = {_layout.LAYOUT: b'{"imageLayoutVersion":"1.0.0"}'}
    index, docker_manifest = [], []
    for image in images:
        manifest = _oci.parse_manifest(image.manifest, f"The manifest of {image.name}")
        index.append(
            {
                **_target(image, manifest.media_type).to_json(),
                "annotations": {NAME_ANNOTATION: image.name, _oci.REF_ANNOTATION: image.name},
            }
        )
        docker_manifest.append(
            {
                "Config": _layout.blob_name(manifest.config.digest),
                "RepoTags": [image.name],
                "Layers": [_layout.blob_name(contents.get(layer.digest, layer.digest)) for layer in manifest.layers],
            }
        )
        for document in filter(None, (image.index, image.manifest, image.config)):
            documents[_layout.blob_name(_oci.digest_of(document))] = document
    documents[_layout.INDEX] = _oci.canonical_json(
        {"schemaVersion": 2, "mediaType": _oci.OCI_INDEX, "manifests": index}
    )
    documents[_layout.DOCKER_MANIFEST] = _oci.canonical_json(docker_manifest)
    return documents


def _target(image: ArchiveImage, media_type: str) -> _oci.Descriptor:
    """What the name means: the index, or the manifest of I(media_type)."""
    if not image.index:
        return _oci.Descriptor(media_type, _oci.digest_of(image.manifest), len(image.manifest))
    index_type = _oci.parse_document(image.index, f"The index of {image.name}").get("mediaType", _oci.OCI_INDEX)
    return _oci.Descriptor(index_type, _oci.digest_of(image.index), len(image.index))


def _file(name: str, path: str) -> t.Iterator[bytes]:
    with open(path, "rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(0)
        yield _header(name, size)
        while chunk := stream.read(_layout.CHUNK):
            yield chunk
    yield _padding(size)


def _header(name: str, size: int) -> bytes:
    return _layout.tar_member(name, size).tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return b"\0" * (-size % _BLOCK)
