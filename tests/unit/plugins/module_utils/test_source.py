# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Image sources: what a list of images means, and how images get into the store of a bundle."""

from __future__ import annotations

import gzip
import json
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError, InputError
from ansible_collections.airlift.registry.plugins.module_utils._oci import digest_of
from ansible_collections.airlift.registry.plugins.module_utils._pack import Packed
from ansible_collections.airlift.registry.plugins.module_utils._skopeo import Skopeo
from ansible_collections.airlift.registry.plugins.module_utils._source import SourceKind, parse_list, parse_wanted
from ansible_collections.airlift.registry.plugins.module_utils._source_archive import ArchiveSource
from ansible_collections.airlift.registry.plugins.module_utils._source_registry import RegistrySource
from ansible_collections.airlift.registry.tests.unit.plugins.support import images
from ansible_collections.airlift.registry.tests.unit.plugins.support.images import Saved, blobs_archive, tar

BASE, TOP, OTHER = images.layer("base"), images.layer("top"), images.layer("other")
HEX = "a" * 64


@pytest.mark.parametrize(
    ("value", "name", "platforms"),
    [
        pytest.param("docker-daemon:app:1", "docker.io/library/app:1", ("linux/amd64",), id="engine"),
        pytest.param("docker-daemon:app", "docker.io/library/app:latest", ("linux/amd64",), id="engine, no tag"),
        pytest.param("docker://host:5000/app:1", "host:5000/app:1", ("linux/amd64",), id="registry"),
        pytest.param("docker-archive:/srv/a.tar:app:1", "docker.io/library/app:1", ("linux/amd64",), id="file with a reference"),
        pytest.param({"source": "docker-archive:/srv/a.tar", "name": "app:1"}, "docker.io/library/app:1", ("linux/amd64",), id="file with a name"),
        pytest.param("oci-archive:/srv/a.tar:host:5000/app:1", "host:5000/app:1", ("linux/amd64",), id="layout with a reference"),
        pytest.param({"source": f"docker://host.example/app@sha256:{HEX}", "name": "app:1"}, "docker.io/library/app:1", ("linux/amd64",), id="digest with a name"),
        pytest.param({"source": "docker://host.example/app:1", "platforms": ["linux/arm64"]}, "host.example/app:1", ("linux/arm64",), id="another platform"),
        pytest.param({"source": "docker://host.example/app:1", "platforms": ["linux/arm64", "linux/arm/v7"]}, "host.example/app:1", ("linux/arm64", "linux/arm/v7"), id="several platforms"),
        pytest.param({"source": "docker://host.example/app:1", "platforms": ["all"]}, "host.example/app:1", ("all",), id="all platforms"),
    ],
)  # fmt: skip
def test_reads_what_is_wanted(value: t.Any, name: str, platforms: tuple[str, ...]) -> None:
    wanted = parse_wanted(value, "linux/amd64")
    assert (wanted.name, wanted.platforms) == (name, platforms)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        pytest.param("app:1", "no transport", id="no transport"),
        pytest.param("docker-daemon:App:1", "cannot be used", id="no reference"),
        pytest.param("docker-archive:/srv/a.tar", "has no name with a tag", id="file without a name"),
        pytest.param(f"docker://host.example/app@sha256:{HEX}", "has no name with a tag", id="digest without a name"),
        pytest.param(f"docker-daemon:sha256:{HEX}", "has no name with a tag", id="image ID without a name"),
        pytest.param("oci:/srv/layout", "has no name with a tag", id="layout without a name"),
        pytest.param("oci:/srv/layout:1.0", "has no name with a tag", id="layout with a tag alone"),
        pytest.param("docker-archive:/srv/a.tar:@0", "has no name with a tag", id="file with a number"),
        pytest.param("docker-archive:/srv/a.tar:@x", "is no number", id="file with a number that is none"),
        pytest.param(7, "Image 7 cannot be used", id="a number"),
        pytest.param(None, "Image null cannot be used", id="nothing"),
        pytest.param({"name": "app:1"}, "cannot be used", id="no source"),
        pytest.param({"source": "docker-daemon:app:1", "tag": "x"}, "cannot be used", id="unknown key"),
        pytest.param({"source": "docker-daemon:app:1", "name": 7}, "cannot be used", id="name is a number"),
        pytest.param({"source": "docker-daemon:app:1", "platforms": "linux/amd64"}, "cannot be used", id="platforms are no list"),
        pytest.param({"source": "docker-daemon:app:1", "platforms": [7]}, "cannot be used", id="platform is a number"),
        pytest.param({"source": "docker-daemon:app:1", "platforms": ["linux"]}, "cannot be used", id="half a platform"),
        pytest.param({"source": "docker-daemon:app:1", "platforms": ["linux/amd64", "linux/arm64"]}, "is wanted for linux/amd64, linux/arm64", id="several platforms of an engine"),
        pytest.param({"source": "docker://host.example/app:1", "platforms": ["all", "linux/arm64"]}, "cannot be used", id="all and another"),
    ],
)  # fmt: skip
def test_refuses_what_cannot_be_meant(value: t.Any, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as error:
        parse_wanted(value, "linux/amd64")
    assert error.value.next_step


def test_refuses_one_name_for_two_images() -> None:
    with pytest.raises(InputError, match="docker.io/library/app:1 is in the list of images more than once"):
        parse_list(["docker-daemon:app:1", "docker-daemon:library/app:1"], "linux/amd64")


def fetch(kind: SourceKind, store: Path, *values: t.Any) -> list[Packed]:
    wanted = [parse_wanted(value, "linux/amd64") for value in values]
    return kind.fetch(wanted, {entry: kind.identify(entry) for entry in wanted}, BlobStore(str(store)))


def save(path: Path, *saved: Saved) -> Path:
    path.write_bytes(tar(blobs_archive(*saved)))
    return path


def test_takes_images_of_an_archive_by_their_names(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tar", Saved([BASE, TOP]), Saved([BASE, OTHER], ["tool:1"]))
    packed = fetch(
        ArchiveSource(), tmp_path / "store", f"docker-archive:{path}:tool:1", f"docker-archive:{path}:app:v1"
    )
    assert [entry.image.name for entry in packed] == ["docker.io/library/tool:1", "docker.io/library/app:v1"]
    assert packed[0].image.layers[1].diff_id == digest_of(OTHER)
    assert packed[0].source_id == digest_of(path.read_bytes())


def test_takes_the_only_image_of_an_archive_without_a_name(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tar", Saved([BASE], None))
    (packed,) = fetch(ArchiveSource(), tmp_path / "store", {"source": f"docker-archive:{path}", "name": "x:1"})
    assert packed.image.name == "docker.io/library/x:1"


@pytest.mark.parametrize("pick", ["@1", "id"])
def test_takes_an_image_of_an_archive_without_names(tmp_path: Path, pick: str) -> None:
    other = Saved([OTHER], None)
    path = save(tmp_path / "a.tar", Saved([BASE], None), other)
    text = other.id if pick == "id" else pick
    (packed,) = fetch(ArchiveSource(), tmp_path / "store", {"source": f"docker-archive:{path}:{text}", "name": "x:1"})
    assert packed.image.config.digest == other.id


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        pytest.param("docker-archive:{path}:nothing:1", "has no image nothing:1", id="a name that is not there"),
        pytest.param(
            {"source": "docker-archive:{path}", "name": "x:1"},
            "has 2 images, and none was chosen",
            id="one of several, which is not said",
        ),
    ],
)
def test_says_what_an_archive_has(tmp_path: Path, value: t.Any, problem: str) -> None:
    path = save(tmp_path / "a.tar", Saved([BASE]), Saved([OTHER], ["tool:1"]))
    value = json.loads(json.dumps(value).replace("{path}", str(path)))
    with pytest.raises(InputError, match=f"Docker archive {path} {problem}") as error:
        fetch(ArchiveSource(), tmp_path / "store", value)
    assert "docker.io/library/app:v1, docker.io/library/tool:1" in error.value.next_step


def test_says_that_there_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no docker archive at /nowhere.tar"):
        fetch(ArchiveSource(), tmp_path / "store", "docker-archive:/nowhere.tar:app:1")


class SkopeoSimulator:
    """Serves one image as skopeo does: its manifest by inspect, its blobs by copy."""

    def __init__(self, layers: list[bytes], **changes: t.Any) -> None:
        blobs = [gzip.compress(layer, mtime=7) for layer in layers]
        config = images.config(changes.pop("config_layers", layers), **changes)
        descriptors = [
            {"mediaType": _oci.OCI_LAYER_GZIP, "digest": digest_of(blob), "size": len(blob)} for blob in blobs
        ]
        head = {"mediaType": _oci.OCI_CONFIG, "digest": digest_of(config), "size": len(config)}
        # Unlike our own spelling, so that it shows when the bytes are not kept.
        self.manifest = json.dumps({"schemaVersion": 2, "config": head, "layers": descriptors}, indent=3)
        self.files = {digest_of(content)[7:]: content for content in (config, *blobs)}
        self.sent: list[str] = []

    def __call__(self, args: t.Sequence[str], _data: bytes | None) -> tuple[int, str, str]:
        if "inspect" in args:
            return 0, self.manifest, ""
        directory = Path(args[args.index("--dest-shared-blob-dir") + 1]) / "sha256"
        # skopeo writes a manifest of its own, too.
        for name, content in {"0" * 64: b"{}", **self.files}.items():
            if not (directory / name).exists():
                (directory / name).write_bytes(content)
                self.sent.append(name)
        return 0, "", ""


def registry_source(program: SkopeoSimulator) -> RegistrySource:
    return RegistrySource(Skopeo(program), 2)


def test_an_image_of_a_registry_keeps_every_byte(tmp_path: Path) -> None:
    program = SkopeoSimulator([BASE, TOP, TOP])
    wanted = parse_wanted("docker://host.example/app:1", "linux/amd64")
    store, source = BlobStore(str(tmp_path / "store")), registry_source(program)
    (packed,) = source.fetch([wanted], {wanted: source.identify(wanted)}, store)
    assert packed.image.manifest.digest == packed.source_id == digest_of(program.manifest.encode())
    store.remove_unused()
    blobs = {path.name: path.read_bytes() for path in (tmp_path / "store/blobs/sha256").iterdir()}
    assert blobs == {**program.files, digest_of(program.manifest.encode())[7:]: program.manifest.encode()}
    assert os.listdir(tmp_path / "store") == ["blobs"]


def test_nothing_is_fetched_twice(tmp_path: Path) -> None:
    """Two names for one image, and a second run."""
    program = SkopeoSimulator([BASE, TOP])
    other = {"source": "docker://host.example/app:1", "name": "other:1"}
    for _run in range(2):
        fetch(registry_source(program), tmp_path / "store", "docker://host.example/app:1", other)
    assert sorted(program.sent) == sorted(["0" * 64, *program.files])


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        pytest.param(
            SkopeoSimulator([BASE, TOP], config_layers=[BASE]),
            "2 layers and 1 diffIDs",
            id="layers do not fit the config",
        ),
        pytest.param(
            SkopeoSimulator([BASE], architecture="arm64"),
            "is for linux/arm64, and linux/amd64 was wanted",
            id="another platform",
        ),
        pytest.param(SkopeoSimulator([BASE], os=None), "names no platform", id="no image"),
    ],
)
def test_refuses_images_of_a_registry(tmp_path: Path, program: SkopeoSimulator, problem: str) -> None:
    with pytest.raises(AirliftError, match=problem) as error:
        fetch(registry_source(program), tmp_path / "store", "docker://host.example/app:1")
    assert "docker://host.example/app:1" in error.value.problem
    assert os.listdir(tmp_path / "store") == ["blobs"]


def test_refuses_a_damaged_blob_of_a_registry(tmp_path: Path) -> None:
    program = SkopeoSimulator([BASE])
    name = sorted(program.files, key=lambda found: program.files[found][:1])[0]
    program.files[name] += b"x"
    with pytest.raises(InputError, match=f"came with a blob that is not sha256:{name}"):
        fetch(registry_source(program), tmp_path / "store", "docker://host.example/app:1")
    assert not (tmp_path / "store/blobs/sha256" / name).exists()
