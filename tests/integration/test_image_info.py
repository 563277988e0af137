# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What image_info tells of real engines: against what their own commands print, and against locks from which a host has drifted."""

from __future__ import annotations

import json
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support.engines import DEFAULT, ENGINES, Engines
from ansible_collections.airlift.registry.tests.integration.support.lab import NAME, Lab
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Result, task
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

# With the name of a host, because podman gives images that docker save wrote without one a name of its own. This checkout's, on an engine that all use.
BUILT, APP1, APP2 = (f"{NAME}.example/{name}" for name in ("built:1", "app:v1", "app:v2"))
# Steps with and without a layer, and a layer of nothing but a directory.
DOCKERFILE = """
FROM airlift-lab/app:v1
ENV GREETING=hello
RUN mkdir /srv/more
COPY words /srv/more
LABEL made=here
"""
HISTORY = "docker history --no-trunc --human=false --format '{{.CreatedAt}}|{{.CreatedBy}}|{{.Size}}|{{.Comment}}'"

ENGINE_NAMES = ("docker-20.10", "docker-26.1", "docker-28.5-containerd", "docker-29", "podman")

every_engine = pytest.mark.parametrize("host", [pytest.param(ENGINES[name].host, id=name) for name in ENGINE_NAMES])
one_engine = pytest.mark.parametrize("host", [ENGINES[DEFAULT].host])


@pytest.fixture(scope="module")
def lab(engines: Engines) -> Lab:
    return engines.lab


