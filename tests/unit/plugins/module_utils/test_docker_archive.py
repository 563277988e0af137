# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Docker archives: every layout that docker save has had, and what is no archive."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import lzma
import os
import tarfile
import typing as t
from pathlib import Path

import pytest
import zstandard

from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._docker_archive import SavedImage, read_archive
from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError, InputError
from ansible_collections.airlift.registry.tests.unit.plugins.support.images import (
    Member,
    Saved,
    blobs_archive,
    layer,
    legacy_archive,
    linked_archive,
    named_archive,
    sha256,
    tar,
)

BASE, TOP, OTHER = layer("base"), layer("top"), layer("other")
APP = Saved([BASE, TOP])
TOOL = Saved([BASE, OTHER], ["tool:v1"])
LAYOUTS = pytest.mark.parametrize(
    "archive", [legacy_archive, blobs_archive, linked_archive], ids=["legacy", "blobs", "linked"]
)
Archive = t.Callable[..., list[Member]]


def read(data: bytes, store: Path) -> list[SavedImage]:
    return read_archive(io.BytesIO(data), BlobStore(str(store)), "docker archive a.tar")


def refused(data: bytes, store: Path, problem: str) -> AirliftError:
    with pytest.raises(AirliftError, match=problem) as error:
        read(data, store)
    assert "a.tar" in error.value.problem
    assert error.value.next_step
    return error.value


def stored(store: Path) -> list[str]:
    return sorted(os.listdir(store / "blobs/sha256"))


@LAYOUTS
def test_reads_images_with_shared_layers(tmp_path: Path, archive: Archive) -> None:
    app, tool = read(tar(archive(APP, TOOL)), tmp_path)
    assert (app.config, app.tags) == (APP.config, ("docker.io/library/app:v1",))
    assert (tool.config, tool.tags) == (TOOL.config, ("docker.io/library/tool:v1",))
    assert app.layers[0] == tool.layers[0]
    for found, content in zip([*app.layers, tool.layers[1]], [BASE, TOP, OTHER], strict=True):
        assert found.diff_id == f"sha256:{sha256(content)}"
        blob = (tmp_path / "blobs/sha256" / found.blob.digest.removeprefix("sha256:")).read_bytes()
        assert gzip.decompress(blob) == content
        assert (sha256(blob), len(blob)) == (found.blob.digest.removeprefix("sha256:"), found.blob.size)
    assert len(stored(tmp_path)) == 3


@LAYOUTS
@pytest.mark.parametrize(
    "compress", [gzip.compress, lzma.compress, zstandard.ZstdCompressor().compress], ids=["gzip", "xz", "zstd"]
)
def test_reads_an_archive_that_was_compressed(
    tmp_path: Path, archive: Archive, compress: t.Callable[[bytes], bytes]
) -> None:
    assert len(read(compress(tar(archive(APP))), tmp_path)) == 1


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        pytest.param(["app:v1", "team/app:v2"], ("docker.io/library/app:v1", "docker.io/team/app:v2"), id="several"),
        pytest.param([], (), id="none"),
        pytest.param(None, (), id="null"),
        pytest.param(
            ["registry.example.com:5000/app:v1"], ("registry.example.com:5000/app:v1",), id="of a registry with a port"
        ),
    ],
)
@LAYOUTS
def test_reads_tags(tmp_path: Path, archive: Archive, tags: list[str] | None, expected: tuple[str, ...]) -> None:
    (image,) = read(tar(archive(Saved([BASE], tags))), tmp_path)
    assert image.tags == expected


@pytest.mark.parametrize(
    ("config", "layer_name"),
    [
        pytest.param("sha256:{hex}", "{hex}.tar.gz", id="crane and kaniko"),
        pytest.param("sha256:{hex}", "sha256:{hex}.tar.gz", id="older kaniko"),
        pytest.param("config.json", "{hex}.tar.gz", id="jib"),
    ],
)
def test_reads_the_archives_of_other_builders(tmp_path: Path, config: str, layer_name: str) -> None:
    (image,) = read(tar(named_archive(APP, config, layer_name)), tmp_path)
    assert (image.config, image.tags) == (APP.config, ("docker.io/library/app:v1",))
    assert [layer.diff_id for layer in image.layers] == [f"sha256:{sha256(content)}" for content in (BASE, TOP)]
    blobs = [(tmp_path / "blobs/sha256" / found.blob.digest[7:]).read_bytes() for found in image.layers]
    assert blobs == [gzip.compress(content, mtime=0) for content in (BASE, TOP)]


