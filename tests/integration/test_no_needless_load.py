# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an engine is asked to load: never an image that it has, and never a layer that it has. Counted on the way to its socket."""

from __future__ import annotations

import typing as t
import uuid
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support.engines import ENGINES, Engines
from ansible_collections.airlift.registry.tests.integration.support.faults import trusting
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Result
from ansible_collections.airlift.registry.tests.integration.support.recorder import Recorder, Request, recorder
from ansible_collections.airlift.registry.tests.unit.plugins.support import bundles, images
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

HERE, MOVED, CHANGED = (f"docker.io/library/{name}:load" for name in ("here", "moved", "changed"))
# Of this run alone: an image that lost its name stays in a lab that is kept.
BASE, OLD, NEW, OTHER = (images.layer(f"{text} {uuid.uuid4()}") for text in ("base", "old", "new", "other"))
BEFORE = {HERE: [BASE], MOVED: [BASE, OTHER], CHANGED: [BASE, OLD]}
AFTER = {**BEFORE, CHANGED: [BASE, NEW]}


@pytest.fixture(params=["docker-26.1", "docker-28.5-containerd", "docker-29", "podman"])
def name(request: pytest.FixtureRequest) -> str:
    return t.cast(str, request.param)


@pytest.fixture
def recorded(engines: Engines, name: str) -> t.Iterator[Recorder]:
    with recorder(engines.lab, ENGINES[name].host, ENGINES[name].socket) as found:
        yield found
    engine = engines.connect(name)
    for image in (HERE, MOVED, CHANGED, f"{MOVED}-away"):
        engine.untag(image)


def loads(recorded: Recorder) -> list[Request]:
    """What was asked for since the last time; something was, as the engine is always asked what it has."""
    asked = recorded.take()
    assert any(request.path.startswith("/images/json") for request in asked)
    return [request for request in asked if request.is_load]


def test_no_image_and_no_layer_that_is_there_is_loaded_again(
    engines: Engines, recorded: Recorder, name: str, signer: Signer, tmp_path: Path
) -> None:
    """Cold; nothing to do; a name only; and one image that changed among one that is there and one that lost its name."""
    host, engine = ENGINES[name].host, engines.connect(name)
    ansible: Ansible = engines.ansible(tmp_path)
    packed = {
        contents[CHANGED][-1]: bundles.make_bundle(tmp_path / path, signer, contents)
        for path, contents in (("before", BEFORE), ("after", AFTER))
    }

    def preload(path: str) -> Result:
        result = ansible.preload(host, trusting(signer, tmp_path / path, docker_host=recorded.address))
        assert not result.get("failed"), result
        return result

    def untag() -> None:
        engine.tag(engine.inspect(MOVED)["id"], f"{MOVED}-away")  # type: ignore[index] # it was preloaded
        engine.untag(MOVED)

    preload("before")
    cold = [blob for load in loads(recorded) for blob in load.blobs()]
    layers = {layer.blob.digest for entry in packed[OLD] for layer in entry.image.layers}
    assert layers <= set(cold)
    preload("before")
    assert loads(recorded) == []
    untag()
    assert {image["action"] for image in preload("before")["images"]} == {"present", "retag"}
    assert loads(recorded) == []
    untag()
    actions = [image["action"] for image in preload("after")["images"]]
    assert sorted(actions) == ["load", "present", "retag"]
    (load,) = loads(recorded)
    (changed,) = (entry.image for entry in packed[NEW] if entry.image.name == CHANGED)
    assert load.blobs() == {changed.manifest.digest, changed.config.digest, changed.layers[-1].blob.digest}
