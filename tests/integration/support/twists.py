# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives with one thing wrong with them, to see what each engine makes of it."""

from __future__ import annotations

import dataclasses
import gzip
import json
import random
import typing as t
from dataclasses import dataclass, field

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.tests.unit.plugins.support import images
from ansible_collections.airlift.registry.tests.unit.plugins.support.images import Member, sha256

Encode = t.Callable[[bytes], bytes]


def plain(layer: bytes) -> bytes:
    return layer


def gzipped(layer: bytes) -> bytes:
    return gzip.compress(layer, mtime=0)


def digest(content: bytes) -> str:
    return f"sha256:{sha256(content)}"


@dataclass(frozen=True)
class Archive:
    """An archive with both faces. What is wrong with it are the files that do not have the content they should."""

    name: str
    layers: t.Sequence[bytes]  # uncompressed
    encode: Encode = plain
    config: bytes = b""
    reverse: bool = False  # the layers, in the OCI manifest
    files: t.Mapping[str, bytes | None] = field(default_factory=dict)  # other content, or none, by the file's name

    @property
    def blobs(self) -> list[bytes]:
        return [self.encode(layer) for layer in self.layers]

    @property
    def diff_ids(self) -> list[str]:
        return t.cast(list[str], json.loads(self.config_document)["rootfs"]["diff_ids"])

    @property
    def config_document(self) -> bytes:
        return self.config or images.config(self.layers)

    @property
    def manifest(self) -> bytes:
        kind = _oci.OCI_LAYER_GZIP if self.encode is gzipped else _oci.OCI_LAYER_TAR
        blobs = [_oci.Descriptor(kind, digest(blob), len(blob)) for blob in self.blobs]
        document = self.config_document
        config = _oci.Descriptor(_oci.OCI_CONFIG, digest(document), len(document))
        return _oci.image_manifest(config, blobs[::-1] if self.reverse else blobs)

    def id(self, store: str) -> str:
        """The ID that an engine shows of the image, by its kind of store."""
        return digest(self.manifest if store == "containerd" else self.config_document)

    def blob_name(self, content: bytes) -> str:
        return f"blobs/sha256/{sha256(content)}"

    def documents(self) -> dict[str, bytes]:
        manifest = self.manifest
        names = {"io.containerd.image.name": self.name, "org.opencontainers.image.ref.name": self.name}
        descriptor = {
            **_oci.Descriptor(_oci.OCI_MANIFEST, digest(manifest), len(manifest)).to_json(),
            "annotations": names,
        }
        docker = {
            "Config": self.blob_name(self.config_document),
            "RepoTags": [self.name],
            "Layers": [self.blob_name(blob) for blob in self.blobs],
        }
        index = {"schemaVersion": 2, "mediaType": _oci.OCI_INDEX, "manifests": [descriptor]}
        return {
            "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
            self.blob_name(manifest): manifest,
            self.blob_name(self.config_document): self.config_document,
            "index.json": _oci.canonical_json(index),
            "manifest.json": _oci.canonical_json([docker]),
            **{self.blob_name(blob): blob for blob in self.blobs},
        }

    def data(self) -> bytes:
        files = {**self.documents(), **self.files}
        return images.tar([Member(name, content) for name, content in files.items() if content is not None])

    def but(self, **changes: t.Any) -> Archive:
        return dataclasses.replace(self, **changes)

    def with_file(self, name: str, content: bytes | None) -> Archive:
        return self.but(files={**self.files, name: content})


def flipped(content: bytes) -> bytes:
    """The same with one bit of its middle flipped."""
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 1
    return bytes(changed)


def _edited(archive: Archive, edit: t.Callable[[t.Any], None]) -> bytes:
    document = json.loads(archive.documents()["manifest.json"])
    edit(document[0])
    return _oci.canonical_json(document)


def _layer_flipped(archive: Archive) -> bytes:
    blob = archive.blobs[-1]
    return archive.with_file(archive.blob_name(blob), flipped(blob)).data()


def _layer_of_another(archive: Archive) -> bytes:
    return archive.with_file(archive.blob_name(archive.blobs[-1]), archive.encode(images.layer("another"))).data()


def _layer_missing(archive: Archive) -> bytes:
    return archive.with_file(archive.blob_name(archive.blobs[0]), None).data()


def _config_altered(archive: Archive) -> bytes:
    return archive.with_file(
        archive.blob_name(archive.config_document), images.config(archive.layers, author="X")
    ).data()


def _config_missing(archive: Archive) -> bytes:
    return archive.with_file(archive.blob_name(archive.config_document), None).data()


def _config_misnamed(archive: Archive) -> bytes:
    document = archive.config_document
    other = f"blobs/sha256/{'0' * 64}"
    named = _edited(archive, lambda image: image.update(Config=other))
    return (
        archive.with_file(archive.blob_name(document), None)
        .with_file(other, document)
        .with_file("manifest.json", named)
    ).data()


def _manifest_altered(archive: Archive) -> bytes:
    manifest = archive.manifest
    return archive.with_file(archive.blob_name(manifest), manifest.replace(b"{", b"{ ", 1)).data()


def _manifest_missing(archive: Archive) -> bytes:
    return archive.with_file(archive.blob_name(archive.manifest), None).data()


def _docker_layers_reversed(archive: Archive) -> bytes:
    return archive.with_file(
        "manifest.json", _edited(archive, lambda image: image.update(Layers=image["Layers"][::-1]))
    ).data()


def _docker_layer_dropped(archive: Archive) -> bytes:
    return archive.with_file(
        "manifest.json", _edited(archive, lambda image: image.update(Layers=image["Layers"][:-1]))
    ).data()


def _names_differ(archive: Archive) -> bytes:
    other = archive.but(name=f"{archive.name}-other")
    return archive.with_file("manifest.json", other.documents()["manifest.json"]).data()


def _index_names_another(archive: Archive) -> bytes:
    other = archive.but(name=f"{archive.name}-other")
    return archive.with_file("index.json", other.documents()["index.json"]).data()


def _cut(share: float) -> t.Callable[[Archive], bytes]:
    def cut(archive: Archive) -> bytes:
        whole = archive.data().rstrip(b"\0")
        return whole[: int(len(whole) * share)]

    return cut


TWISTS: dict[str, t.Callable[[Archive], bytes]] = {
    "nothing wrong": Archive.data,
    "bytes after the end": lambda archive: archive.data() + b"more" * 1000,
    "a layer is missing": _layer_missing,
    "a bit of a layer flipped": _layer_flipped,
    "a layer of another image": _layer_of_another,
    "config altered": _config_altered,
    "config missing": _config_missing,
    "config under another name": _config_misnamed,
    "manifest altered": _manifest_altered,
    "manifest missing": _manifest_missing,
    "manifest.json has the layers reversed": _docker_layers_reversed,
    "manifest.json has a layer less": _docker_layer_dropped,
    "manifest.json has another name": _names_differ,
    "index.json has another name": _index_names_another,
    "half of it": _cut(0.5),
    "nearly all of it": _cut(0.97),
    "nothing": lambda archive: b"",
    "noise": lambda archive: random.Random(0).randbytes(50_000),
}
