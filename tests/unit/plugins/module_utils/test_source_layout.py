# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OCI image layouts as sources: digests survive, and nothing outside a layout is read."""

from __future__ import annotations

import json
import os
import tarfile
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _layout, _oci
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError, InputError
from ansible_collections.airlift.registry.plugins.module_utils._pack import Packed
from ansible_collections.airlift.registry.plugins.module_utils._source import parse_wanted
from ansible_collections.airlift.registry.plugins.module_utils._source_layout import LayoutSource
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images

BASE, TOP, OTHER = images.layer("base"), images.layer("top"), images.layer("other")
PLATFORMS = {"linux/amd64": [BASE, TOP], "linux/arm64": [BASE, OTHER]}
APP, BOTH = "docker.io/library/app:1", "both"


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """A layout as other tools write it: an image with a full name, an index whose name is a tag, and files that belong to none."""
    store = BlobStore(str(tmp_path / "layout"))
    app = bundles.pack(store, APP, [BASE, TOP]).image
    both = bundles.pack_index(store, BOTH, PLATFORMS, b'{"_type": "attestation"}')[0].image
    entries = [
        {**image.target.to_json(), "annotations": {"org.opencontainers.image.ref.name": name}}
        for image, name in ((app, APP), (both, BOTH))
    ]
    write_index(tmp_path / "layout", entries)
    (tmp_path / "layout/ingest").mkdir()
    (tmp_path / "layout/notes.txt").write_text("of nobody")
    return tmp_path / "layout"


def write_index(layout: Path, entries: t.Any) -> None:
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))


def pack_tar(layout: Path, mode: str = "w") -> Path:
    path = layout.with_suffix(".tar")
    with tarfile.open(path, t.cast(t.Any, mode)) as archive:
        archive.add(layout, ".")
    return path


def fetch(store: Path, value: t.Any) -> list[Packed]:
    wanted, source, blob_store = parse_wanted(value, "linux/amd64"), LayoutSource(), BlobStore(str(store))
    return source.fetch([wanted], {wanted: source.identify(wanted)}, blob_store)


def blobs(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (directory / "blobs/sha256").iterdir()}


@pytest.mark.parametrize("transport", ["oci", "oci-archive"])
def test_digests_survive(tmp_path: Path, layout: Path, transport: str) -> None:
    path = layout if transport == "oci" else pack_tar(layout)
    (packed,) = fetch(tmp_path / "store", f"{transport}:{path}:{APP}")
    assert (packed.image.name, packed.source) == (APP, f"{transport}:{path}:{APP}")
    target = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
    assert packed.source_id == packed.image.manifest.digest == target
    stored = blobs(tmp_path / "store")
    assert stored.items() <= blobs(layout).items()
    assert len(stored) == 4


@pytest.mark.parametrize(
    ("platforms", "expected", "count"),
    [
        pytest.param(None, ["linux/amd64"], 4, id="one"),
        pytest.param(["linux/arm64"], ["linux/arm64"], 4, id="another"),
        pytest.param(["all"], ["linux/amd64", "linux/arm64"], 11, id="all, with their attestation"),
    ],
)
def test_takes_platforms(
    tmp_path: Path, layout: Path, platforms: list[str] | None, expected: list[str], count: int
) -> None:
    source = {"source": f"oci:{layout}:{BOTH}", "name": "both:1", **({"platforms": platforms} if platforms else {})}
    packed = fetch(tmp_path / "store", source)
    assert [entry.image.platform for entry in packed] == expected
    assert len(blobs(tmp_path / "store")) == count
    target = json.loads((layout / "index.json").read_text())["manifests"][1]["digest"]
    assert {entry.image.index.digest if entry.image.index else "" for entry in packed} == {
        target if platforms == ["all"] else ""
    }


@pytest.mark.parametrize("pick", ["@0", "digest"])
def test_takes_an_image_without_a_name(tmp_path: Path, layout: Path, pick: str) -> None:
    entries = json.loads((layout / "index.json").read_text())["manifests"]
    write_index(layout, [{key: value for key, value in entry.items() if key != "annotations"} for entry in entries])
    text = entries[0]["digest"] if pick == "digest" else pick
    (packed,) = fetch(tmp_path / "store", {"source": f"oci:{layout}:{text}", "name": "x:1"})
    assert packed.source_id == entries[0]["digest"]


def damage_layer(layout: Path) -> None:
    bundles.flip(max((layout / "blobs/sha256").iterdir(), key=lambda path: path.read_bytes()[:2] == b"\x1f\x8b"))


