# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An application that is built again: bundles of its versions, with deltas for hosts that have the version before."""

from __future__ import annotations

import dataclasses
import gzip
import io
import random
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.airlift.registry.plugins.module_utils import _bundle_writer, _oci
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._delta_maker import make_deltas
from ansible_collections.airlift.registry.plugins.module_utils._deltas import Delta, Deltas
from ansible_collections.airlift.registry.plugins.module_utils._image import Image
from ansible_collections.airlift.registry.plugins.module_utils._pack import Packed
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.integration.support.lab import Lab
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

NAME = "docker.io/library/rebuilt"
PROGRAM = "/var/lib/airlift/bin/xdelta3"
BASE = images.layer("rebuilt base")
DATA = bytes(random.Random(6).choices(b"0123456789abcdefghij", k=3_000_000))  # gzip makes about a half of it


def application(text: str) -> bytes:
    """The layer of a build: the same data, another program."""
    return images.tar([images.Member("data", DATA), images.Member("say", images.program(text), mode=0o755)])


@dataclass(frozen=True)
class Made:
    """A bundle of one version, and its delta if it has one."""

    path: Path
    signer: Signer
    image: Image
    delta: Delta | None = None

    def arguments(self, **options: t.Any) -> dict[str, t.Any]:
        """Deltas are always wanted: the lab's links are fast."""
        trust = {"allowed_signers": str(self.signer.allowed_signers)}
        return {"path": [str(self.path)], "deltas": "always", **trust, **options}


def make(
    path: Path,
    signer: Signer,
    version: str,
    mode: str = "none",
    bases: t.Sequence[Path] = (),
    compress: t.Callable[[bytes], bytes] | None = None,
    **lies: t.Any,
) -> Made:
    """A bundle of the application that says I(version), with deltas from other bundles. I(compress) makes its layers as somebody else's compressor would;
    I(lies) is what its delta says that is not so."""
    found = [bundles.load(base, signer) for base in bases]
    with _bundle_writer.work_directory(str(path)) as work:
        store = BlobStore(work)
        packed = _pack(store, version, compress) if compress else _plain(store, version)
        deltas = make_deltas(
            store, packed.image.layers, Deltas(mode, 0.5, tuple(base.id for base in found)), found, run_program
        )
        told = dataclasses.replace(deltas, deltas=tuple(dataclasses.replace(delta, **lies) for delta in deltas.deltas))
        _bundle_writer.write_bundle(store, [packed], str(path), str(signer.key), run_program, deltas=told)
    return Made(path, signer, packed.image, *told.deltas)


def _plain(store: BlobStore, version: str) -> Packed:
    return bundles.pack(store, f"{NAME}:{version}", [BASE, application(version)], config={"Cmd": ["/say"]})


def _pack(store: BlobStore, version: str, compress: t.Callable[[bytes], bytes]) -> Packed:
    packed = _plain(store, version)
    layers = [store.add_layer(io.BytesIO(compress(content)), version) for content in (BASE, application(version))]
    manifest = store.add_document(
        _oci.image_manifest(packed.image.config, [layer.blob for layer in layers]), _oci.OCI_MANIFEST
    )
    return Packed(
        dataclasses.replace(packed.image, manifest=manifest, layers=tuple(layers)), packed.source, manifest.digest
    )


def otherwise_gzipped(content: bytes) -> bytes:
    return gzip.compress(content, 9, mtime=0)


def bring_xdelta3(lab: Lab, host: str) -> None:
    """The program of this machine, as the playbook prepare brings it."""
    lab.run(host, "umask 022; mkdir -p /var/lib/airlift/bin")
    lab.copy(host, "/usr/bin/xdelta3", PROGRAM)
    lab.run(host, f"chmod 0755 {PROGRAM}")