def test_one_layer_may_stand_for_several(tmp_path: Path) -> None:
    (image,) = read(tar(blobs_archive(Saved([BASE, TOP, TOP]))), tmp_path)
    assert image.layers[1] == image.layers[2]


def test_a_layer_that_is_compressed_already_keeps_its_bytes(tmp_path: Path) -> None:
    """As several gzip members one after the other, which is how pigz and stargz write."""
    compressed = gzip.compress(BASE[:500], mtime=1) + gzip.compress(BASE[500:], mtime=2)
    members = [
        Member(member.name, compressed if member.content == BASE else member.content, member.type)
        for member in blobs_archive(Saved([BASE]))
    ]
    (image,) = read(tar(members), tmp_path)
    assert image.layers[0].blob.digest == f"sha256:{sha256(compressed)}"
    assert image.layers[0].diff_id == f"sha256:{sha256(BASE)}"


@LAYOUTS
def test_refuses_an_archive_cut_short_anywhere(tmp_path: Path, archive: Archive) -> None:
    whole = tar(archive(APP))
    end = whole.index(b'[{"Config"')  # what comes after manifest.json is not needed
    for place in [0, 1, 100, 511, *range(512, end, 512)]:
        with pytest.raises(InputError) as error:
            read(whole[:place], tmp_path)
        assert "docker archive a.tar" in error.value.problem


def test_refuses_a_compressed_archive_cut_short(tmp_path: Path) -> None:
    whole = gzip.compress(tar(legacy_archive(Saved([layer(os.urandom(5000).hex())]))))
    for place in range(20, len(whole) - 200, 400):
        refused(whole[:place], tmp_path, "a.tar")


def test_refuses_what_docker_export_writes(tmp_path: Path) -> None:
    members = [
        Member(".dockerenv"),
        Member("bin", type=tarfile.SYMTYPE, link="usr/bin"),
        Member("etc/passwd", b"root:x:0:0::/root:/bin/sh\n"),
    ]
    error = refused(tar(members), tmp_path, "as docker export writes it")
    assert "docker save" in error.next_step
    assert "docker import" in error.next_step
    assert stored(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["../manifest.json", "/etc/passwd", "blobs/sha256/../../x", "a/layer.tar", "x" * 64 + "/layer.tar"]
)
def test_refuses_names_that_no_archive_has(tmp_path: Path, name: str) -> None:
    refused(tar([Member(name, BASE)]), tmp_path, "is no image")
    assert stored(tmp_path) == []


def changed_manifest(change: t.Callable[[t.Any], t.Any], archive: Archive = blobs_archive) -> bytes:
    members = archive(APP)
    entries = change(json.loads(next(member.content for member in members if member.name == "manifest.json")))
    return tar(
        Member(
            member.name, json.dumps(entries).encode() if member.name == "manifest.json" else member.content, member.type
        )
        for member in members
    )


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        pytest.param(lambda _m: None, "cannot be understood", id="null"),
        pytest.param(lambda _m: 7, "cannot be understood", id="a number"),
        pytest.param(lambda _m: {"x": 1}, "cannot be understood", id="an object"),
        pytest.param(lambda _m: [None], "cannot be understood", id="an image is nothing"),
        pytest.param(lambda _m: [{}], "cannot be understood", id="an image without a config"),
        pytest.param(lambda m: [{**m[0], "Config": ["x"]}], "cannot be understood", id="config is a list"),
        pytest.param(
            lambda m: [{**m[0], "Config": "blobs/sha256/" + "0" * 64}],
            "lacks blobs/sha256/0000",
            id="config is not there",
        ),
        pytest.param(lambda m: [{**m[0], "Config": m[0]["Layers"][0]}], "lacks blobs/sha256", id="config is a layer"),
        pytest.param(
            lambda m: [{**m[0], "Layers": ["../../etc/passwd"]}], r"lacks \.\./\.\./etc/passwd", id="layer is elsewhere"
        ),
        pytest.param(
            lambda m: [{**m[0], "Layers": m[0]["Layers"][::-1]}], "not those that", id="layers in another order"
        ),
        pytest.param(lambda m: [{**m[0], "Layers": m[0]["Layers"][:1]}], "not those that", id="a layer too few"),
        pytest.param(lambda m: [{**m[0], "RepoTags": ["--all"]}], "cannot be used", id="tag is no reference"),
        pytest.param(lambda m: [{**m[0], "RepoTags": [7]}], "cannot be understood", id="tag is a number"),
    ],
)
def test_refuses_a_manifest(tmp_path: Path, change: t.Callable[[t.Any], t.Any], problem: str) -> None:
    with pytest.raises(AirliftError, match=problem):
        read(changed_manifest(change), tmp_path)


