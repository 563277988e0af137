# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which images a bundle shall have, by list, lock and files; and that a lock is followed exactly."""

from __future__ import annotations

import dataclasses
import shutil
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._lock import LockedImage, format_lock
from ansible_collections.airlift.registry.plugins.module_utils._pack import Packed, make_lock
from ansible_collections.airlift.registry.plugins.module_utils._source import Wanted, identify_all
from ansible_collections.airlift.registry.plugins.module_utils._source_layout import LayoutSource
from ansible_collections.airlift.registry.plugins.module_utils._wanted import check_locked, from_lock, wanted_images
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
BASE, TOP = images.layer("base"), images.layer("top")
APP = "docker.io/library/app:v1"
NOTHING: dict[str, t.Any] = {
    "images": [], "lock": "", "compose_files": [], "compose_variables": {}, "kubernetes_files": [],
    "file_transport": "docker", "platform": "linux/amd64",
}  # fmt: skip


def locked(name: str = "host.example/app:1", platform: str = "linux/amd64", **changes: t.Any) -> LockedImage:
    entry = LockedImage(name, platform, A, B, 1, "", f"docker://{name}", A)
    return dataclasses.replace(entry, **changes)


def compose(directory: Path, *references: str) -> list[str]:
    services = "".join(f"  s{number}: {{image: '{text}'}}\n" for number, text in enumerate(references))
    (directory / "compose.yml").write_text(f"services:\n{services}")
    return [str(directory / "compose.yml")]


def names(**params: t.Any) -> list[tuple[str, str]]:
    return [(entry.name, str(entry.source)) for entry in wanted_images({**NOTHING, **params})[0]]


def test_images_of_files_come_from_their_registries_or_the_engine(tmp_path: Path) -> None:
    (tmp_path / "pods.yml").write_text("containers: [{image: app:1}, {image: host:5000/side}]")
    files = {
        "compose_files": compose(tmp_path, "app:1", f"tool:2@{A}"),
        "kubernetes_files": [str(tmp_path / "pods.yml")],
    }
    assert names(**files) == [
        ("docker.io/library/app:1", "docker://docker.io/library/app:1"),
        ("docker.io/library/tool:2", f"docker://docker.io/library/tool@{A}"),
        ("host:5000/side:latest", "docker://host:5000/side:latest"),
    ]
    assert names(**files, file_transport="docker-daemon")[0][1] == "docker-daemon:docker.io/library/app:1"


def test_the_list_decides_where_an_image_of_a_file_comes_from(tmp_path: Path) -> None:
    """By its name, or by its source when the file gives no tag that could be a name."""
    listed = ["docker-daemon:app:1", {"source": f"docker://docker.io/library/tool@{A}", "name": "tool:pinned"}]
    assert names(images=listed, compose_files=compose(tmp_path, "app:1", f"tool@{A}")) == [
        ("docker.io/library/app:1", "docker-daemon:app:1"),
        ("docker.io/library/tool:pinned", f"docker://docker.io/library/tool@{A}"),
    ]


@pytest.mark.parametrize(
    ("references", "problem"),
    [
        pytest.param([f"tool@{A}"], "has no name with a tag", id="digest without a tag"),
        pytest.param(["tool:1", f"tool:1@{A}"], "more than once", id="one name for two images"),
        pytest.param(["Tool:1"], "cannot be used", id="no reference"),
    ],
)
def test_refuses_images_of_files(tmp_path: Path, references: list[str], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        names(compose_files=compose(tmp_path, *references))


def test_says_that_nothing_was_asked_for() -> None:
    with pytest.raises(InputError, match="no images for the bundle"):
        names()


def test_says_that_there_is_no_lock() -> None:
    with pytest.raises(InputError, match="no lock at /nowhere.yml"):
        names(lock="/nowhere.yml")


@pytest.mark.parametrize(
    ("entries", "platforms"),
    [
        pytest.param([locked(platform="linux/arm64")], ("linux/arm64",), id="one platform"),
        pytest.param([locked(index=A), locked(platform="linux/arm64", index=A)], ("all",), id="the source's index"),
        pytest.param(
            [locked(index=B), locked(platform="linux/arm64", index=B)],
            ("linux/amd64", "linux/arm64"),
            id="some platforms of it",
        ),
    ],
)
def test_a_lock_wants_its_platforms_by_digest(entries: list[LockedImage], platforms: tuple[str, ...]) -> None:
    (wanted,) = from_lock(entries)
    assert (wanted.name, wanted.platforms, wanted.digest) == ("host.example/app:1", platforms, A)
    assert str(wanted.source) == "docker://host.example/app:1"
    assert wanted.location == f"host.example/app@{A}"


@pytest.fixture
def sealed(tmp_path: Path, signer: Signer) -> tuple[Path, list[Packed]]:
    """A layout, and what a bundle of its image has."""
    bundles.make_bundle(tmp_path / "layout", signer, {APP: [BASE, TOP]})
    (wanted,) = wanted_images({**NOTHING, "images": [f"oci:{tmp_path}/layout:{APP}"]})[0]
    return tmp_path / "layout", fetch([wanted], tmp_path / "first")


def fetch(wanted: list[Wanted], store: Path) -> list[Packed]:
    kinds = {"oci": LayoutSource()}
    return kinds["oci"].fetch(wanted, identify_all(kinds, wanted, 2), BlobStore(str(store)))


def test_a_lock_makes_the_same_lock(tmp_path: Path, sealed: tuple[Path, list[Packed]]) -> None:
    lock = make_lock(sealed[1])
    (tmp_path / "bundle.lock.yml").write_bytes(format_lock(lock))
    wanted, images_of_lock = wanted_images({**NOTHING, "lock": str(tmp_path / "bundle.lock.yml")})
    packed = fetch(wanted, tmp_path / "second")
    check_locked(images_of_lock, packed)
    assert make_lock(packed) == lock


def test_lists_all_that_has_moved_or_is_gone(tmp_path: Path, signer: Signer, sealed: tuple[Path, list[Packed]]) -> None:
    entry = make_lock(sealed[1]).images[0]
    gone = dataclasses.replace(entry, name="docker.io/library/gone:1", source=f"oci:{tmp_path}/nowhere:gone:1")
    shutil.rmtree(sealed[0])
    bundles.make_bundle(sealed[0], signer, {APP: [TOP]})
    with pytest.raises(InputError) as error:
        fetch(from_lock([entry, gone]), tmp_path / "second")
    assert f"{APP} was {entry.digest} at {entry.source} and is sha256:" in error.value.problem
    assert f"docker.io/library/gone:1 cannot be had (There is no directory {tmp_path}/nowhere" in error.value.problem
    assert "without the lock" in error.value.next_step


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        pytest.param({"digest": A}, f"was {A} and is sha256:", id="another manifest"),
        pytest.param({"config": A}, "was sha256:", id="another config"),
        pytest.param({"index": A}, f"The index of {APP} is not {A} any more", id="another index"),
        pytest.param({"platform": "linux/arm64"}, "for linux/arm64 is not at oci:", id="another platform"),
    ],
)
def test_refuses_anything_but_what_the_lock_has(
    sealed: tuple[Path, list[Packed]], changes: dict[str, str], problem: str
) -> None:
    entry = dataclasses.replace(make_lock(sealed[1]).images[0], **t.cast(t.Any, changes))
    with pytest.raises(InputError, match="The lock cannot be followed") as error:
        check_locked([entry], sealed[1])
    assert problem in error.value.problem