def manifest_of_app(layout: Path) -> Path:
    digest = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
    return layout / "blobs/sha256" / digest[7:]


def drop_manifest(layout: Path) -> None:
    manifest_of_app(layout).unlink()


def link_manifest(layout: Path) -> None:
    path = manifest_of_app(layout)
    path.rename(layout.parent / "elsewhere")
    path.symlink_to(layout.parent / "elsewhere")


def pipe_index(layout: Path) -> None:
    (layout / "index.json").unlink()
    os.mkfifo(layout / "index.json")


def lie_about_size(layout: Path) -> None:
    path = manifest_of_app(layout)
    document = json.loads(path.read_text())
    document["layers"][0]["size"] = 1
    data = json.dumps(document).encode()
    (layout / "blobs/sha256" / images.sha256(data)).write_bytes(data)
    entry = _oci.Descriptor(_oci.OCI_MANIFEST, _oci.digest_of(data), len(data)).to_json()
    write_index(layout, [{**entry, "annotations": {"org.opencontainers.image.ref.name": APP}}])


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        pytest.param(damage_layer, "came with a blob that is not sha256:", id="layer damaged"),
        pytest.param(lambda layout: bundles.flip(manifest_of_app(layout)), "is not sha256:", id="manifest damaged"),
        pytest.param(drop_manifest, "has no file blobs/sha256/", id="manifest not there"),
        pytest.param(link_manifest, "has no file blobs/sha256/", id="manifest is a link"),
        pytest.param(pipe_index, "has no file index.json", id="index is a pipe"),
        pytest.param(lie_about_size, "came with a blob that is not sha256:", id="size lies"),
        pytest.param(lambda layout: (layout / "index.json").unlink(), "has no file index.json", id="no index"),
        pytest.param(lambda layout: write_index(layout, 7), "lists no manifests", id="index lists nothing"),
        pytest.param(lambda layout: write_index(layout, [7]), "is not a descriptor", id="entry is a number"),
        pytest.param(lambda layout: write_index(layout, []), "has no image", id="index is empty"),
        pytest.param(
            lambda layout: write_index(layout, [{"mediaType": "x", "digest": "sha256:../../etc/passwd", "size": 1}]),
            "no sha256 digest",
            id="digest is a path",
        ),
    ],
)
@pytest.mark.parametrize("transport", ["oci", "oci-archive"])
def test_refuses_a_layout(
    tmp_path: Path, layout: Path, transport: str, damage: t.Callable[[Path], object], problem: str
) -> None:
    damage(layout)
    path = layout if transport == "oci" else pack_tar(layout)
    with pytest.raises(AirliftError, match=problem) as error:
        fetch(tmp_path / "store", f"{transport}:{path}:{APP}")
    assert str(path) in error.value.problem
    assert os.listdir(tmp_path / "store") == ["blobs"]
    assert all(images.sha256(content) == name for name, content in blobs(tmp_path / "store").items())


@pytest.mark.parametrize(
    ("source", "next_step"),
    [
        pytest.param("oci:{layout}.tar:app:1", "Write oci-archive:", id="a file as a directory"),
        pytest.param("oci-archive:{layout}:app:1", "Write oci:", id="a directory as a file"),
        pytest.param("oci:/nowhere:app:1", "Check the path", id="no directory"),
        pytest.param("oci-archive:/nowhere:app:1", "Check the path", id="no file"),
    ],
)
def test_says_that_there_is_no_layout(tmp_path: Path, layout: Path, source: str, next_step: str) -> None:
    pack_tar(layout)
    with pytest.raises(InputError, match="with an OCI layout") as error:
        fetch(tmp_path / "store", source.replace("{layout}", str(layout)))
    assert next_step in error.value.next_step


def test_refuses_a_compressed_tar(tmp_path: Path, layout: Path) -> None:
    with pytest.raises(InputError, match="is no tar") as error:
        fetch(tmp_path / "store", f"oci-archive:{pack_tar(layout, 'w:gz')}:{APP}")
    assert "decompress it first" in error.value.next_step


def test_a_bundle_is_a_layout_too(tmp_path: Path, whole_bundle: Path) -> None:
    (packed,) = fetch(tmp_path / "store", f"oci:{whole_bundle}:app:v1")
    assert packed.image.name == "docker.io/library/app:v1"
    assert (whole_bundle / _layout.blob_name(packed.image.manifest.digest)).exists()
