# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verification of bundles: each thing that can be wrong, in a directory and in a tar, is found and named."""

from __future__ import annotations

import json
import os
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _bundle, _layout, _oci
from ansible_collections.airlift.registry.plugins.module_utils._errors import (
    AirliftError,
    BundleError,
    InputError,
    SignatureError,
)
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer, flip, seal

Change = t.Callable[[Path, Signer], None]


def load(path: Path, signer: Signer) -> _bundle.Bundle:
    return _bundle.load_bundle(str(path), str(signer.allowed_signers), run_program)


def plain_tar(directory: Path) -> Path:
    path = directory.with_suffix(".tar")
    subprocess.run(["tar", "cf", path, "-C", directory, "."], check=True)
    return path


def index(directory: Path) -> t.Any:
    return json.loads((directory / "index.json").read_bytes())


def blob(directory: Path, descriptor: t.Mapping[str, t.Any]) -> Path:
    return directory / _layout.blob_name(descriptor["digest"])


def manifest_path(directory: Path) -> Path:
    return blob(directory, index(directory)["manifests"][0])


def manifest(directory: Path) -> t.Any:
    return json.loads(manifest_path(directory).read_bytes())


def config_path(directory: Path) -> Path:
    return blob(directory, manifest(directory)["config"])


def layer_path(directory: Path, number: int = 1) -> Path:
    return blob(directory, manifest(directory)["layers"][number])


def add_blob(directory: Path, content: bytes) -> dict[str, t.Any]:
    (directory / "blobs/sha256" / images.sha256(content)).write_bytes(content)
    return {"digest": f"sha256:{images.sha256(content)}", "size": len(content)}


def change_index(directory: Path, signer: Signer, change: t.Callable[[t.Any], None]) -> None:
    """Change the parsed index and sign everything again: the signer made the mistake."""
    document = index(directory)
    change(document)
    (directory / "index.json").write_text(json.dumps(document))
    seal(directory, signer)


def change_manifest(directory: Path, signer: Signer, change: t.Callable[[t.Any], None]) -> None:
    document = manifest(directory)
    change(document)
    descriptor = add_blob(directory, json.dumps(document).encode())
    change_index(directory, signer, lambda found: found["manifests"][0].update(descriptor))


def change_config(directory: Path, signer: Signer, change: t.Callable[[t.Any], None]) -> None:
    document = json.loads(config_path(directory).read_bytes())
    change(document)
    descriptor = add_blob(directory, json.dumps(document).encode())
    change_manifest(directory, signer, lambda found: found["config"].update(descriptor))


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def append_sum(directory: Path, signer: Signer, line: str) -> None:
    append(directory / "SHA256SUMS", line)
    bundles.sign(directory, signer)


def test_reads_a_whole_bundle(whole_bundle: Path, signer: Signer) -> None:
    bundle = load(whole_bundle, signer)
    assert bundle.signer == "release@example.com"
    assert [image.name for image in bundle.images] == ["docker.io/library/app:v1", "docker.io/library/tool:v1"]
    app, tool = bundle.images
    assert app.layers[0] == tool.layers[0]
    assert app.platform == "linux/amd64"
    assert app.size == sum(
        (whole_bundle / _layout.blob_name(found.digest)).stat().st_size
        for found in (app.manifest, app.config, *(layer.blob for layer in app.layers))
    )
    assert _bundle.verify_blobs(bundle) == []


def test_a_tar_and_a_directory_are_the_same_bundle(whole_bundle: Path, bundle_copy: Path, signer: Signer) -> None:
    from_tar = load(plain_tar(bundle_copy), signer)
    assert from_tar.images == load(whole_bundle, signer).images
    assert _bundle.verify_blobs(from_tar) == []


