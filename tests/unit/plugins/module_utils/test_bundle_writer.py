# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making bundles: the same input makes the same bytes, nothing half-done stays, nothing of others is touched."""

from __future__ import annotations

import fcntl
import os
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.airlift.registry.plugins.module_utils import _bundle, _bundle_writer, _layout
from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError, HostError, InputError
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

CONTENTS = {
    "docker.io/library/tool:v1": [images.layer("base"), images.layer("other")],
    "docker.io/library/app:v1": [images.layer("base"), images.layer("top")],
    "registry.example.com:5000/app:v1": [images.layer("base"), images.layer("top")],
}
SHAPES = pytest.mark.parametrize("name", ["bundle", "bundle.tar"], ids=["directory", "tar"])


def content(path: Path) -> dict[str, bytes]:
    """All that a bundle is, as bytes by name."""
    found = [path] if path.is_file() else sorted(entry for entry in path.rglob("*") if entry.is_file())
    return {str(entry.relative_to(path)): entry.read_bytes() for entry in found}


@SHAPES
def test_the_same_input_makes_the_same_bytes(tmp_path: Path, signer: Signer, name: str) -> None:
    shuffled = dict(reversed(CONTENTS.items()))
    old_umask = os.umask(0o077)
    try:
        bundles.make_bundle(tmp_path / name, signer, CONTENTS)
    finally:
        os.umask(old_umask)
    (tmp_path / "again").mkdir()
    bundles.make_bundle(tmp_path / "again" / name, signer, shuffled)
    assert content(tmp_path / name) == content(tmp_path / "again" / name)


def test_others_can_check_it(tmp_path: Path, signer: Signer) -> None:
    bundles.make_bundle(tmp_path / "bundle", signer, CONTENTS)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=tmp_path / "bundle", check=True)
    verify = ["ssh-keygen", "-Y", "verify", "-n", "airlift-bundle", "-I", "release@example.com"]
    with open(tmp_path / "bundle/SHA256SUMS", "rb") as sums:
        subprocess.run(
            [*verify, "-f", signer.allowed_signers, "-s", "SHA256SUMS.sig"],
            cwd=tmp_path / "bundle",
            stdin=sums,
            check=True,
        )


def test_a_directory_can_be_read_by_everybody_and_a_tar_is_in_order(tmp_path: Path, signer: Signer) -> None:
    packed = bundles.make_bundle(tmp_path / "bundle", signer, CONTENTS)
    assert {oct(entry.stat().st_mode & 0o777) for entry in (tmp_path / "bundle").rglob("*") if entry.is_file()} == {
        "0o644"
    }
    bundles.make_bundle(tmp_path / "bundle.tar", signer, CONTENTS)
    names = list(_layout.open_files(str(tmp_path / "bundle.tar")).sizes())
    layers = {_layout.blob_name(layer.blob.digest) for entry in packed for layer in entry.image.layers}
    head = [name for name in _layout.HEAD if name not in _layout.OPTIONAL]
    assert names[: len(head)] == head
    assert set(names[-len(layers) :]) == layers


def test_the_lock_is_yaml_for_people(tmp_path: Path, signer: Signer) -> None:
    bundles.make_bundle(tmp_path / "bundle", signer, CONTENTS)
    lock = yaml.safe_load((tmp_path / "bundle/bundle.lock.yml").read_text())
    assert lock["version"] == 1
    assert [entry["name"] for entry in lock["images"]] == sorted(CONTENTS)
    assert lock["images"][0]["source"] == "docker-daemon:docker.io/library/app:v1"
    assert lock["images"][0]["created"] == "2026-01-02T03:04:05Z"
    assert isinstance(lock["images"][0]["size"], int)


def test_equal_images_are_one_entry_with_two_tags_for_docker_load(tmp_path: Path, signer: Signer) -> None:
    bundles.make_bundle(tmp_path / "bundle", signer, CONTENTS)
    manifest = yaml.safe_load((tmp_path / "bundle/manifest.json").read_text())
    tags = sorted(entry["RepoTags"] for entry in manifest)
    assert tags == [["docker.io/library/app:v1", "registry.example.com:5000/app:v1"], ["docker.io/library/tool:v1"]]


