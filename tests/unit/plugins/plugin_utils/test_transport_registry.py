# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rule by which a transport is chosen, and what a registry is asked for."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._oci import chain_ids
from ansible_collections.airlift.registry.plugins.plugin_utils._outcome import told
from ansible_collections.airlift.registry.plugins.plugin_utils._transport_choice import choose, pull_bytes
from ansible_collections.airlift.registry.plugins.plugin_utils._transport_registry import images_to_pull

BASE, TOP = "sha256:" + "1" * 64, "sha256:" + "2" * 64
CONFIG, MANIFEST, INDEX = (f"sha256:{digit * 64}" for digit in "cde")
HERE = "registry.example.com/mirror"
Plan = dict[str, t.Any]


def layer(diff_id: str, size: int, action: str) -> Plan:
    return {"digest": f"{diff_id[:-1]}f", "diff_id": diff_id, "size": size, "action": action}


def image(name: str = "docker.io/library/app:1", action: str = "load", base: str = "send", **changes: t.Any) -> Plan:
    layers = [layer(BASE, 1000, base), layer(TOP, 10, "send")]
    known = {
        "id": CONFIG,
        "config": CONFIG,
        "digest": MANIFEST,
        "by_digest": False,
        "reference": CONFIG,
        "replaced": None,
    }
    return {"name": name, "action": action, "layers": layers, **known, **changes}


def plan(*images: Plan, offset: int = 0) -> Plan:
    sends = {
        entry["digest"]: entry["size"] for found in images for entry in found["layers"] if entry["action"] == "send"
    }
    blobs = [{"digest": digest, "size": size, "offset": 0} for digest, size in sends.items()]
    if blobs:
        blobs[0]["offset"] = offset
    return {"images": list(images), "blobs": blobs}


def snapshot(product: str = "docker", store: str = "graph", problem: str = "", digests: t.Sequence[str] = ()) -> Plan:
    engine = {"product": product, "store": store}
    return {"engine": engine, "images": [{"layers": [BASE], "digests": list(digests)}], "registry": problem}


FRESH, UPDATE, PART = plan(image()), plan(image(base="present")), plan(image(), offset=999)
LOADED, PULLED = snapshot(), snapshot(digests=["docker.io/library/base@sha256:1"])
CONTAINERD, PODMAN = snapshot(store="containerd"), snapshot("podman")


@pytest.mark.parametrize(
    ("transport", "registry", "wanted", "found", "transports", "reason"),
    [
        pytest.param("auto", "", FRESH, LOADED, "push", "no registry is named", id="no registry"),
        pytest.param("push", HERE, FRESH, LOADED, "push", "was asked for", id="push is asked for"),
        pytest.param("auto", HERE, plan(image(action="retag")), LOADED, "push", "nothing to bring", id="nothing to bring"),
        pytest.param("registry", HERE, plan(image(action="present")), LOADED, "push", "nothing to bring", id="nothing to bring, registry"),
        pytest.param("auto", HERE, FRESH, LOADED, "registry push", "no more than push with 1010", id="nothing is there"),
        pytest.param("auto", HERE, UPDATE, LOADED, "push", "1010 bytes and push 10", id="overlay2 would pull what was loaded"),
        pytest.param("auto", HERE, UPDATE, PULLED, "registry push", "costs 10 bytes", id="overlay2 knows what it pulled"),
        pytest.param("auto", HERE, UPDATE, CONTAINERD, "registry push", "costs 10 bytes", id="containerd knows what was loaded"),
        pytest.param("auto", HERE, UPDATE, PODMAN, "registry push", "costs 10 bytes", id="podman knows what was loaded"),
        pytest.param("auto", HERE, PART, CONTAINERD, "push", "1010 bytes and push 11", id="most is in staging"),
        pytest.param("registry", HERE, UPDATE, LOADED, "registry push", "registry was asked for", id="registry is asked for"),
    ],
)  # fmt: skip
def test_the_rule(transport: str, registry: str, wanted: Plan, found: Plan, transports: str, reason: str) -> None:
    choice = choose(transport, registry, wanted, found)
    assert " ".join(choice.transports) == transports
    assert reason in choice.reason
    assert choice.warnings == ()
    assert choice.pulled(wanted) == ({CONFIG} if "registry" in transports else set())


@pytest.mark.parametrize(("transport", "first"), [("auto", "push"), ("registry", "registry")])
def test_a_registry_that_is_not_reached_is_warned_of(transport: str, first: str) -> None:
    choice = choose(transport, HERE, FRESH, snapshot(problem="Connection refused"))
    assert choice.transports[0] == first
    (warning,) = choice.warnings
    assert f"{HERE} is not reached from this host (Connection refused)" in warning


@pytest.mark.parametrize(
    ("registry", "problem"),
    [
        pytest.param("", "no registry is named", id="none"),
        pytest.param("registry/mirror", "'registry' cannot be told from a repository", id="no host"),
        pytest.param("registry.example.com/Mirror", "is not a repository name", id="no repository"),
        pytest.param("https://registry.example.com", "cannot be used", id="an address of the web"),
    ],
)
def test_what_is_no_registry(registry: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        choose("registry", registry, FRESH, LOADED)


def test_images_that_share_layers_pull_them_once() -> None:
    both = plan(image(), image("docker.io/library/app:2"))
    assert pull_bytes(both, LOADED) == 1010
    assert pull_bytes(both, {**LOADED, "images": [{"layers": [BASE, TOP], "digests": ["a@b"]}]}) == 0
    assert len(chain_ids([BASE, TOP])) == 2


@pytest.mark.parametrize(
    ("found", "reference", "keep"),
    [
        pytest.param(image(), f"{HERE}/library/app@{MANIFEST}", False, id="a graph driver"),
        pytest.param(image(id=INDEX), f"{HERE}/library/app@{INDEX}", False, id="a containerd store"),
        pytest.param(image(f"{HERE}/team/app:1"), f"{HERE}/mirror/team/app@{MANIFEST}", False, id="in another place there"),
    ],
)  # fmt: skip
def test_what_is_pulled(found: Plan, reference: str, keep: bool) -> None:
    (request,) = images_to_pull(plan(found), HERE)
    assert (request["reference"], request["keep"]) == (reference, keep)
    assert request["diff_ids"] == [BASE, TOP]
    assert sum(request["layers"].values()) == 1010


def test_under_its_own_name_an_image_keeps_its_digest() -> None:
    """Whichever of its names comes last; what is there is not pulled."""
    own, other = image("registry.example.com/team/app:1"), image("docker.io/library/app:1")
    for images in ([own, other], [other, own]):
        there = image("docker.io/library/there:1", "present")
        (request,) = images_to_pull(plan(*images, there), "registry.example.com")
        assert (request["reference"], request["keep"]) == (f"registry.example.com/team/app@{MANIFEST}", True)


def test_what_was_pulled_is_told_as_it_was_planned() -> None:
    first = plan(image(), image("docker.io/library/tool:1", id=INDEX, config=INDEX))
    last = plan(image(action="retag", by_digest=True, reference="app@x"), first["images"][1])
    pulled = told(first, last, {CONFIG})
    assert [(entry["action"], entry["transport"]) for entry in pulled["images"]] == [
        ("load", "registry"),
        ("load", "push"),
    ]
    assert pulled["images"][0] == {**image(by_digest=True, reference="app@x"), "transport": "registry"}
    nothing = told(plan(image(action="present")), plan(image(action="present")), ())
    assert nothing["images"][0]["transport"] == ""