@pytest.mark.parametrize(
    ("member", "problem"),
    [
        pytest.param(Member("manifest.json", b"{"), "is not JSON", id="cut short"),
        pytest.param(Member("manifest.json", b"[" * 100_000), "is not JSON", id="nested deeper than a stack"),
        pytest.param(Member("manifest.json", b" " * (5 << 20)), "no manifest.json", id="larger than any document"),
        pytest.param(Member("oci-layout", b"{}"), "no manifest.json", id="none"),
    ],
)
def test_refuses_a_manifest_that_is_no_json(tmp_path: Path, member: Member, problem: str) -> None:
    refused(tar([member]), tmp_path, problem)


def test_refuses_a_layer_that_is_not_what_the_config_names(tmp_path: Path) -> None:
    members = [
        Member(member.name, OTHER if member.content == TOP else member.content, member.type)
        for member in blobs_archive(APP)
    ]
    refused(tar(members), tmp_path, "not those that blobs/sha256/.* names")


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:30] + bytes([data[30] ^ 0xFF]) + data[31:], id="flipped byte"),
        pytest.param(lambda data: data[:-20], id="cut short"),
        pytest.param(lambda data: data + b"hello", id="more at its end"),
        pytest.param(lambda _data: b"\x1f\x8b", id="nothing but the first two bytes"),
    ],
)
def test_refuses_a_compressed_layer_that_is_damaged(tmp_path: Path, damage: t.Callable[[bytes], bytes]) -> None:
    content = layer(os.urandom(500).hex())
    members = [
        Member(
            member.name, damage(gzip.compress(content)) if member.content == content else member.content, member.type
        )
        for member in blobs_archive(Saved([content]))
    ]
    refused(tar(members), tmp_path, "a.tar")


def test_refuses_links_that_go_round_in_circles(tmp_path: Path) -> None:
    a, b = (sha256(name) for name in (b"a", b"b"))
    image = Saved([BASE])
    name = f"{sha256(image.config)}.json"
    manifest = [{"Config": name, "RepoTags": [], "Layers": [f"{a}/layer.tar"]}]
    members = [
        Member(f"{a}/layer.tar", type=tarfile.SYMTYPE, link=f"../{b}/layer.tar"),
        Member(f"{b}/layer.tar", type=tarfile.SYMTYPE, link=f"../{a}/layer.tar"),
        Member(name, image.config),
        Member("manifest.json", json.dumps(manifest).encode()),
    ]
    refused(tar(members), tmp_path, "lacks .*/layer.tar")


def test_refuses_a_symlink_out_of_the_archive(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(BASE)
    image = Saved([BASE])
    home = sha256(b"a")
    name = f"{sha256(image.config)}.json"
    manifest = [{"Config": name, "RepoTags": [], "Layers": [f"{home}/layer.tar"]}]
    members = [
        Member(f"{home}/layer.tar", type=tarfile.SYMTYPE, link=str(tmp_path / "secret")),
        Member(name, image.config),
        Member("manifest.json", json.dumps(manifest).encode()),
    ]
    refused(tar(members), tmp_path / "store", "lacks")


def test_documents_cannot_fill_the_memory(tmp_path: Path) -> None:
    document = b"{" + b" " * (4 * 1024 * 1024 - 1)
    names = [f"blobs/sha256/{hashlib.sha256(bytes([number])).hexdigest()}" for number in range(5)]
    stream = io.BytesIO(gzip.compress(tar(Member(name, document) for name in names), 1))
    with pytest.raises(InputError, match="holds more than 16777216 bytes of documents"):
        read_archive(stream, BlobStore(str(tmp_path)), "docker archive a.tar")


def test_a_document_must_not_pass_for_a_layer(tmp_path: Path) -> None:
    """A blob that begins as JSON is never stored as a layer, whatever the manifest says."""
    image = Saved([b'{"not": "a layer"}'])
    refused(tar(blobs_archive(image)), tmp_path, "lacks blobs/sha256")
