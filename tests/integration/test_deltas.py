# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deltas of a real engine's images: the delta alone crosses the gap, and the host runs what the full bundle would have brought."""

from __future__ import annotations

import signal
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.conftest import from_daemon
from ansible_collections.airlift.registry.tests.integration.support.lab import Lab
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Result, task
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer


@pytest.fixture(scope="module")
def arguments(directory: Path, v1: Result, signer: Signer) -> dict[str, t.Any]:
    return {
        "path": str(directory / "deltas.tar"),
        "images": [from_daemon("airlift-lab/app:v2", "app:v2")],
        "signing_key": str(signer.key),
        "allowed_signers": str(signer.allowed_signers),
        "base": [v1["path"]],
        "deltas": "instead",
    }


@pytest.fixture(scope="module")
def made(ansible: Ansible, arguments: dict[str, t.Any]) -> Result:
    return ansible.local("bundle", arguments)


def test_only_the_delta_of_a_changed_layer_is_in_it(ansible: Ansible, made: Result, signer: Signer) -> None:
    (delta,) = made["deltas"]
    assert (delta["restore"], delta["memory"]) == ("gzip", 128 * 1024 * 1024)
    assert delta["delta_size"] < 0.2 * delta["size"]
    assert Path(made["path"]).stat().st_size < delta["size"]
    trust = {"path": made["path"], "allowed_signers": str(signer.allowed_signers)}
    verified, info = ansible.play("localhost", [task("bundle_verify", trust), task("bundle_info", trust)])
    assert verified["localhost"].get("failed") is not True
    assert info["localhost"]["deltas"] == made["deltas"]
    assert info["localhost"]["shared"] == 0


def test_it_is_made_again_for_a_reason_only(ansible: Ansible, arguments: dict[str, t.Any], made: Result) -> None:
    again, beside, none, limit = (
        run["localhost"]
        for run in ansible.play(
            "localhost",
            [
                task("bundle", arguments),
                task("bundle", {**arguments, "deltas": "beside"}, check_mode=True),
                task("bundle", {**arguments, "deltas": "none"}, check_mode=True),
                task("bundle", {**arguments, "delta_limit": 0.1}, check_mode=True),
            ],
        )
    )
    assert (again["changed"], again["deltas"]) == (False, made["deltas"])
    for result in (beside, none, limit):
        assert result["reasons"] == ["its deltas were asked for in another way, or from other bases"]


def test_a_host_gets_the_layer_that_the_delta_makes(
    lab: Lab, ansible: Ansible, v1: Result, made: Result, signer: Signer
) -> None:
    """Alone the bundle is refused, with the name of what is lacking and nothing sent; with its base it is as good as a full one."""
    trust = {"allowed_signers": str(signer.allowed_signers)}
    lab.clean("fleet1")
    before = lab.look("fleet1")
    for result in (
        ansible.preload("fleet1", {**trust, "path": [made["path"]]}, "--check"),
        ansible.preload("fleet1", {**trust, "path": [made["path"]]}),
    ):
        assert result["failed"] is True
        assert "lacks layer sha256:" in result["msg"]
        assert "Give bundle v1 (" in result["next_step"]
    assert lab.look("fleet1") == before
    both = {**trust, "path": [made["path"], v1["path"]], "images": ["app:v2"]}
    loaded = ansible.preload("fleet1", both)
    assert loaded["changed"] is True, loaded
    assert loaded["bytes_sent"] == loaded["bytes"]["send"] >= made["deltas"][0]["size"]
    assert lab.run("fleet1", "docker run --rm --network none app:v2") == "app v2"
    lab.clean("fleet1")


def test_a_full_bundle_can_be_made_of_it(
    ansible: Ansible, v1: Result, made: Result, signer: Signer, tmp_path: Path
) -> None:
    (tmp_path / "fresh").mkdir()
    common = {"signing_key": str(signer.key), "allowed_signers": str(signer.allowed_signers)}
    bundles = [f"bundle:{v1['path']}:app:v1", f"bundle:{made['path']}"]
    engine = [from_daemon(f"airlift-lab/app:v{number}", f"app:v{number}") for number in (1, 2)]
    merged = {**common, "path": str(tmp_path / "b.tar"), "images": bundles}
    fresh = {**common, "path": str(tmp_path / "fresh/b.tar"), "images": engine}
    ansible.play("localhost", [task("bundle", merged), task("bundle", fresh)])
    assert (tmp_path / "b.tar").read_bytes() == (tmp_path / "fresh/b.tar").read_bytes()


def test_killed_while_a_delta_is_made_the_next_run_converges(
    ansible: Ansible, arguments: dict[str, t.Any], made: Result, tmp_path: Path
) -> None:
    """ansible-playbook and all that it started are killed as soon as a delta's directory is in the work directory."""
    path = tmp_path / "b.tar"
    run = ansible.start("localhost", [task("bundle", {**arguments, "path": str(path)})])
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(".b.tar.partial/delta-*/*")):
        assert run.process.poll() is None
        assert time.monotonic() < deadline, "no delta was begun"
        time.sleep(0.002)
    run.kill()
    assert run.process.returncode == -signal.SIGKILL
    assert not path.exists()
    again = ansible.local("bundle", {**arguments, "path": str(path)})
    assert again["changed"] is True
    assert path.read_bytes() == Path(made["path"]).read_bytes()
    assert [found.name for found in tmp_path.iterdir()] == ["b.tar"]
