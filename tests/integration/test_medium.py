# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bundles in parts, with parity, and encrypted: made and read by the modules, and by sha256sum, cat, par2 and age alone."""

from __future__ import annotations

import hashlib
import os
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Result, task
from ansible_collections.airlift.registry.tests.unit.plugins.support import images, media
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer, flip
from ansible_collections.airlift.registry.tests.unit.plugins.support.media import Key

APP = "docker.io/library/app:v1"
PART = 64 * 1024


@pytest.fixture(scope="module")
def ansible(tmp_path_factory: pytest.TempPathFactory) -> Ansible:
    """The controller alone: nothing here needs a host."""
    directory = tmp_path_factory.mktemp("plays")
    inventory = directory.parent / f"{directory.name}.ini"
    inventory.write_text("localhost ansible_connection=local\n")
    return Ansible(inventory, directory)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return media.make_ssh_key(tmp_path_factory.mktemp("key"))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What docker save would write of an image that gzip cannot make smaller."""
    path = tmp_path_factory.mktemp("archive") / "app.tar"
    layers = [images.tar([images.Member("data", os.urandom(200_000))]), images.layer("top")]
    path.write_bytes(images.tar(images.blobs_archive(images.Saved(layers))))
    return path


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    path = tmp_path / "stick"
    path.mkdir()
    return path


def bundle(path: Path, archive: Path, signer: Signer, **options: t.Any) -> Result:
    """The task that makes a bundle of the archive."""
    source = f"docker-archive:{archive}:app:v1"
    return task("bundle", {"path": str(path), "images": [source], "signing_key": str(signer.key), **options})


def verify(path: Path, signer: Signer, **options: t.Any) -> Result:
    return task("bundle_verify", {"path": str(path), "allowed_signers": str(signer.allowed_signers), **options})


def play(ansible: Ansible, *tasks: Result) -> list[Result]:
    return [result["localhost"] for result in ansible.play("localhost", list(tasks))]


def content(directory: Path) -> dict[str, str]:
    return {entry.name: hashlib.sha256(entry.read_bytes()).hexdigest() for entry in directory.iterdir()}


def shell(command: str, directory: Path) -> str:
    """What a person types who has nothing of ours."""
    answer = subprocess.run(["bash", "-ec", command], cwd=directory, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_parts_with_parity(ansible: Ansible, archive: Path, signer: Signer, stick: Path, tmp_path: Path) -> None:
    """Made, kept, made again byte for byte, joined by cat; lost, damaged and swapped parts are named and rebuilt."""
    (tmp_path / "again").mkdir()
    path, form = stick / "app.tar", {"part_size": "64KiB", "parity": 40}
    make = bundle(path, archive, signer, **form)
    made, kept, again, whole = play(
        ansible,
        make,
        make,
        bundle(tmp_path / "again/app.tar", archive, signer, **form),
        bundle(tmp_path / "whole.tar", archive, signer),
    )
    assert [result["changed"] for result in (made, kept, again, whole)] == [True, False, True, True]
    assert made["files"] == sorted(str(entry) for entry in stick.iterdir())
    before = content(stick)
    assert content(tmp_path / "again") == before
    shell("sha256sum --strict --quiet -c app.tar.SHA256SUMS && cat app.tar.[0-9]* > ../joined.tar", stick)
    assert (tmp_path / "joined.tar").read_bytes() == (tmp_path / "whole.tar").read_bytes()

    (stick / "app.tar.002").unlink()
    lost, foreseen, mended = play(
        ansible,
        verify(path, signer),
        {**verify(path, signer, repair=True), "check_mode": True},
        verify(path, signer, repair=True),
    )
    assert "Part app.tar.002 of 4 of bundle" in lost["problem"]
    assert [foreseen["changed"], mended["changed"]] == [True, True]
    assert foreseen["rebuilt"] == mended["rebuilt"] == lost["problems"]
    assert mended["signer"] == "release@example.com"
    assert content(stick) == before

    flip(stick / "app.tar.003")
    (stick / "app.tar.001").rename(stick / "x")
    (stick / "app.tar.002").rename(stick / "app.tar.001")
    (stick / "x").rename(stick / "app.tar.002")
    damaged, mended, right = play(
        ansible, verify(path, signer), verify(path, signer, repair=True), verify(path, signer, repair=True)
    )
    assert [name in problem for name, problem in zip(["001 was swapped", "002 was swapped", "003 is damaged"], damaged["problems"], strict=True)] == [True] * 3  # fmt: skip
    assert [mended["changed"], right["changed"]] == [True, False]
    assert content(stick) == before

    (stick / "app.tar.001").unlink()
    (stick / "app.tar.002").unlink()
    shell("rm app.tar.*.par2", stick)
    (hopeless,) = play(ansible, verify(path, signer, repair=True))
    assert "Part app.tar.001 of 4" in hopeless["problem"]
    assert "not enough parity" in hopeless["problem"]
    assert play(ansible, make)[0]["changed"] is True
    assert content(stick) == before


def test_every_change_of_the_form_has_its_reason(
    ansible: Ansible, archive: Path, signer: Signer, stick: Path, key: Key
) -> None:
    """From each form to the next, nothing of the last one stays."""
    path = stick / "app.tar"
    encrypted = {"encrypt_to": [key.recipient]}
    steps: list[tuple[dict[str, t.Any], str, set[str]]] = [
        ({}, "there is no bundle", {"app.tar"}),
        ({"part_size": "100kB"}, "not in parts of 100000", {"app.tar.001", "app.tar.002", "app.tar.003", "app.tar.SHA256SUMS"}),
        ({"part_size": "150kB"}, "not in parts of 150000", {"app.tar.001", "app.tar.002", "app.tar.SHA256SUMS"}),
        ({"parity": 5}, "it is in parts", {"app.tar", "app.tar.par2", "app.tar.vol00+10.par2"}),
        ({**encrypted}, "app.tar.age is not what would be made", {"app.tar.age", "app.tar.age.record"}),
        ({**encrypted, "part_size": "150kB"}, "is not what would be made", {"app.tar.age.001", "app.tar.age.002", "app.tar.age.SHA256SUMS", "app.tar.age.record"}),
        ({}, "it is encrypted", {"app.tar"}),
    ]  # fmt: skip
    tasks = [bundle(path, archive, signer, **options) for options, _reason, _files in steps]
    results = play(ansible, *(step for make in tasks for step in ({**make, "check_mode": True}, make, make)))
    for number, (_options, reason, files) in enumerate(steps):
        foreseen, made, kept = results[3 * number : 3 * number + 3]
        assert [foreseen["changed"], made["changed"], kept["changed"]] == [True, True, False], made
        assert reason in made["reasons"][0]
        assert foreseen["reasons"] == made["reasons"]
        assert {os.path.basename(file) for file in kept["files"]} == files
    assert os.listdir(stick) == ["app.tar"]


def test_encrypted_in_parts(
    ansible: Ansible, archive: Path, signer: Signer, stick: Path, tmp_path: Path, key: Key
) -> None:
    """The stick tells nothing; who has a key reads it; a second run knows that nothing changed; damage is seen."""
    other = media.make_age_key(tmp_path)
    (tmp_path / "work").mkdir()
    path = stick / "app.tar"
    form = {"part_size": "64KiB", "encrypt_to": [key.recipient, other.recipient], "work_path": str(tmp_path / "work")}
    make = bundle(path, archive, signer, **form)
    trust = {"path": str(path), "allowed_signers": str(signer.allowed_signers)}
    made, kept, verified, info, stranger = play(
        ansible,
        make,
        make,
        verify(path, signer, identity=str(key.identity)),
        task("bundle_info", {**trust, "identity": str(other.identity)}),
        verify(path, signer, identity=str(signer.key)),
    )
    assert [made["changed"], kept["changed"]] == [True, False]
    assert [image["name"] for image in verified["images"]] == [image["name"] for image in info["images"]] == [APP]
    assert "does not open bundle" in stranger["problem"]
    assert os.listdir(tmp_path / "work") == []
    assert not any(word in entry.read_bytes() for entry in stick.iterdir() for word in (b"library/app", b"oci-layout"))

    shell(f"cat app.tar.age.[0-9]* | age --decrypt -i {key.identity} > ../app.tar", stick)
    (plain,) = play(ansible, verify(tmp_path / "app.tar", signer))
    assert plain["signer"] == "release@example.com"

    flip(stick / "app.tar.age.002")
    damaged, foreseen, mended = play(
        ansible, verify(path, signer, identity=str(key.identity)), {**make, "check_mode": True}, make
    )
    assert "app.tar.age.002 is damaged" in damaged["problem"]
    assert [foreseen["changed"], mended["changed"]] == [True, True]
    assert "damaged" in mended["reasons"][0]


def test_what_cannot_be_meant_and_what_is_not_ours(
    ansible: Ansible, archive: Path, signer: Signer, stick: Path, key: Key
) -> None:
    path = stick / "app.tar"
    (stick / "app.tar.001").write_text("my thesis, part one")
    (stick / "photo.tar.age").write_text("no file of age")
    wrong: list[tuple[Path, dict[str, t.Any], str]] = [
        (stick / "directory", {"part_size": "1MiB"}, "would be a directory"),
        (path, {"part_size": "4 gig"}, "'4 gig' is no size of a part"),
        (path, {"parity": 101}, "parity is 101"),
        (path, {"encrypt_to": ["me@example.com"]}, "'me@example.com' is no public key"),
        (path, {"part_size": "64KiB"}, "app.tar.001 exists and is not a bundle"),
        (stick / "photo.tar", {"encrypt_to": [key.recipient]}, "photo.tar.age exists and is not a bundle"),
        (stick / "other.tar", {"part_size": "100"}, "more than 999 parts"),
        (stick / "other.tar", {"encrypt_to": [key.recipient[:40]]}, "age did not encrypt"),
        (stick / "other.tar", {"work_path": str(stick / "nowhere")}, "no directory"),
    ]
    before = content(stick)
    results = play(ansible, *(bundle(place, archive, signer, **options) for place, options, _problem in wrong))
    for result, (_place, _options, problem) in zip(results, wrong, strict=True):
        assert result["failed"] is True
        assert problem in result["problem"]
    subprocess.run(
        ["rm", "-rf", str(stick / ".other.tar.partial")], check=True
    )  # finished layers stay for the next run
    assert content(stick) == before
