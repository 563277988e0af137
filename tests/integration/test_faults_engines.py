# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Engines of other kinds, killed while they take an archive in and while they unpack it. That of overlay2 is in test_faults_steps.py."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._errors import EngineError
from ansible_collections.airlift.registry.plugins.module_utils._proof import prove
from ansible_collections.airlift.registry.tests.integration.support.engines import AS_USER, ENGINES, ROOTLESS, Engines
from ansible_collections.airlift.registry.tests.integration.support.faults import Fault, assert_told, kill, trusting
from ansible_collections.airlift.registry.tests.integration.support.gate import LOAD, gate
from ansible_collections.airlift.registry.tests.integration.support.lab import eventually
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Task, task
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

HEAVY, MB = "docker.io/library/heavy:v1", 1_000_000
LOST = Fault(lambda _lab, _host: None, "The engine at unix:///run/gate/docker.sock ", "run this again")
KILL = {
    "engine": kill("docker"),
    "containerd": kill("containerd"),
    # By its command line: where an ordinary user's podman has entered a user namespace, it goes by another name.
    "service": "pkill -KILL -f '^/usr/bin/podman .*system service'",
}
# The containerd store lists an image before it unpacks it.
LISTED = "timeout 20 sh -c 'until curl --silent --unix-socket /run/docker.sock http://engine/images/json | grep -q Id; do :; done'; "
HALF, UNPACKING = "load, half", "load, unpacking"
STEPS = {HALF: LOAD._replace(after=2 * MB), UNPACKING: LOAD._replace(after=-1)}
CASES = [
    ("docker-29", "engine", UNPACKING),
    ("docker-29", "containerd", HALF),
    ("docker-28.5-containerd", "engine", UNPACKING),
    ("docker-28.5-containerd", "containerd", UNPACKING),
    ("podman", "service", HALF),
]
SLOW = [
    ("docker-29", "engine", HALF),
    ("docker-29", "containerd", UNPACKING),
    ("docker-28.5-containerd", "engine", HALF),
    ("docker-28.5-containerd", "containerd", HALF),
    ("podman", "service", UNPACKING),
    *(
        (name, "engine", step)
        for name in ("docker-20.10-bullseye", "docker-20.10", "docker-28.5")
        for step in (HALF, UNPACKING)
    ),
    *(("podman-rootless", "service", step) for step in (HALF, UNPACKING)),
]


@pytest.fixture(scope="module")
def heavy(tmp_path_factory: pytest.TempPathFactory, signer: Signer) -> dict[str, t.Any]:
    """Options for an image that is small on the way, and takes an engine a moment to unpack."""
    path = tmp_path_factory.mktemp("heavy") / "heavy"
    members = [images.Member("data", os.urandom(4 * MB)), images.Member("zeros", bytes(300 * MB))]
    bundles.make_bundle(path, signer, {HEAVY: [images.tar(members), images.layer("top")]})
    return trusting(signer, path)


def case(*found: str, marks: t.Any = ()) -> t.Any:
    return pytest.param(*found, id=": ".join(found), marks=marks)


def clean(engines: Engines, name: str) -> None:
    """As if nothing had ever been preloaded. An engine may need a moment after its containerd was killed."""
    target = ENGINES[name]
    docker = f"docker -H unix://{target.socket}"
    command = (
        f"{docker} images --quiet --no-trunc | sort -u | xargs -r {docker} rmi --force >/dev/null;"
        "rm -rf /var/lib/airlift /home/ops/staging /home/ops/preloaded.json;"
        f"{docker} images --quiet | grep -q . || echo clean"
    )
    eventually(lambda: engines.lab.run(target.host, command, check=False) == "clean", f"an empty {name}")


def look(engines: Engines, name: str) -> list[dict[str, t.Any] | None]:
    """What the image's name means, when the engine and its containerd are back; nothing until then."""
    try:
        return [engines.connect(name).inspect(HEAVY)]
    except EngineError:
        return []


@pytest.mark.parametrize(
    ("name", "killed", "step"),
    [*(case(*found) for found in CASES), *(case(*found, marks=pytest.mark.slow) for found in SLOW)],
)
def test_killed_while_it_loads(
    engines: Engines, heavy: dict[str, t.Any], tmp_path: Path, name: str, killed: str, step: str
) -> None:
    target = ENGINES[name]
    clean(engines, name)
    ansible = engines.ansible(tmp_path)
    is_own = target.socket == ROOTLESS
    arguments = {**heavy, "docker_host": f"unix://{target.socket}", **(AS_USER if is_own else {})}
    command = (LISTED if (target.kind, step) == ("containerd", UNPACKING) else "") + KILL[killed]
    with gate(engines.lab, target.host, STEPS[step], target.socket, command) as gated:
        run = ansible.start(
            target.host, [task("image_preload", {**arguments, "docker_host": gated.address}, become=not is_own)]
        )
        gated.arrival()
        gated.open()
        assert_told(run.result(target.host), target.host, LOST)
    (found,) = eventually(lambda: look(engines, name), "the engine")
    assert found is None
    assert_mended(engines, ansible, name, [task("image_preload", arguments, become=not is_own)])


def assert_mended(engines: Engines, ansible: Ansible, name: str, once: list[Task]) -> None:
    """A plain run brings the image without a byte, whole; another changes nothing."""
    host = ENGINES[name].host
    result, again = (run[host] for run in ansible.play(host, once * 2))
    assert not result.get("failed"), result
    assert (result["changed"], result["bytes_sent"], again["changed"]) == (True, 0, False)
    engine = engines.connect(name)
    (image,) = result["images"]
    prove(engine, HEAVY, image["id"], [layer["diff_id"] for layer in image["layers"]], HEAVY)
    assert [found["tags"] for found in engine.images() if found["tags"]] == [[HEAVY]]
