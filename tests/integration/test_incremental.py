# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Incremental bundles of a real engine, on real hosts, and the guide to them, followed word for word."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.conftest import from_daemon
from ansible_collections.airlift.registry.tests.integration.support import documents
from ansible_collections.airlift.registry.tests.integration.support.lab import NAME, ROOT, Lab
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Result, task
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

GUIDE = (ROOT / "docs/guides/incremental.md").read_text()
APP_V2 = "docker.io/library/app:v2"


@pytest.fixture(scope="module")
def arguments(directory: Path, v1: Result, v2: Result, signer: Signer) -> dict[str, t.Any]:
    """What the module is asked for: the second version of the application, without what the bundle of the first has."""
    lock = directory / "first.lock.yml"
    shutil.copy(Path(v1["path"]) / "bundle.lock.yml", lock)
    return {
        "path": str(directory / "increment.tar"),
        "images": [from_daemon("airlift-lab/app:v2", "app:v2")],
        "signing_key": str(signer.key),
        "base": [str(lock)],
    }


@pytest.fixture(scope="module")
def increment(ansible: Ansible, arguments: dict[str, t.Any]) -> Result:
    return ansible.local("bundle", arguments)


def test_only_what_is_new_is_in_it(v1: Result, v2: Result, increment: Result) -> None:
    new, whole = (next(image for image in result["images"] if image["name"] == APP_V2) for result in (increment, v2))
    assert new == whole
    assert [base["name"] for base in increment["bases"]] == ["first"]
    assert 0 < Path(increment["path"]).stat().st_size < whole["size"] - increment["left_out"] + 64 * 1024
    assert increment["left_out"] > 0.9 * whole["size"]


def test_it_is_made_again_for_a_reason_only(
    ansible: Ansible, arguments: dict[str, t.Any], increment: Result, v1: Result, signer: Signer
) -> None:
    """The same again; with the bundle in place of its lock; without a base, in check mode; nobody named who may have signed the base."""
    before = Path(increment["path"]).read_bytes()
    bundle = {**arguments, "base": [v1["path"]], "allowed_signers": str(signer.allowed_signers)}
    without = {key: value for key, value in arguments.items() if key != "base"}
    nobody = {**arguments, "base": [v1["path"]]}
    itself = {**arguments, "base": [arguments["path"]]}
    again, renamed, full, untrusted, circular = (
        run["localhost"]
        for run in ansible.play(
            "localhost",
            [
                task("bundle", arguments),
                task("bundle", bundle, check_mode=True),
                task("bundle", without, check_mode=True),
                task("bundle", nobody),
                task("bundle", itself),
            ],
        )
    )
    assert (again["changed"], again["bases"]) == (False, increment["bases"])
    assert renamed["reasons"] == ["its bases are others, or have other names"]
    assert re.fullmatch(r"it leaves out (one|\d+) layers? that none of the bases has", full["reasons"][0])
    assert "Set allowed_signers" in untrusted["msg"]
    assert "cannot be its own base" in circular["msg"]
    assert Path(increment["path"]).read_bytes() == before


