# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Loading that overlaps sending: images are in the engine before the last byte is sent, under no name that means anything before all are proven."""

from __future__ import annotations

import os
import signal
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support.engines import PODMAN, Engines
from ansible_collections.airlift.registry.tests.integration.support.faults import trusting
from ansible_collections.airlift.registry.tests.integration.support.lab import Lab, eventually
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, descendants, task
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

MB = 1_000_000
NAMES = ["app1:v1", "app2:v1", "app3:v1"]
# Random, so that gzip cannot make it smaller; each image is more than what a run of the module is worth.
LAYERS = {name: images.tar([images.Member(name, os.urandom(9 * MB))]) for name in ["base", *NAMES]}


@pytest.fixture(scope="module")
def arguments(directory: Path, signer: Signer) -> dict[str, t.Any]:
    """Options for a bundle of three images on one base, which is sent in four seconds."""
    contents = {f"docker.io/library/{name}": [LAYERS["base"], LAYERS[name]] for name in NAMES}
    bundles.make_bundle(directory / "three", signer, contents)
    return trusting(signer, directory / "three", bandwidth_limit=9 * MB)


def temporary(lab: Lab, host: str) -> list[str]:
    return [name for name in lab.images(host) if name.startswith("airlift.invalid/")]


def test_a_killed_run_leaves_what_it_has_loaded_to_the_next(
    lab: Lab, ansible: Ansible, host: str, arguments: dict[str, t.Any]
) -> None:
    run = ansible.start(host, [task("image_preload", {**arguments, "bandwidth_limit": 3 * MB})])
    eventually(lambda: temporary(lab, host), "an image that is loaded while others are sent")
    run.kill()
    # No name means a new image before all are there.
    assert [*lab.images(host)] == temporary(lab, host)
    eventually(lambda: not lab.run(host, "pgrep -x 'cat|python3'", check=False), "the end of all processes")
    loaded = len(temporary(lab, host))
    assert loaded < len(NAMES)
    result, again = (entry[host] for entry in ansible.play(host, [task("image_preload", arguments)] * 2))
    assert [image["action"] for image in result["images"]].count("retag") == loaded
    # The base and one image at least were in the engine.
    assert result["bytes"]["present"] > 17 * MB
    assert result["bytes_sent"] < 27 * MB
    assert (again["changed"], again["bytes_sent"]) == (False, 0)
    assert sorted(lab.images(host)) == NAMES
    assert lab.look(host).staging == ()


def test_a_failure_of_the_engine_ends_the_sending(
    lab: Lab, ansible: Ansible, host: str, arguments: dict[str, t.Any]
) -> None:
    run = ansible.start(host, [task("image_preload", {**arguments, "bandwidth_limit": 4 * MB})])
    lab.run(host, "systemctl stop docker.socket docker.service")
    try:
        result = run.result(host)
    finally:
        lab.run(host, "systemctl start docker.socket docker.service")
        lab.wait_for_engine(host)
    assert result["failed"] is True
    assert result["error"] == "EngineError"
    assert lab.staged(host) < 30 * MB
    assert lab.images(host) == {}
    assert ansible.preload(host, arguments)["changed"] is True
    assert sorted(lab.images(host)) == NAMES


def test_ctrl_c_ends_the_run_at_once(lab: Lab, ansible: Ansible, host: str, arguments: dict[str, t.Any]) -> None:
    """The thread that waits for the host does not keep it, and what it has begun on the host gives no name."""
    # Tests that run in the background have SIGINT ignored, and so would the run.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run = ansible.start(host, [task("image_preload", {**arguments, "bandwidth_limit": 3 * MB})])
    eventually(lambda: temporary(lab, host), "an image that is loaded while others are sent")
    os.killpg(run.process.pid, signal.SIGINT)
    run.process.communicate(timeout=20)
    assert run.process.returncode != 0
    assert descendants(os.getpid()) == []
    eventually(lambda: not lab.run(host, "pgrep -x cat", check=False), "the end of the transfer")
    assert [*lab.images(host)] == temporary(lab, host)


def test_every_engine(engines: Engines, arguments: dict[str, t.Any], tmp_path: Path) -> None:
    """Images come without the base, which an image of the same run has brought before them."""
    run = {**arguments, "images": NAMES[:2]}
    ansible = engines.ansible(tmp_path)
    docker = ansible.play("fleet:!podman", [task("image_preload", run)] * 2)
    podman = ansible.play("podman", [task("image_preload", {**run, "docker_host": f"unix://{PODMAN}"})] * 2)
    for cold, again in (docker, podman):
        for host, result in cold.items():
            assert (result["changed"], result.get("warnings", [])) == (True, []), result
            assert (again[host]["changed"], again[host]["bytes_sent"]) == (False, 0)
