# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pulling with an engine that speaks the API: what is proven, what is left behind, and when a registry is no longer asked."""

from __future__ import annotations

import base64
import json
import socket
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._engine_pull import PullingEngine, knock, pull_images
from ansible_collections.airlift.registry.plugins.module_utils._plan import temporary_name
from ansible_collections.airlift.registry.tests.unit.plugins.support.servers import EngineState, engine_server

HOST = "registry.example.com:5000"
LAYER, DIFF = "sha256:" + "a" * 64, "sha256:" + "d" * 64
IDS = tuple("sha256:" + str(number) * 64 for number in (1, 2, 3))
DONE = [{"id": "a" * 12, "status": "Pulling fs layer"}, {"id": "a" * 12, "status": "Pull complete"}]
HALF = [{"id": "a" * 12, "status": "Downloading", "progressDetail": {"current": 40, "total": 100}}]


def reference(image_id: str) -> str:
    return f"{HOST}/app@{image_id}"


def request(image_id: str, keep: bool = False) -> dict[str, t.Any]:
    known = {"id": image_id, "name": f"docker.io/library/app:{image_id[7]}", "reference": reference(image_id)}
    return {**known, "keep": keep, "diff_ids": [DIFF], "layers": {LAYER: 100}}


@pytest.fixture
def state() -> EngineState:
    served = {reference(found): {"Id": found, "RootFS": {"Layers": [DIFF]}} for found in IDS}
    return EngineState(served=served, pulls=dict.fromkeys(served, DONE))


@pytest.fixture
def engine(state: EngineState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[PullingEngine]:
    """With what C(docker login) left at two registries."""
    auths = {
        host: {"auth": base64.b64encode(f"fleet:{host}".encode()).decode()} for host in (HOST, "elsewhere.example.com")
    }
    (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with engine_server(tmp_path, state) as host:
        yield PullingEngine(host, 5)


def names(state: EngineState, image_id: str) -> list[str]:
    image = state.images.get(image_id, {})
    return [*(image.get("RepoTags") or ()), *(image.get("RepoDigests") or ())]


def test_what_is_proven_has_a_temporary_name_only(engine: PullingEngine, state: EngineState) -> None:
    outcomes = pull_images(engine, [request(IDS[0]), request(IDS[1], keep=True)])
    assert outcomes == [{"id": found, "bytes": 100, "problem": "", "next_step": ""} for found in IDS[:2]]
    assert names(state, IDS[0]) == [temporary_name(IDS[0])]
    assert names(state, IDS[1]) == [temporary_name(IDS[1]), reference(IDS[1])]


def test_the_credentials_go_to_their_registry(engine: PullingEngine, state: EngineState) -> None:
    pull_images(engine, [request(IDS[0])])
    ((_reference, header),) = state.pulled
    assert json.loads(base64.urlsafe_b64decode(header))["password"] == HOST


def test_a_name_that_was_there_stays(engine: PullingEngine, state: EngineState) -> None:
    state.images[IDS[0]] = {"Id": IDS[0], "RootFS": {"Layers": [DIFF]}, "RepoDigests": [reference(IDS[0])]}
    pull_images(engine, [request(IDS[0])])
    assert reference(IDS[0]) in names(state, IDS[0])


@pytest.mark.parametrize(
    ("served", "problem"),
    [
        pytest.param({"Id": IDS[2]}, "instead of", id="another image"),
        pytest.param({"RootFS": {"Layers": [LAYER]}}, "the layers", id="other layers"),
        pytest.param({"RootFS": {"Layers": []}}, "the layers none", id="hollow"),
    ],
)
def test_what_is_not_proven_goes(
    engine: PullingEngine, state: EngineState, served: dict[str, t.Any], problem: str
) -> None:
    state.served[reference(IDS[0])].update(served)
    (outcome,) = pull_images(engine, [request(IDS[0], keep=True)])
    assert problem in outcome["problem"]
    assert outcome["bytes"] == 100
    assert state.images == {}


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        pytest.param("manifest unknown", 3, id="has no such image"),
        pytest.param("toomanyrequests: slow down", 1, id="is in trouble"),
    ],
)
def test_a_registry_in_trouble_is_not_asked_again(
    engine: PullingEngine, state: EngineState, error: str, asked: int
) -> None:
    state.pulls[reference(IDS[0])] = [*HALF, {"error": error}]
    outcomes = pull_images(engine, [request(found) for found in IDS])
    assert len(state.pulled) == asked
    assert [bool(outcome["problem"]) for outcome in outcomes] == [True, asked == 1, asked == 1]
    assert [outcome["bytes"] for outcome in outcomes] == [40, *([0, 0] if asked == 1 else [100, 100])]
    assert error in outcomes[0]["problem"]


def test_knocks_at_the_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"127.0.0.1:{server.getsockname()[1]}"
        assert knock(f"{place}/mirror") == ""
    assert "refused" in knock(place)
    assert knock("registry.example.com:port") != ""