def test_what_a_host_has_decides(lab: Lab, ansible: Ansible, v1: Result, increment: Result, signer: Signer) -> None:
    """An empty host is told which bundle to bring, in check mode too; with both, in any order, it gets all; then the increment is enough."""
    trust = {"allowed_signers": str(signer.allowed_signers)}
    alone = {**trust, "path": [increment["path"]]}
    lab.clean("fleet1")
    before = lab.look("fleet1")
    (base,) = increment["bases"]
    for result in (ansible.preload("fleet1", alone, "--check"), ansible.preload("fleet1", alone)):
        assert result["failed"] is True
        for text in ("fleet1", APP_V2, "lacks layer sha256:", f"bundle first ({base['id']})"):
            assert text in result["msg"]
        assert f"Give bundle first ({base['id']}) too" in result["next_step"]
    assert lab.look("fleet1") == before
    both = {**trust, "path": [increment["path"], v1["path"]], "images": ["app:v2"]}
    loaded, again = ansible.play("fleet1", [task("image_preload", both), task("image_preload", alone)])
    assert (loaded["fleet1"]["changed"], again["fleet1"]["changed"]) == (True, False)
    assert loaded["fleet1"]["bytes"]["send"] == loaded["fleet1"]["bytes_sent"] > increment["left_out"]
    assert lab.run("fleet1", "docker run --rm --network none app:v2") == "app v2"
    # A host that has the base's layers needs nothing but the increment, by us and by docker load.
    lab.clean("fleet1")
    first = {**trust, "path": [v1["path"]], "images": ["app:v1"]}
    _first, second = ansible.play("fleet1", [task("image_preload", first), task("image_preload", alone)])
    assert second["fleet1"]["bytes_sent"] == loaded["fleet1"]["bytes_sent"] - increment["left_out"]
    lab.run("fleet1", "docker rmi app:v2")
    with open(increment["path"], "rb") as archive:
        subprocess.run(
            ["docker", "exec", "-i", f"airlift-{NAME}-fleet1", "docker", "load"],
            stdin=archive,
            check=True,
            stdout=subprocess.DEVNULL,
        )
    assert lab.run("fleet1", "docker run --rm --network none app:v2") == "app v2"


def test_base_and_increment_make_the_bundle_that_would_have_been_made(
    ansible: Ansible, v1: Result, increment: Result, signer: Signer, tmp_path: Path
) -> None:
    (tmp_path / "fresh").mkdir()
    common = {"signing_key": str(signer.key), "allowed_signers": str(signer.allowed_signers)}
    bundles = [f"bundle:{v1['path']}:app:v1", f"bundle:{increment['path']}"]
    engine = [from_daemon(f"airlift-lab/app:v{number}", f"app:v{number}") for number in (1, 2)]
    merge = {**common, "path": str(tmp_path / "b.tar"), "images": bundles}
    fresh = {**common, "path": str(tmp_path / "fresh/b.tar"), "images": engine}
    predicted, merged, again, _fresh = (
        run["localhost"]
        for run in ansible.play(
            "localhost",
            [
                task("bundle", merge, check_mode=True),
                task("bundle", merge),
                task("bundle", merge),
                task("bundle", fresh),
            ],
        )
    )
    assert [run["changed"] for run in (predicted, merged, again)] == [True, True, False], merged
    assert predicted["diff"]["after"] == merged["diff"]["after"]
    assert (tmp_path / "b.tar").read_bytes() == (tmp_path / "fresh/b.tar").read_bytes()


def test_the_guide(lab: Lab, signer: Signer, tmp_path: Path) -> None:
    lab.clean("fleet1")
    lab.clean("fleet2")
    shutil.copy(signer.key, tmp_path / "signing_key")
    shutil.copy(signer.allowed_signers, tmp_path / "allowed_signers")
    shutil.copy(lab.inventory, tmp_path / "inventory.yml")
    said = {command: documents.run(of_the_lab(command), tmp_path) for command in documents.commands(GUIDE)}
    november, december = ((tmp_path / f"{name}.tar").stat().st_size for name in ("november", "december"))
    assert december < november / 20
    preloads = [output for command, output in said.items() if "airlift.registry.preload" in command]
    changed = [re.search(r"fleet1 .*changed=(\d+) .*failed=0", output) for output in preloads]
    assert [match and match[1] for match in changed] == ["1", "1", "0", "0"]
    assert (tmp_path / "small.tar").stat().st_size < december
    assert lab.run("fleet2", "docker run --rm --network none app:v2") == "app v2"
    assert set(lab.images("fleet1")) == {"app:v1", "app:v2"}
    names = documents.run("tar -xOf full.tar bundle.lock.yml", tmp_path)
    assert "base" not in names
    assert len(re.findall(r"name: \"docker\.io/library/app:v[12]\"", names)) == 2


def of_the_lab(command: str) -> str:
    """The command with the images of the lab in place of the reader's."""
    return re.sub(
        r'"docker-daemon:(app:v\d)"',
        lambda match: json.dumps(from_daemon(f"airlift-lab/{match[1]}", match[1])),
        command,
    )
