# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bundles of images for several platforms: one name, an index, an image for each platform."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _bundle, _bundle_writer, _oci
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

APP = "docker.io/library/app:v1"
BASE, ARM, AMD = images.layer("base"), images.layer("arm"), images.layer("amd")
PLATFORMS = {"linux/arm64/v8": [BASE, ARM], "linux/amd64": [BASE, AMD]}


@pytest.fixture
def path(tmp_path: Path, signer: Signer) -> Path:
    path = tmp_path / "bundle"
    with _bundle_writer.work_directory(str(path)) as work:
        store = BlobStore(work)
        packed = bundles.pack_index(store, APP, PLATFORMS, b'{"predicate": {}}')
        _bundle_writer.write_bundle(store, packed, str(path), str(signer.key), run_program)
    return path


def load(path: Path, signer: Signer) -> _bundle.Bundle:
    return _bundle.load_bundle(str(path), str(signer.allowed_signers), run_program)


def document(path: Path, name: str) -> t.Any:
    return json.loads((path / name).read_bytes())


def index_path(path: Path) -> Path:
    (entry,) = document(path, "index.json")["manifests"]
    return path / "blobs/sha256" / entry["digest"].removeprefix("sha256:")


def test_a_name_means_its_index(path: Path, signer: Signer) -> None:
    bundle = load(path, signer)
    assert {image.platform for image in bundle.images} == set(PLATFORMS)
    (target,) = {image.target for image in bundle.images}
    (entry,) = document(path, "index.json")["manifests"]
    assert (target.media_type, entry["digest"], "platform" in entry) == (_oci.OCI_INDEX, target.digest, False)
    assert [image.name for image in bundle.select(["app:v1"])] == [APP, APP]
    assert {(entry.platform, entry.index) for entry in bundle.lock.images} == {
        (platform, target.digest) for platform in PLATFORMS
    }


def test_the_docker_archive_has_one_platform(path: Path, signer: Signer) -> None:
    (entry,) = document(path, "manifest.json")
    amd = next(image for image in load(path, signer).images if image.platform == "linux/amd64")
    assert (entry["RepoTags"], entry["Config"]) == ([APP], f"blobs/sha256/{amd.config.digest[7:]}")


def test_shared_layers_are_there_once(path: Path, signer: Signer) -> None:
    bundle = load(path, signer)
    assert len(bundle.lock.blobs) == 3
    assert sum(len(image.layers) for image in bundle.images) == 4


def without_manifest(path: Path) -> None:
    index = document(path, str(index_path(path).relative_to(path)))
    (path / "blobs/sha256" / index["manifests"][0]["digest"][7:]).unlink()


def without_attestation(path: Path) -> None:
    next(found for found in (path / "blobs/sha256").iterdir() if b"predicate" in found.read_bytes()).unlink()


def change_index(path: Path, change: t.Callable[[list[t.Any]], None]) -> None:
    document_ = document(path, str(index_path(path).relative_to(path)))
    change(document_["manifests"])
    data = _oci.canonical_json(document_)
    (path / "blobs/sha256" / _oci.digest_of(data)[7:]).write_bytes(data)
    outer = document(path, "index.json")
    outer["manifests"][0].update(digest=_oci.digest_of(data), size=len(data))
    (path / "index.json").write_text(json.dumps(outer))


def nest(entries: list[t.Any]) -> None:
    entries[0]["mediaType"] = _oci.OCI_INDEX


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        pytest.param(without_manifest, "has no blobs/sha256/", id="a platform is missing"),
        pytest.param(without_attestation, "attestation of .* is missing", id="an attestation is missing"),
        pytest.param(lambda path: change_index(path, nest), "no manifest of an image", id="an index in an index"),
        pytest.param(lambda path: change_index(path, lambda entries: entries.append(entries[0])), "lists a manifest twice", id="a manifest twice"),
        pytest.param(lambda path: change_index(path, list.clear), "not an index of manifests", id="an empty index"),
        pytest.param(lambda path: change_index(path, lambda entries: entries.pop(0)), "not the same in bundle.lock.yml", id="a platform less than the lock says"),
        pytest.param(lambda path: bundles.flip(index_path(path)), "signed with another digest|index of .* is damaged", id="a flipped byte"),
    ],
)  # fmt: skip
def test_an_index_must_be_whole(path: Path, signer: Signer, damage: t.Callable[[Path], None], problem: str) -> None:
    damage(path)
    bundles.seal(path, signer)
    with pytest.raises(BundleError, match=problem):
        load(path, signer)