@pytest.fixture(scope="module")
def ansible(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Ansible:
    return engines.ansible(tmp_path_factory.mktemp("ansible"))


def docker(*arguments: str) -> None:
    """The engine of the machine."""
    subprocess.run(["docker", *arguments], check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def archive(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Path]:
    """A docker archive with two images that differ in one layer, and one that was built on the first of them."""
    context = tmp_path_factory.mktemp("built")
    (context / "Dockerfile").write_text(DOCKERFILE)
    (context / "words").write_text("words\n" * 1000)
    try:
        for name in (APP1, APP2):
            docker("tag", f"airlift-lab/{name.rpartition('/')[2]}", name)
        docker("build", "--quiet", "--tag", BUILT, str(context))
        docker("save", "--output", str(context / "images.tar"), BUILT, APP1, APP2)
        yield context / "images.tar"
    finally:
        docker("rmi", APP1, APP2, BUILT)


@pytest.fixture(scope="module")
def told(lab: Lab, ansible: Ansible, archive: Path) -> t.Callable[[str], Result]:
    """What the module tells of a host that has the archive, a container that runs and one that does not, of images with several names."""
    answers: dict[str, Result] = {}

    def told(host: str) -> Result:
        if host not in answers:
            lab.clean(host)
            lab.copy(host, str(archive), "/tmp/images.tar")
            lab.run(host, f"docker load -i /tmp/images.tar && rm /tmp/images.tar && docker tag {APP1} {APP1}-again")
            lab.run(
                host,
                f"docker run --detach --network none --name user {APP1} sleep 600 && docker create --name idle {BUILT} true",
            )
            answers[host] = ansible.module(host, "image_info", {})[host]
            assert answers[host]["changed"] is False, answers[host]
        return answers[host]

    return told


def named(result: Result, name: str) -> dict[str, t.Any]:
    (image,) = (image for image in result["images"] if name in image["tags"])
    return t.cast("dict[str, t.Any]", image)


@every_engine
@pytest.mark.parametrize("name", [APP1, APP2, BUILT], ids=["app:v1", "app:v2", "built:1"])
def test_history_is_what_the_engine_itself_prints(
    lab: Lab, told: t.Callable[[str], Result], host: str, name: str
) -> None:
    history = named(told(host), name)["history"]
    printed = [tuple(line.split("|")) for line in lab.run(host, f"{HISTORY} {name}").splitlines()]
    steps = [(step["created"], step["created_by"], str(step["size"]), step["comment"]) for step in history]
    assert steps == printed[::-1]


@every_engine
def test_layers_are_those_of_the_image(lab: Lab, told: t.Callable[[str], Result], host: str) -> None:
    result = told(host)
    for name in (APP1, APP2, BUILT):
        image = named(result, name)
        shown = lab.run(host, f"docker inspect --type image --format '{{{{.Id}}}} {{{{json .RootFS.Layers}}}}' {name}")
        printed_id, _space, printed_layers = shown.partition(" ")
        assert image["id"] == printed_id
        assert [layer["diff_id"] for layer in image["layers"]] == json.loads(printed_layers)
        # Each layer has the size and the content of one step, in the same order.
        steps = [step for step in image["history"] if not step["empty_layer"]]
        assert [(step["diff_id"], step["size"]) for step in steps] == [
            (layer["diff_id"], layer["size"]) for layer in image["layers"]
        ]
        assert image["whole"] is True
        assert image["platform"].startswith("linux/")


@every_engine
def test_shared_bytes_add_up_to_what_the_engine_counts(lab: Lab, told: t.Callable[[str], Result], host: str) -> None:
    result = told(host)
    base, app, built = (named(result, name) for name in (APP2, APP1, BUILT))
    assert [layer["shared_with"] for layer in built["layers"]] == [
        [APP1, APP2], [APP1, APP2], [APP1], [], [],
    ]  # fmt: skip
    assert [layer["shared_with"] for layer in base["layers"]] == [sorted([APP1, BUILT])] * 2 + [[]]
    assert app["unique_size"] == 0
    usage = json.loads(
        lab.run(host, "curl --silent --unix-socket /var/run/docker.sock http://localhost/v1.41/system/df")
    )
    if result["engine"]["driver"] == "overlay2":  # containerd stores count blobs too, podman rounds up to blocks
        assert result["totals"]["size"] == usage["LayersSize"]
    assert result["totals"]["size"] + result["totals"]["saved"] == sum(image["size"] for image in result["images"])
    assert result["totals"] == {**result["totals"], "images": 3, "layers": 6, "unknown": 0}


@every_engine
def test_names_and_containers(told: t.Callable[[str], Result], host: str) -> None:
    assert named(told(host), APP1)["tags"] == [APP1, f"{APP1}-again"]
    users = {name: named(told(host), name)["containers"] for name in (APP1, APP2, BUILT)}
    assert [(user["name"], user["state"]) for user in users[APP1]] == [("user", "running")]
    assert [(user["name"], user["state"]) for user in users[BUILT]] == [("idle", "created")]
    assert users[APP2] == []


@one_engine
def test_selection(ansible: Ansible, told: t.Callable[[str], Result], host: str) -> None:
    everything = told(host)
    image_id = named(everything, BUILT)["id"]
    wanted = [APP2, image_id[7:19], "nothing:1"]
    some = ansible.module(host, "image_info", {"images": wanted}, "--check")[host]
    assert {image["id"] for image in some["images"]} == {image_id, named(everything, APP2)["id"]}
    assert all(image in everything["images"] for image in some["images"])
    assert some["totals"] == everything["totals"]


@every_engine
def test_drift(
    lab: Lab, ansible: Ansible, signer: Signer, tmp_path: Path, told: t.Callable[[str], Result], host: str
) -> None:
    """Preloaded, a host matches the locks; then each name goes astray in its own way."""
    del told  # the containers and images of the other tests are no longer needed
    lab.clean(host)
    names = [f"docker.io/library/{name}:1" for name in ("kept", "moved", "untagged", "gone")]
    contents = {name: [images.layer("base"), images.layer(name)] for name in names}
    # podman fails to tell a history that has no dates; the rest is told nevertheless.
    undated = [{"created_by": "COPY base /"}, {"created_by": "COPY top /"}]
    bundles.make_bundle(tmp_path / "b.tar", signer, contents, history=undated)
    bundles.make_bundle(tmp_path / "more", signer, {"docker.io/library/more:1": [images.layer("more")]})
    trust = {"allowed_signers": str(signer.allowed_signers)}
    paths = [str(tmp_path / "b.tar"), str(tmp_path / "more")]
    lock = {"locks": [paths[0], f"{paths[1]}/bundle.lock.yml"], **trust}
    _preloaded, same = ansible.play(host, [task("image_preload", {"path": paths, **trust}), task("image_info", lock)])
    assert [entry["state"] for entry in same[host]["drift"]["images"]] == ["present"] * 5
    assert (same[host]["drift"]["matches"], same[host]["drift"]["extra"]) == (True, [])
    moved = named(same[host], "docker.io/library/moved:1")["id"]
    lab.run(
        host,
        "docker tag kept:1 moved:1; docker tag untagged:1 other:1; docker rmi untagged:1; docker rmi gone:1 more:1",
    )
    drift = ansible.module(host, "image_info", lock)[host]["drift"]
    states = {entry["name"].removeprefix("docker.io/library/"): entry["state"] for entry in drift["images"]}
    assert states == {
        "gone:1": "missing", "kept:1": "present", "more:1": "missing", "moved:1": "different", "untagged:1": "missing",
    }  # fmt: skip
    assert drift["matches"] is False
    # The image that lost its name to another is no stranger: the lock has it.
    assert [entry["names"] for entry in drift["extra"]] == [["docker.io/library/other:1"]]
    dangling = next(image for image in ansible.module(host, "image_info", {})[host]["images"] if image["id"] == moved)
    assert dangling["tags"] == []