@SHAPES
def test_replaces_a_bundle_that_is_there(tmp_path: Path, signer: Signer, name: str) -> None:
    bundles.make_bundle(tmp_path / name, signer, CONTENTS)
    bundles.make_bundle(tmp_path / name, signer, {"docker.io/library/new:v1": [images.layer("new")]})
    bundle = _bundle.load_bundle(str(tmp_path / name), str(signer.allowed_signers), run_program)
    assert [image.name for image in bundle.images] == ["docker.io/library/new:v1"]
    assert os.listdir(tmp_path) == [name]


@SHAPES
def test_after_an_error_the_old_bundle_is_whole_and_finished_blobs_stay(
    tmp_path: Path, signer: Signer, name: str
) -> None:
    bundles.make_bundle(tmp_path / name, signer, CONTENTS)
    before = content(tmp_path / name)
    with pytest.raises(InputError, match="no signing key"):
        bundles.make_bundle(tmp_path / name, Signer(tmp_path / "nokey", signer.allowed_signers), CONTENTS)
    assert content(tmp_path / name) == before
    assert sorted(os.listdir(tmp_path)) == [f".{name}.partial", name]
    assert os.listdir(tmp_path / f".{name}.partial") == ["blobs"]
    bundles.make_bundle(tmp_path / name, signer, CONTENTS)
    assert content(tmp_path / name) == before
    assert os.listdir(tmp_path) == [name]


def test_after_an_error_before_the_first_blob_nothing_stays(tmp_path: Path) -> None:
    with pytest.raises(InputError), _bundle_writer.work_directory(str(tmp_path / "bundle")):
        raise InputError("wrong", "Right it.")
    assert os.listdir(tmp_path) == []


@SHAPES
def test_what_a_killed_run_left_is_used_or_cleared_away(tmp_path: Path, signer: Signer, name: str) -> None:
    for leftover in (f".{name}.partial", f".{name}.partial.new", f".{name}.partial.old"):
        (tmp_path / leftover / "blobs/sha256").mkdir(parents=True)
        (tmp_path / leftover / "layer-half").write_bytes(b"x")
        (tmp_path / leftover / "blobs/sha256" / ("a" * 64)).write_bytes(b"of another image")
    bundles.make_bundle(tmp_path / name, signer, CONTENTS)
    bundle = _bundle.load_bundle(str(tmp_path / name), str(signer.allowed_signers), run_program)
    assert _bundle.verify_blobs(bundle) == []
    assert not (tmp_path / f".{name}.partial").exists()


def test_two_runs_at_the_same_time_are_kept_apart(tmp_path: Path, signer: Signer) -> None:
    work = tmp_path / ".bundle.partial"
    work.mkdir()
    handle = os.open(work, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with pytest.raises(HostError, match="Another run is making") as error:
            bundles.make_bundle(tmp_path / "bundle", signer, CONTENTS)
        assert "Wait until it is done" in error.value.next_step
        # The work of the other is still there.
        assert work.is_dir()
    finally:
        os.close(handle)


def test_says_that_the_directory_is_missing(tmp_path: Path, signer: Signer) -> None:
    with pytest.raises(InputError, match=f"no directory {tmp_path}/nowhere"):
        bundles.make_bundle(tmp_path / "nowhere/bundle", signer, CONTENTS)


def put_file(path: Path) -> None:
    path.write_text("my thesis")


def put_directory(path: Path) -> None:
    path.mkdir()
    (path / "thesis").write_text("my thesis")


def put_image_layout(path: Path) -> None:
    path.mkdir()
    (path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (path / "index.json").write_text('{"schemaVersion":2,"manifests":[]}')


@pytest.mark.parametrize("put", [put_file, put_directory, put_image_layout])
@SHAPES
def test_never_replaces_what_is_no_bundle(tmp_path: Path, name: str, put: t.Callable[[Path], None]) -> None:
    put(tmp_path / name)
    with pytest.raises(AirliftError, match="exists and is not a bundle") as error:
        _bundle_writer.check_replaceable(str(tmp_path / name))
    assert "it was not touched" in error.value.next_step


@SHAPES
def test_a_bundle_may_be_replaced(tmp_path: Path, signer: Signer, name: str) -> None:
    _bundle_writer.check_replaceable(str(tmp_path / name))
    bundles.make_bundle(tmp_path / name, signer, CONTENTS)
    _bundle_writer.check_replaceable(str(tmp_path / name))


def test_an_empty_directory_may_be_replaced(tmp_path: Path) -> None:
    _bundle_writer.check_replaceable(str(tmp_path))
