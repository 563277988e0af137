# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_prune on real engines: what nothing keeps goes, what anything keeps stays, and the bytes are those that were promised."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support.engines import DEFAULT, ENGINES, Engines
from ansible_collections.airlift.registry.tests.integration.support.lab import Lab
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Result, task
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

BASE = images.layer("base " * 20000)
DATE = {"created": "2026-01-02T03:04:05Z"}
HISTORY = [
    {**DATE, "created_by": "COPY base /"},
    {**DATE, "created_by": "ENV A=1", "empty_layer": True},
    {**DATE, "created_by": "COPY top /"},
]
Contents = t.Mapping[str, t.Sequence[bytes]]
Make = t.Callable[[str, Contents], dict[str, t.Any]]

ENGINE_NAMES = ("docker-20.10", "docker-26.1", "docker-28.5-containerd", "docker-29", "podman")

every_engine = pytest.mark.parametrize("host", [pytest.param(ENGINES[name].host, id=name) for name in ENGINE_NAMES])
one_engine = pytest.mark.parametrize("host", [ENGINES[DEFAULT].host])


@pytest.fixture(scope="module")
def lab(engines: Engines) -> Lab:
    return engines.lab


@pytest.fixture(scope="module")
def ansible(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Ansible:
    return engines.ansible(tmp_path_factory.mktemp("ansible"))


@pytest.fixture
def make(signer: Signer, tmp_path: Path) -> Make:
    """Make a bundle; what tasks need to preload it."""

    def make(name: str, contents: Contents) -> dict[str, t.Any]:
        named = {f"docker.io/library/{image}": contents[image] for image in contents}
        bundles.make_bundle(tmp_path / name, signer, named, history=HISTORY)
        return {"path": [str(tmp_path / name)], "allowed_signers": str(signer.allowed_signers)}

    return make


def content(name: str) -> list[bytes]:
    return [BASE, images.layer(f"{name} " * 10000)]


def lock_of(bundle: dict[str, t.Any]) -> str:
    return f"{bundle['path'][0]}/bundle.lock.yml"


def going(result: Result) -> set[str]:
    """The names that go, in short; images without a name are C(<none>)."""
    names = [name for image in result["images"] for name in image["names"] if name["action"] == "remove"]
    return {"<none>" if "/" not in name["name"] else name["name"].removeprefix("docker.io/library/") for name in names}


def tags(lab: Lab, host: str) -> set[str]:
    return {name.removeprefix("docker.io/library/") for name in lab.images(host)}


def counts_exactly(result: Result) -> bool:
    """Whether the engine's own count is of unpacked layers and nothing else."""
    return bool(result["engine"]["driver"] == "overlay2")


@every_engine
def test_the_journey(lab: Lab, ansible: Ansible, make: Make, host: str) -> None:
    """A dry run that changes nothing, the same for real, and again; everything that can keep an image is there once."""
    lab.clean(host)
    every = ["app:1", "app:2", "locked:1", "kept:1", "used:1", "moved:1", "named:1"]
    old = make("old", {name: content(name) for name in every})
    new = make("new", {name: content(name) for name in ("locked:1", "named:1")})
    ansible.preload(host, old)
    # A container that does not run, an image with a second name, and one whose only name was moved away.
    lab.run(host, "docker create --name idle used:1 true && docker tag named:1 named:old && docker tag app:2 moved:1")
    arguments = {"locks": [lock_of(new)], "keep": ["kept:*"]}
    before = lab.look(host)
    dry = ansible.module(host, "image_prune", arguments, "--check", "--diff")[host]
    assert lab.look(host) == before
    done, again = (run[host] for run in ansible.play(host, [task("image_prune", arguments)] * 2))
    assert [run["changed"] for run in (dry, done, again)] == [True, True, False]
    assert dry["images"] == done["images"]
    assert going(done) == {"app:1", "app:2", "moved:1", "named:old"}
    assert tags(lab, host) == {"locked:1", "kept:1", "used:1", "named:1", "<none>:<none>"}
    assert set(dry["diff"]["before"]) - set(dry["diff"]["after"]) == {
        f"docker.io/library/{name}" for name in ("app:1", "app:2", "moved:1", "named:old")
    }
    assert {image["action"] for image in done["images"] if "named:1" in str(image["names"])} == {"untag"}
    reasons = {
        name["name"].removeprefix("docker.io/library/"): name["reason"]
        for image in done["images"]
        for name in image["names"]
    }
    assert reasons["used:1"] == "container idle uses it (created)"
    assert reasons["locked:1"] == f"{lock_of(new)} names it"
    assert (again["bytes_predicted"], again["bytes_freed"]) == (0, 0)
    assert lab.run(host, "docker ps --all --format '{{.Names}}'") == "idle"
    # The image without a name goes when it is asked for, and its layers with it.
    dangling = {"dangling": True}
    tasks = [task("image_prune", dangling, check_mode=True), *[task("image_prune", dangling)] * 2]
    dry, done, again = (run[host] for run in ansible.play(host, tasks))
    assert (going(dry), going(done), again["changed"]) == ({"<none>"}, {"<none>"}, False)
    assert "<none>:<none>" not in tags(lab, host)


@every_engine
def test_bytes_are_those_that_were_promised(lab: Lab, ansible: Ansible, make: Make, host: str) -> None:
    """A shared layer stays for the image that stays, and goes with the last."""
    lab.clean(host)
    ansible.preload(host, make("b", {name: content(name) for name in ("app:1", "app:2", "app:3")}))
    runs = [{"keep": ["app:2", "app:3"]}, {"keep": ["app:3"]}, {"repositories": ["app"]}]
    info, *results = (
        run[host] for run in ansible.play(host, [task("image_info", {}), *(task("image_prune", run) for run in runs)])
    )
    sizes = {image["tags"][0].rpartition("/")[2]: image for image in info["images"]}
    assert [result["bytes_predicted"] for result in results] == [
        sizes["app:1"]["unique_size"], sizes["app:2"]["unique_size"], sizes["app:3"]["size"],
    ]  # fmt: skip
    assert sizes["app:3"]["shared_size"] > 50000
    for result in results:
        assert result["bytes_freed"] == result["bytes_predicted"] or not counts_exactly(result)
        assert result["bytes_freed"] is None or result["bytes_freed"] >= result["bytes_predicted"] > 0
    assert tags(lab, host) == set()


@one_engine
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param({"keep_versions": 2}, {"app:1.8", "app:1.9", "team/app:1.1"}, id="the newest two of each repository"),
        pytest.param({"keep_versions": 1, "repositories": ["app"]}, {"app:1.8", "app:1.9", "app:1.10"}, id="the newest of one repository"),
        pytest.param({"keep_versions": 1, "min_age": "1h"}, set(), id="but nothing that was tagged lately"),
        pytest.param({"keep_versions": 1, "keep": ["*:1.8", "*:1.9"]}, {"app:1.10", "team/app:1.1", "team/app:1.2"}, id="the newest and two by name"),
        pytest.param({}, set(), id="nothing was said"),
    ],
)  # fmt: skip
def test_versions(
    lab: Lab, ansible: Ansible, make: Make, host: str, arguments: dict[str, t.Any], expected: set[str]
) -> None:
    names = ["app:1.8", "app:1.9", "app:1.10", "app:1.11", "team/app:1.1", "team/app:1.2", "team/app:1.3"]
    if set(names) > tags(lab, host):
        lab.clean(host)
        ansible.preload(host, make("b", {name: content(name) for name in names}))
    planned = ansible.module(host, "image_prune", arguments, "--check")[host]
    assert going(planned) == expected
    assert planned["changed"] == bool(expected)


@one_engine
def test_a_preload_that_was_killed_is_still_under_way(lab: Lab, ansible: Ansible, make: Make, host: str) -> None:
    lab.clean(host)
    bundle = make("b", {"app:1": content("app:1")})
    ansible.preload(host, bundle)
    lab.run(host, "docker tag app:1 airlift.invalid/preload:0123 && docker rmi app:1")
    pruned, preloaded, after = (
        run[host]
        for run in ansible.play(
            host,
            [
                task("image_prune", {"repositories": ["*"], "dangling": True}),
                task("image_preload", bundle),
                task("image_prune", {"locks": bundle["path"], "allowed_signers": bundle["allowed_signers"]}),
            ],
        )
    )
    assert (pruned["changed"], preloaded["bytes_sent"], after["changed"]) == (False, 0, False)
    assert tags(lab, host) == {"app:1"}
