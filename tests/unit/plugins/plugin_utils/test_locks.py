# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locks on the controller: what of a lock file or of a bundle goes to the hosts, and what is refused before any host is asked."""

from __future__ import annotations

import typing as t
from pathlib import Path
from unittest import mock

import pytest

from ansible_collections.airlift.registry.plugins.action import image_info, image_prune
from ansible_collections.airlift.registry.plugins.module_utils._bundle import load_bundle
from ansible_collections.airlift.registry.plugins.plugin_utils._locks import LockAction
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

APP = "docker.io/library/app:v1"


def run(arguments: dict[str, t.Any], action: type[LockAction] = image_info.ActionModule) -> dict[str, t.Any]:
    """What the module on the host would be called with, or the answer of a task that did not get there."""
    task = mock.Mock(args=arguments, async_val=0, check_mode=False, environment=None)
    plugin = action(task, mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock())
    with mock.patch.object(plugin, "_execute_module", side_effect=lambda **keywords: keywords):
        return plugin.run(None, {"inventory_hostname": "shop1"})


@pytest.fixture
def bundle(tmp_path: Path, signer: Signer) -> Path:
    bundles.make_bundle(tmp_path / "b", signer, {APP: [images.layer("x")]})
    return tmp_path / "b"


@pytest.mark.parametrize("action", [image_info.ActionModule, image_prune.ActionModule])
def test_runs_the_module_of_its_name(action: type[LockAction]) -> None:
    called = run({"docker_timeout": 7}, action)
    assert called["module_name"] == f"airlift.registry.{action.__module__.rpartition('.')[2]}"
    assert called["module_args"] == {"docker_timeout": 7, "_locked": []}


@pytest.mark.parametrize("what", ["a bundle", "its lock alone"])
def test_hands_over_the_images_of_a_lock(bundle: Path, signer: Signer, what: str) -> None:
    (image,) = load_bundle(str(bundle), str(signer.allowed_signers), run_program).lock.images
    path = str(bundle if what == "a bundle" else bundle / "bundle.lock.yml")
    trust = {"allowed_signers": str(signer.allowed_signers)} if what == "a bundle" else {}
    expected = {
        "lock": path, "name": APP, "platform": "linux/amd64", "digest": image.digest, "config": image.config, "index": "",
    }  # fmt: skip
    assert run({"locks": [path], **trust})["module_args"]["_locked"] == [expected]


@pytest.mark.parametrize(
    ("name", "trust", "expected"),
    [
        pytest.param("b", None, "is no lock file, and allowed_signers does not say", id="a bundle and nobody to trust"),
        pytest.param("b", "stranger", "signed by nobody", id="a bundle that a stranger signed"),
        pytest.param("nothing", "release", "nothing", id="nothing there"),
        pytest.param("b/manifest.json", "release", "manifest.json", id="neither a bundle nor a lock"),
        pytest.param("cut.yml", None, "bundle.lock.yml is none of version 1", id="a lock that was cut short"),
    ],
)
def test_refuses_what_cannot_be_believed(
    bundle: Path, signer: Signer, tmp_path: Path, name: str, trust: str | None, expected: str
) -> None:
    (tmp_path / "cut.yml").write_bytes((bundle / "bundle.lock.yml").read_bytes()[:-30])
    signers = {"release": signer.allowed_signers, "stranger": bundles.make_signer(tmp_path, "other").allowed_signers}
    result = run({"locks": [str(tmp_path / name)], "allowed_signers": str(signers[trust]) if trust else ""})
    assert result["failed"] is True
    assert result["msg"].startswith("shop1: ")
    assert expected in result["msg"]
    assert result["next_step"]
