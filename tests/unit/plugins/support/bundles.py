# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bundles made by hand, whole or with one thing wrong with them, and signed by real keys."""

from __future__ import annotations

import dataclasses
import io
import subprocess
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.airlift.registry.plugins.module_utils import _bundle_writer, _layout, _oci
from ansible_collections.airlift.registry.plugins.module_utils._bases import combine
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._bundle import Bundle, format_sums, load_bundle
from ansible_collections.airlift.registry.plugins.module_utils._image import Image
from ansible_collections.airlift.registry.plugins.module_utils._pack import Packed
from ansible_collections.airlift.registry.plugins.module_utils._referrers import Referrer, make_referrer
from ansible_collections.airlift.registry.plugins.module_utils._source_bundle import read_base
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.unit.plugins.support import images


@dataclass(frozen=True)
class Signer:
    """A key pair, and the allowed_signers file that trusts it."""

    key: Path
    allowed_signers: Path

    def trusted_by(self, text: str) -> Path:
        """An allowed_signers file with I(text) before this signer's public key."""
        path = self.key.with_name(f"signers-{images.sha256(text.encode())[:8]}")
        path.write_text(f"{text} {self.key.with_suffix('.pub').read_text()}")
        return path


def make_signer(directory: Path, name: str) -> Signer:
    key = directory / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)], check=True)
    signer = Signer(key, directory / f"{name}-signers")
    signer.allowed_signers.write_text(
        f'{name}@example.com namespaces="airlift-bundle" {key.with_suffix(".pub").read_text()}'
    )
    return signer


def pack(store: BlobStore, name: str, layers: t.Sequence[bytes], **changes: t.Any) -> Packed:
    """Bring an image of these uncompressed layers into the store; I(changes) are made to its config."""
    stored = tuple(store.add_layer(io.BytesIO(content), name) for content in layers)
    config = store.add_document(images.config(layers, **changes), _oci.OCI_CONFIG)
    manifest = store.add_document(_oci.image_manifest(config, [layer.blob for layer in stored]), _oci.OCI_MANIFEST)
    parsed = _oci.parse_config(images.config(layers, **changes), name)
    image = Image(name, manifest, config, parsed.platform, parsed.created, stored)
    return Packed(image, f"docker-daemon:{name}", config.digest)


def pack_index(
    store: BlobStore, name: str, platforms: t.Mapping[str, t.Sequence[bytes]], attestation: bytes = b""
) -> list[Packed]:
    """Bring an image of several platforms into the store, each with its uncompressed layers, and an attestation if there is any."""
    found = [pack(store, name, layers, **_oci.split_platform(platform)).image for platform, layers in platforms.items()]
    entries = [{**image.manifest.to_json(), "platform": _oci.split_platform(image.platform)} for image in found]
    if attestation:
        blob = store.add_document(attestation, "application/vnd.in-toto+json")
        config = store.add_document(b"{}", _oci.OCI_CONFIG)
        manifest = store.add_document(_oci.image_manifest(config, [blob]), _oci.OCI_MANIFEST)
        entries.append({**manifest.to_json(), "platform": _oci.split_platform(_oci.NO_PLATFORM)})
    index = store.add_document(
        _oci.canonical_json({"schemaVersion": 2, "mediaType": _oci.OCI_INDEX, "manifests": entries}), _oci.OCI_INDEX
    )
    return [Packed(dataclasses.replace(image, index=index), f"docker://{name}", index.digest) for image in found]


def refer(store: BlobStore, subject: str, kind: str, name: str = "", content: bytes = b"{}") -> Referrer:
    """Bring a manifest about I(subject) into the store, found by its subject, or under I(name)."""
    blob = store.add_document(content, "application/vnd.oci.empty.v1+json")
    document = {
        "schemaVersion": 2, "mediaType": _oci.OCI_MANIFEST, "artifactType": kind, "config": blob.to_json(), "layers": [], "annotations": {"kind": kind},
    }  # fmt: skip
    if not name:
        document["subject"] = _oci.Descriptor(_oci.OCI_MANIFEST, subject, 7).to_json()
    data = _oci.canonical_json(document)
    store.add_document(data, _oci.OCI_MANIFEST)
    return make_referrer(data, "a referrer", name)


def make_bundle(
    path: Path,
    signer: Signer,
    contents: t.Mapping[str, t.Sequence[bytes]],
    bases: t.Sequence[Path] = (),
    **changes: t.Any,
) -> list[Packed]:
    """Make a bundle of images by name, each with its uncompressed layers, without what other bundles have; I(changes) go to their configs."""
    known = combine(read_base(str(base), lambda path: load(Path(path), signer)) for base in bases)
    with _bundle_writer.work_directory(str(path)) as work:
        store = BlobStore(work, left_out=known.homes)
        packed = [pack(store, name, layers, **changes) for name, layers in contents.items()]
        _bundle_writer.write_bundle(store, packed, str(path), str(signer.key), run_program, bases=known)
    return packed


def load(path: Path, signer: Signer) -> Bundle:
    """Verify a bundle and read what is in it."""
    return load_bundle(str(path), str(signer.allowed_signers), run_program)


def sign(directory: Path, signer: Signer, namespace: str = "airlift-bundle") -> None:
    """Sign the checksums of a bundle, as somebody who does not use this collection would."""
    (directory / _layout.SIGNATURE).unlink(missing_ok=True)
    sums = directory / _layout.SUMS
    subprocess.run(
        ["ssh-keygen", "-Y", "sign", "-q", "-n", namespace, "-f", str(signer.key), str(sums)],
        check=True,
        stdin=subprocess.DEVNULL,
    )


def seal(directory: Path, signer: Signer) -> None:
    """Write checksums and signature anew after a change, so that only the change itself is wrong."""
    for name in (_layout.SUMS, _layout.SIGNATURE):
        (directory / name).unlink(missing_ok=True)
    files = {str(path.relative_to(directory)): path for path in directory.rglob("*") if path.is_file()}
    (directory / _layout.SUMS).write_bytes(
        format_sums({name: images.sha256(path.read_bytes()) for name, path in files.items()})
    )
    sign(directory, signer)


def flip(path: Path, offset: int = -1) -> None:
    """Flip one bit of a file, by default in its middle."""
    data = bytearray(path.read_bytes())
    data[offset if offset >= 0 else len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