# What is wrong; the error's class; what its text names.
FAULTS = [
    pytest.param(lambda path, _s: (path / "SHA256SUMS.sig").unlink(), SignatureError, "is not signed", id="no signature"),
    pytest.param(lambda path, _s: flip(path / "SHA256SUMS.sig"), SignatureError, "sign", id="flipped byte in the signature"),
    pytest.param(lambda path, _s: flip(path / "SHA256SUMS", 3), SignatureError, "signature .* is wrong", id="flipped byte in the sums"),
    pytest.param(lambda path, _s: append(path / "SHA256SUMS", "\n"), SignatureError, "signature .* is wrong", id="sums have a line more"),
    pytest.param(lambda path, _s: (path / "SHA256SUMS").unlink(), BundleError, "has no SHA256SUMS", id="no sums"),
    pytest.param(lambda path, s: bundles.sign(path, s, "git"), SignatureError, "signature .* is wrong", id="signed for something else"),
    pytest.param(lambda path, _s: flip(path / "index.json"), BundleError, r"index\.json .* is damaged", id="flipped byte in the index"),
    pytest.param(lambda path, _s: flip(path / "oci-layout"), BundleError, "oci-layout .* is damaged", id="flipped byte in the layout file"),
    pytest.param(lambda path, _s: flip(path / "manifest.json"), BundleError, r"manifest\.json .* is damaged", id="flipped byte in the docker manifest"),
    pytest.param(lambda path, _s: flip(path / "bundle.lock.yml"), BundleError, r"bundle\.lock\.yml .* is damaged", id="flipped byte in the lock"),
    pytest.param(lambda path, _s: flip(manifest_path(path)), BundleError, "manifest of docker.io/library/app:v1 .* is damaged", id="flipped byte in a manifest"),
    pytest.param(lambda path, _s: flip(config_path(path)), BundleError, "config of docker.io/library/app:v1 .* is damaged", id="flipped byte in a config"),
    pytest.param(lambda path, _s: os.truncate(layer_path(path), 20), BundleError, "Blob .* of docker.io/library/app:v1 is missing .*or has another size", id="layer cut short"),
    pytest.param(lambda path, _s: layer_path(path).unlink(), BundleError, "is missing", id="layer missing"),
    pytest.param(lambda path, _s: manifest_path(path).unlink(), BundleError, "is missing", id="manifest missing"),
    pytest.param(lambda path, _s: (path / "index.json").unlink(), BundleError, r"index\.json .* is missing", id="index missing"),
    pytest.param(lambda path, _s: add_blob(path, b"more"), BundleError, "is not in its signed checksums", id="a blob more"),
    pytest.param(lambda path, _s: (path / "notes").write_text("x"), BundleError, "'notes', which is no file of a bundle", id="a file more"),
]  # fmt: skip

# The same, with everything signed by somebody who is trusted: the maker's own mistakes.
SIGNED_FAULTS = [
    pytest.param(lambda path, s: change_index(path, s, lambda i: i.update(manifests=None)), "lists no manifests", id="index without a list"),
    pytest.param(lambda path, s: change_index(path, s, lambda i: i["manifests"].append(None)), "not a descriptor", id="index with nothing in it"),
    pytest.param(lambda path, s: change_index(path, s, lambda i: i["manifests"][0].update(size=1)), "manifest of .* is damaged", id="index lies about a size"),
    pytest.param(lambda path, s: change_index(path, s, lambda i: i["manifests"][0].update(digest="sha256:" + "0" * 64)), "has no blobs/sha256/0000", id="index names a blob that is not there"),
    pytest.param(lambda path, s: change_index(path, s, lambda i: i["manifests"][0].pop("annotations")), "has no full name", id="image without a name"),
    pytest.param(lambda path, s: change_index(path, s, lambda i: i["manifests"][0].update(annotations={_oci.REF_ANNOTATION: "app"})), "has no full name", id="image with a short name"),
    pytest.param(lambda path, s: change_index(path, s, lambda i: i["manifests"][0].update(annotations={_oci.REF_ANNOTATION: "../app"})), "has no full name", id="image with a name that is none"),
    pytest.param(lambda path, s: change_index(path, s, lambda i: i["manifests"][0].update(annotations={_oci.REF_ANNOTATION: "docker.io/library/app@sha256:" + "a" * 64})), "has no full name", id="image with a digest for a name"),
    pytest.param(lambda path, s: change_index(path, s, lambda i: i["manifests"].append(i["manifests"][0])), "names docker.io/library/app:v1 twice", id="two images of one name"),
    pytest.param(lambda path, s: change_manifest(path, s, lambda m: m["layers"].pop()), "1 layers and 2 diffIDs", id="manifest with fewer layers than diffIDs"),
    pytest.param(lambda path, s: change_manifest(path, s, lambda m: m["layers"][0].update(size=9)), "or has another size", id="manifest lies about a layer's size"),
    pytest.param(lambda path, s: change_manifest(path, s, lambda m: m["config"].update(size=9)), "config of .* is damaged", id="manifest lies about the config's size"),
    pytest.param(lambda path, s: change_manifest(path, s, lambda m: m["layers"][0].update(digest="sha256:../../../../etc/passwd")), "no sha256 digest", id="layer's digest is a path"),
    pytest.param(lambda path, s: change_config(path, s, lambda c: c["rootfs"].update(diff_ids=[])), "2 layers and 0 diffIDs", id="config without diffIDs"),
    pytest.param(lambda path, s: change_config(path, s, lambda c: c.pop("architecture")), "names no platform", id="config without a platform"),
    pytest.param(lambda path, s: append_sum(path, s, "hello\n"), "a line that is no checksum: 'hello'", id="sums with a line of text"),
    pytest.param(lambda path, s: append_sum(path, s, "0" * 64 + "  ../../etc/passwd\n"), r"\.\./\.\./etc/passwd .* is missing", id="sums name a file elsewhere"),
]  # fmt: skip


@pytest.mark.parametrize("shape", ["directory", "tar"])
@pytest.mark.parametrize(("change", "kind", "names"), FAULTS)
def test_finds_damage(
    bundle_copy: Path, signer: Signer, shape: str, change: Change, kind: type[AirliftError], names: str
) -> None:
    change(bundle_copy, signer)
    path = plain_tar(bundle_copy) if shape == "tar" else bundle_copy
    with pytest.raises(kind, match=names) as error:
        load(path, signer)
    assert str(path) in error.value.problem
    assert error.value.next_step


