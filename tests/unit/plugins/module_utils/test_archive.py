# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The thin archive: both faces, and exactly the layers that were asked for."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _layout, _oci
from ansible_collections.airlift.registry.plugins.module_utils._archive import ArchiveImage, thin_archive
from ansible_collections.airlift.registry.plugins.module_utils._bundle import Bundle, load_bundle
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.unit.plugins.support import images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer


@pytest.fixture
def bundle(whole_bundle: Path, signer: Signer) -> Bundle:
    return load_bundle(str(whole_bundle), str(signer.allowed_signers), run_program)


def archive_of(bundle: Bundle, layers: list[str]) -> dict[str, bytes]:
    """The members of the thin archive of all the bundle's images, with I(layers)."""
    images = [
        ArchiveImage(
            f"airlift.invalid/preload:{number}",
            bundle.files.read(_layout.blob_name(image.manifest.digest), _oci.MAX_DOCUMENT),
            bundle.files.read(_layout.blob_name(image.config.digest), _oci.MAX_DOCUMENT),
        )
        for number, image in enumerate(bundle.images)
    ]
    paths = {digest: os.path.join(bundle.files.path, _layout.blob_name(digest)) for digest in layers}
    data = b"".join(thin_archive(images, paths))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = archive.getmembers()
        assert all(member.isreg() for member in members)
        found = {member.name: archive.extractfile(member).read() for member in members}  # type: ignore[union-attr]
    assert len(found) == len(members)
    assert data.endswith(bytes(1024))
    return found


def test_has_both_faces_over_the_same_blobs(bundle: Bundle) -> None:
    members = archive_of(bundle, [])
    assert json.loads(members["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    docker, index = json.loads(members["manifest.json"]), json.loads(members["index.json"])["manifests"]
    for number, image in enumerate(bundle.images):
        assert docker[number] == {
            "Config": _layout.blob_name(image.config.digest),
            "RepoTags": [f"airlift.invalid/preload:{number}"],
            "Layers": [_layout.blob_name(layer.blob.digest) for layer in image.layers],
        }
        assert index[number]["digest"] == image.manifest.digest
        assert index[number]["size"] == len(members[_layout.blob_name(image.manifest.digest)])
        assert set(index[number]["annotations"].values()) == {f"airlift.invalid/preload:{number}"}


def test_a_name_may_mean_an_index() -> None:
    config = images.config([images.layer("base")])
    layer = _oci.Descriptor(_oci.OCI_LAYER_GZIP, "sha256:" + "a" * 64, 1)
    manifest = _oci.image_manifest(_oci.Descriptor(_oci.OCI_CONFIG, _oci.digest_of(config), len(config)), [layer])
    index = (
        b'{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json","manifests":[]}'
    )
    data = b"".join(thin_archive([ArchiveImage("app:v1", manifest, config, index)], {}))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        found = {name: archive.extractfile(name).read() for name in archive.getnames()}  # type: ignore[union-attr]
    (listed,) = json.loads(found["index.json"])["manifests"]
    assert (listed["mediaType"], listed["size"]) == (_oci.DOCKER_INDEX, len(index))
    assert found[_layout.blob_name(listed["digest"])] == index
    assert {_layout.blob_name(_oci.digest_of(document)) for document in (manifest, config)} <= found.keys()


def test_a_layer_may_go_in_uncompressed_under_its_own_digest(tmp_path: Path) -> None:
    """Docker's face names it so. The manifest keeps its bytes, and with them its digest."""
    content = images.layer("base")
    config, diff_id, digest = images.config([content]), f"sha256:{images.sha256(content)}", "sha256:" + "a" * 64
    layer = _oci.Descriptor(_oci.OCI_LAYER_GZIP, digest, 1)
    manifest = _oci.image_manifest(_oci.Descriptor(_oci.OCI_CONFIG, _oci.digest_of(config), len(config)), [layer])
    (tmp_path / "content").write_bytes(content)
    archived = [ArchiveImage("app:v1", manifest, config)]
    data = b"".join(thin_archive(archived, {diff_id: str(tmp_path / "content")}, {digest: diff_id}))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        found = {name: archive.extractfile(name).read() for name in archive.getnames()}  # type: ignore[union-attr]
    assert json.loads(found["manifest.json"])[0]["Layers"] == [_layout.blob_name(diff_id)]
    assert found[_layout.blob_name(diff_id)] == content
    assert found[_layout.blob_name(_oci.digest_of(manifest))] == manifest
    assert _layout.blob_name(digest) not in found


def test_every_blob_is_what_its_name_says(bundle: Bundle) -> None:
    layers = sorted({layer.blob.digest for image in bundle.images for layer in image.layers})
    members = archive_of(bundle, layers)
    for name, content in members.items():
        if name.startswith(_layout.BLOBS):
            assert name == _layout.blob_name(_oci.digest_of(content))
    assert {_layout.blob_name(digest) for digest in layers} <= members.keys()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_holds_the_layers_that_were_asked_for_and_no_other(bundle: Bundle, count: int) -> None:
    layers = sorted({layer.blob.digest for image in bundle.images for layer in image.layers})
    members = archive_of(bundle, layers[:count])
    for digest in layers:
        assert (_layout.blob_name(digest) in members) == (digest in layers[:count])


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, _layout.CHUNK + 1])
def test_streams_layers_of_any_size(bundle: Bundle, tmp_path: Path, size: int) -> None:
    path = tmp_path / "layer"
    path.write_bytes(bytes(size))
    data = b"".join(thin_archive([], {"sha256:" + "a" * 64: str(path)}))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getmember("blobs/sha256/" + "a" * 64).size == size
