# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Layers once across compression: which blob stands for which layer, and what becomes of a bundle."""

from __future__ import annotations

import dataclasses
import gzip
import random
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.plugins.module_utils._assemble import share_layers
from ansible_collections.airlift.registry.plugins.module_utils._blobs import ZSTD, BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._image import Image, Layer
from ansible_collections.airlift.registry.plugins.module_utils._pack import Packed
from ansible_collections.airlift.registry.plugins.module_utils._reuse import reuse, stand_ins
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images

BASE, TOP = images.layer("base"), images.layer("top")
DOCKER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_TAR = "application/vnd.docker.image.rootfs.diff.tar"


def layer(number: int, size: int = 7, content: int = 1, media_type: str = _oci.OCI_LAYER_GZIP) -> Layer:
    return Layer(_oci.Descriptor(media_type, f"sha256:{number:064}", size), f"sha256:{content:064}")


@pytest.mark.parametrize(
    ("offered", "with_zstd", "expected"),
    [
        pytest.param([layer(2)], False, layer(2), id="another blob of the same content"),
        pytest.param([layer(2, content=9)], False, layer(1), id="another content"),
        pytest.param([], False, layer(1), id="nothing"),
        pytest.param([layer(3, size=9), layer(4, size=5), layer(2, size=7)], False, layer(4, size=5), id="the smallest"),
        pytest.param([layer(3), layer(2)], False, layer(2), id="of equal ones the first digest"),
        pytest.param([layer(2, media_type=DOCKER_GZIP)], False, layer(2), id="Docker's media type"),
        pytest.param([layer(2, media_type=DOCKER_TAR)], False, layer(2, media_type=_oci.OCI_LAYER_TAR), id="not compressed"),
        pytest.param([layer(2, media_type=_oci.OCI_LAYER_ZSTD)], False, layer(1), id="zstd, which is not wanted"),
        pytest.param([layer(2, media_type=f"{DOCKER_TAR}.zstd")], False, layer(1), id="Docker's zstd, which is not wanted"),
        pytest.param([layer(2, media_type=f"{DOCKER_TAR}.zstd")], True, layer(2, media_type=_oci.OCI_LAYER_ZSTD), id="zstd"),
    ],
)  # fmt: skip
def test_the_rule(offered: list[Layer], with_zstd: bool, expected: Layer) -> None:
    for _order in range(3):
        random.shuffle(offered)
        assert reuse([layer(1), layer(5, content=5)], stand_ins(offered, with_zstd)) == (expected, layer(5, content=5))


def from_registry(store: BlobStore, content: bytes) -> Packed:
    """An image as a registry has it, compressed by somebody else."""
    blob = gzip.compress(content, 1, mtime=7)
    descriptor = _oci.Descriptor(DOCKER_GZIP, _oci.digest_of(blob), len(blob))
    store.add_blob([blob], descriptor, "registry")
    config = store.add_document(images.config([content]), _oci.DOCKER_CONFIG)
    manifest = store.add_document(_oci.image_manifest(config, [descriptor]), _oci.DOCKER_MANIFEST)
    image = Image(
        "host.example/base:1", manifest, config, "linux/amd64", "", (Layer(descriptor, _oci.digest_of(content)),)
    )
    return Packed(image, "docker://host.example/base:1", manifest.digest)


def stored(store: BlobStore) -> set[str]:
    store.remove_unused()
    return {f"sha256:{path.name}" for path in Path(store.root).glob("blobs/sha256/*")}


def test_a_layer_of_an_engine_that_a_registry_has_is_stored_once(tmp_path: Path) -> None:
    store = BlobStore(str(tmp_path))
    registry = from_registry(store, BASE)
    engine = dataclasses.replace(bundles.pack(store, "docker.io/library/app:1", [BASE, TOP]), is_made_here=True)
    shared = share_layers([engine, registry], (), False, store)
    assert shared[1] == registry
    found = shared[0].image
    assert found.layers[0].blob.digest == registry.image.layers[0].blob.digest
    assert found.layers[1] == engine.image.layers[1]
    manifest = _oci.parse_manifest(store.read(found.manifest, "manifest"), "manifest")
    assert manifest.layers == tuple(layer.blob for layer in found.layers)
    assert stored(store) == {
        blob.digest
        for entry in shared
        for blob in (entry.image.manifest, entry.image.config, *(layer.blob for layer in entry.image.layers))
    }


def test_a_layer_that_one_image_gives_up_stays_for_another(tmp_path: Path) -> None:
    """The registry has the very blob that would have been made here, under its own name, and one that is smaller."""
    store = BlobStore(str(tmp_path))
    ours = bundles.pack(store, "host.example/same:1", [BASE])
    engine = dataclasses.replace(bundles.pack(store, "docker.io/library/app:1", [BASE]), is_made_here=True)
    small = Layer(_oci.Descriptor(_oci.OCI_LAYER_GZIP, f"sha256:{1:064}", 1), _oci.digest_of(BASE))
    shared = share_layers([engine, ours], [small], False, store)
    assert shared[0].image.layers == (small,)
    assert ours.image.layers[0].blob.digest in stored(store)


def test_images_of_engines_alone_stay_as_they_are(tmp_path: Path) -> None:
    store = BlobStore(str(tmp_path), ZSTD)
    engine = dataclasses.replace(bundles.pack(store, "docker.io/library/app:1", [BASE, TOP]), is_made_here=True)
    assert share_layers([engine], (), False, store) == [engine]