@pytest.mark.parametrize(("change", "names"), SIGNED_FAULTS)
def test_finds_mistakes_that_were_signed(bundle_copy: Path, signer: Signer, change: Change, names: str) -> None:
    change(bundle_copy, signer)
    with pytest.raises(BundleError, match=names):
        load(bundle_copy, signer)


def test_a_blob_must_be_what_its_name_says_even_if_it_was_signed(bundle_copy: Path, signer: Signer) -> None:
    flip(layer_path(bundle_copy))
    seal(bundle_copy, signer)
    with pytest.raises(BundleError, match="was signed with another digest"):
        load(bundle_copy, signer)


def test_names_those_who_are_not_trusted(whole_bundle: Path, stranger: Signer) -> None:
    with pytest.raises(SignatureError, match=f"signed by nobody in {stranger.allowed_signers}"):
        load(whole_bundle, stranger)


def test_an_intruder_cannot_sign_a_change(bundle_copy: Path, signer: Signer, stranger: Signer) -> None:
    change_index(bundle_copy, stranger, lambda document: document["manifests"].pop())
    with pytest.raises(SignatureError, match="signed by nobody"):
        load(bundle_copy, signer)


@pytest.mark.parametrize("shape", ["directory", "tar"])
def test_layers_are_verified_when_they_are_read(bundle_copy: Path, signer: Signer, shape: str) -> None:
    flip(layer_path(bundle_copy, 0))
    damaged = str(layer_path(bundle_copy, 0).relative_to(bundle_copy))
    path = plain_tar(bundle_copy) if shape == "tar" else bundle_copy
    bundle = load(path, signer)
    (problem,) = _bundle.verify_blobs(bundle)
    assert problem.problem.startswith(f"{damaged} in bundle {path} is damaged")
    assert "belongs to docker.io/library/app:v1, docker.io/library/tool:v1" in problem.problem


def test_a_tar_that_is_cut_short_is_never_taken(bundle_copy: Path, signer: Signer, tmp_path: Path) -> None:
    """Cut after every header, after every file, and in the middle of both."""
    files = t.cast(_layout.TarFiles, _layout.open_files(str(plain_tar(bundle_copy))))
    whole = plain_tar(bundle_copy).read_bytes()
    ends = sorted(offset for offset, _size in files._places.values())
    places = {0, 1, 511, *ends, *(end - 512 for end in ends), *(end - 100 for end in ends), *(end + 1 for end in ends)}
    last, size = max(files._places.values())
    assert len(places) > 30
    for place in sorted(place for place in places if place < last + size):
        path = tmp_path / "cut.tar"
        path.write_bytes(whole[:place])
        with pytest.raises(BundleError):
            load(path, signer)


def test_selects_by_any_spelling(whole_bundle: Path, signer: Signer) -> None:
    bundle = load(whole_bundle, signer)
    assert [image.name for image in bundle.select(["tool:v1"])] == ["docker.io/library/tool:v1"]
    assert bundle.select([]) == bundle.images
    assert bundle.select(["docker.io/library/tool:v1", "app:v1"]) == bundle.images


def test_says_what_there_is_to_select(whole_bundle: Path, signer: Signer) -> None:
    with pytest.raises(InputError, match=r"has no image docker\.io/library/nothing:latest") as error:
        load(whole_bundle, signer).select(["nothing"])
    assert "docker.io/library/app:v1, docker.io/library/tool:v1" in error.value.next_step


def test_knows_how_large_a_layer_is_unpacked(whole_bundle: Path, signer: Signer) -> None:
    bundle = load(whole_bundle, signer)
    assert _bundle.unpacked_size(bundle.files, bundle.images[0].layers[0]) == len(images.layer("base"))


@pytest.mark.parametrize(
    ("trailer", "size", "expected"),
    [
        pytest.param(100, 50, 100, id="as gzip notes it"),
        pytest.param(100, 5_000_000_000, 100 + 2 * (1 << 32), id="beyond what gzip's four bytes can note"),
        pytest.param(100, 300_000_000, 100 + (1 << 32), id="beyond it once"),
        pytest.param(100, 20_000_000, 60_000_000, id="of the last of several members"),
        pytest.param(99, 100, 99, id="gzip made it a little larger"),
    ],
)
def test_estimates_large_layers(trailer: int, size: int, expected: int) -> None:
    class Files(_layout.Files):
        def chunks(self, name: str, offset: int = 0, length: int | None = None) -> t.Iterator[bytes]:
            assert (offset, length) == (size - 4, 4)
            yield trailer.to_bytes(4, "little")

    layer = _bundle.Layer(_oci.Descriptor(_oci.OCI_LAYER_GZIP, "sha256:" + "a" * 64, size), "sha256:" + "b" * 64)
    assert _bundle.unpacked_size(Files(), layer) == expected
