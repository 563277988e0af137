# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Encrypted bundles on their way: preloaded, published, and other bundles made of them. Nothing that was decrypted stays on the controller."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support.faults import trusting
from ansible_collections.airlift.registry.tests.integration.support.lab import Lab, eventually
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Result, task
from ansible_collections.airlift.registry.tests.integration.support.registries import Registry, distribution
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images, media
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer
from ansible_collections.airlift.registry.tests.unit.plugins.support.media import Key

SECRET, APP2 = "docker.io/library/secret:v1", "docker.io/library/secret:v2"
BASE = images.tar([images.Member("data", os.urandom(1_000_000))])  # takes a moment with a limit on the bandwidth
TOP, NEW = images.layer("top"), images.layer("new")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Key]:
    directory = tmp_path_factory.mktemp("keys")
    return {
        "age": media.make_age_key(directory),
        "ssh": media.make_ssh_key(directory),
        "wrong": media.make_age_key(directory, "wrong"),
    }


@pytest.fixture(scope="module")
def stick(tmp_path_factory: pytest.TempPathFactory, signer: Signer, keys: dict[str, Key]) -> Path:
    """The path of a bundle of which only the encrypted file is there."""
    path = tmp_path_factory.mktemp("stick") / "secret.tar"
    bundles.make_bundle(path, signer, {SECRET: [BASE, TOP]})
    media.encrypt(path, keys["age"], keys["ssh"])
    return path


@pytest.fixture(scope="module")
def registry(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Registry]:
    with distribution(tmp_path_factory.mktemp("registry"), "encrypted") as found:
        yield found


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Below it is all that Ansible, its modules and Python write for a while."""
    path = tmp_path / "scratch"
    for variable in ("ANSIBLE_LOCAL_TEMP", "ANSIBLE_REMOTE_TEMP", "TMPDIR"):
        (path / variable).mkdir(parents=True)
        monkeypatch.setenv(variable, str(path / variable))
    return path


def plain_bytes(directory: Path) -> list[Path]:
    """The files that tell what is in the bundle: its lock, or a layer of random bytes, plain or packed."""
    known = (SECRET.encode(), BASE[600:700], images.sha256(BASE).encode())
    files = [path for path in directory.rglob("*") if path.is_file() and path.stat().st_size > 0]
    return [path for path in files if any(word in path.read_bytes() for word in known)]


def opened(signer: Signer, path: Path, key: Key) -> dict[str, t.Any]:
    return trusting(signer, path, identity=str(key.identity))


@pytest.mark.parametrize("kind", ["age", "ssh"])
def test_it_is_preloaded_with_either_key(
    lab: Lab, ansible: Ansible, host: str, stick: Path, signer: Signer, keys: dict[str, Key], scratch: Path, kind: str
) -> None:
    """A wrong key, the right one, and the right one again; each leaves nothing behind."""
    steps = [task("image_preload", opened(signer, stick, keys[name])) for name in ("wrong", kind, kind)]
    wrong, loaded, again = (result[host] for result in ansible.play(host, steps))
    assert wrong["problem"] == f"{keys['wrong'].identity} does not open bundle {stick}.age"
    assert [loaded["changed"], again["changed"]] == [True, False], loaded
    assert lab.images(host).keys() == {"secret:v1"}
    assert plain_bytes(scratch) == []


def test_what_a_killed_run_left_is_gone_after_the_next(
    ansible: Ansible,
    host: str,
    stick: Path,
    signer: Signer,
    keys: dict[str, Key],
    scratch: Path,
    tiny_arguments: Result,
) -> None:
    """SIGKILL for the whole of Ansible while it sends; the next run has nothing to do with that bundle."""
    slowly = {**opened(signer, stick, keys["ssh"]), "bandwidth_limit": 100_000}
    run = ansible.start(host, [task("image_preload", slowly)])
    eventually(lambda: plain_bytes(scratch), "the plain bundle")
    run.kill()
    assert plain_bytes(scratch) != []
    assert not ansible.preload(host, tiny_arguments, "--check").get("failed")
    assert plain_bytes(scratch) == []


@pytest.mark.parametrize("kind", ["age", "ssh"])
def test_it_is_published_with_either_key(
    ansible: Ansible, registry: Registry, stick: Path, signer: Signer, keys: dict[str, Key], scratch: Path, kind: str
) -> None:
    place = {"registry": registry.host, "namespace": kind, "ca_path": str(registry.ca)}
    publish = {**opened(signer, stick, keys[kind]), **place}
    refused = {**publish, "identity": str(keys["wrong"].identity)}
    wrong, published, again = (
        result["localhost"]
        for result in ansible.play(
            "localhost", [task("registry_publish", arguments) for arguments in (refused, publish, publish)]
        )
    )
    assert wrong["problem"] == f"{keys['wrong'].identity} does not open bundle {stick}.age"
    assert [published["changed"], again["changed"]] == [True, False], published
    assert json.loads(registry.get(f"{kind}/library/secret/manifests/v1"))["layers"]
    assert plain_bytes(scratch) == []


def test_other_bundles_are_made_of_it(
    ansible: Ansible, stick: Path, signer: Signer, keys: dict[str, Key], scratch: Path, tmp_path: Path
) -> None:
    """As a base, whose layers an encrypted increment leaves out, and as a source that is merged with that increment; as if they were not encrypted."""
    source = tmp_path / "save.tar"
    source.write_bytes(images.tar(images.blobs_archive(images.Saved([BASE, NEW]))))
    common = {"signing_key": str(signer.key), "allowed_signers": str(signer.allowed_signers)}
    key = {"identity": str(keys["age"].identity)}
    increment: dict[str, t.Any] = {
        **common, **key, "path": str(tmp_path / "increment.tar"), "base": [str(stick)], "encrypt_to": [keys["age"].recipient],
        "images": [{"source": f"docker-archive:{source}", "name": APP2}],
    }  # fmt: skip
    merge = {
        **common,
        **key,
        "path": str(tmp_path / "full.tar"),
        "images": [f"bundle:{stick}", f"bundle:{increment['path']}"],
    }
    wrong = {**increment, "identity": str(keys["wrong"].identity)}
    without = {**merge, "identity": ""}
    steps = [wrong, without, increment, increment, merge, merge]
    refused, locked, made, kept, merged, same = (
        result["localhost"] for result in ansible.play("localhost", [task("bundle", step) for step in steps])
    )
    assert refused["problem"] == f"{keys['wrong'].identity} does not open bundle {stick}.age"
    assert (locked["problem"], "Set identity" in locked["next_step"]) == (f"Bundle {stick}.age is encrypted", True)
    assert [made["changed"], kept["changed"], merged["changed"], same["changed"]] == [True, False, True, False], made
    assert [base["name"] for base in made["bases"]] == ["secret.tar"]
    assert made["left_out"] > 1_000_000 > Path(f"{increment['path']}.age").stat().st_size
    assert {image["name"] for image in merged["images"]} == {SECRET, APP2}
    assert plain_bytes(scratch) == []
