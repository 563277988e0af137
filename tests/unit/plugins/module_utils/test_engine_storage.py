# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The storage of an engine: what engines tell of it, each in its own way, and what is None because they do not."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._engine_storage import EngineStorage
from ansible_collections.airlift.registry.plugins.module_utils._errors import EngineError
from ansible_collections.airlift.registry.tests.unit.plugins.support.servers import EngineState, engine_server

HEX = "1" * 64
ID, DIFF, DIGEST = f"sha256:{HEX}", "sha256:" + "2" * 64, "sha256:" + "3" * 64
IMAGE = {
    "Id": ID,
    "RepoTags": ["app:v1"],
    "RepoDigests": [f"app@{DIGEST}"],
    "Created": "2026-01-02T03:04:05.6Z",
    "Os": "linux",
    "Architecture": "arm64",
    "Variant": "v8",
    "Size": 1200,
    "RootFS": {"Type": "layers", "Layers": [DIFF]},
    "Metadata": {"LastTagTime": "2026-02-02T03:04:05Z"},
}
HISTORY = [
    {"Id": ID, "Created": 1767323046, "CreatedBy": "ENV A=1", "Size": 0, "Comment": "buildkit.dockerfile.v0", "Tags": ["app:v1"]},
    {"Id": "<missing>", "Created": 1767323045, "CreatedBy": "COPY x", "Size": 1200, "Comment": "", "Tags": None},
]  # fmt: skip


@pytest.fixture
def state() -> EngineState:
    return EngineState(images={ID: dict(IMAGE)}, histories={ID: HISTORY})


@pytest.fixture
def engine(state: EngineState, tmp_path: Path) -> t.Iterator[EngineStorage]:
    with engine_server(tmp_path, state) as host:
        yield EngineStorage(host, 5)


def test_tells_of_images(engine: EngineStorage) -> None:
    assert engine.local_images() == [
        {
            "id": ID,
            "tags": ["docker.io/library/app:v1"],
            "digests": [f"docker.io/library/app@{DIGEST}"],
            "created": "2026-01-02T03:04:05.6Z",
            "tagged": "2026-02-02T03:04:05Z",
            "platform": "linux/arm64/v8",
            "engine_size": 1200,
            "layers": [DIFF],
            "manifests": [],
            "whole": True,
            "steps": [
                {"created": "2026-01-02T03:04:05Z", "created_by": "COPY x", "comment": "", "size": 1200},
                {"created": "2026-01-02T03:04:06Z", "created_by": "ENV A=1", "comment": "buildkit.dockerfile.v0", "size": 0},
            ],
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"RepoDigests": None}, {"digests": []}, id="no digests"),
        pytest.param({"RepoDigests": ["<none>@<none>"]}, {"digests": []}, id="a digest that is none"),
        pytest.param({"Metadata": {"LastTagTime": "0001-01-01T00:00:00Z"}}, {"tagged": ""}, id="never tagged"),
        pytest.param({"Metadata": None}, {"tagged": ""}, id="does not tell when it was tagged"),
        pytest.param({"Created": None}, {"created": ""}, id="no date"),
        pytest.param({"Variant": ""}, {"platform": "linux/arm64"}, id="no variant"),
        pytest.param({"RootFS": {}}, {"whole": False, "layers": [], "steps": []}, id="layers are missing"),
    ],
)
def test_what_an_engine_may_leave_out(
    engine: EngineStorage, state: EngineState, changes: dict[str, t.Any], expected: dict[str, t.Any]
) -> None:
    state.images[ID].update(changes)
    (image,) = engine.local_images()
    assert {key: image[key] for key in expected} == expected


def test_a_step_of_which_nothing_is_told(engine: EngineStorage, state: EngineState) -> None:
    state.histories[ID] = [{"Created": 0, "CreatedBy": None, "Size": None, "Comment": None}]
    (image,) = engine.local_images()
    assert image["steps"] == [{"created": "", "created_by": "", "comment": "", "size": 0}]


@pytest.mark.parametrize("history", [None, []])
def test_an_image_may_have_no_history(engine: EngineStorage, state: EngineState, history: list[t.Any] | None) -> None:
    state.histories[ID] = history
    assert engine.local_images()[0]["steps"] == []


def test_an_engine_may_fail_to_tell_a_history(engine: EngineStorage, state: EngineState) -> None:
    state.broken = "/history"
    (image,) = engine.local_images()
    assert (image["id"], image["steps"]) == (ID, [])


def test_an_image_that_goes_while_it_is_asked_for_is_left_out(engine: EngineStorage, state: EngineState) -> None:
    state.hidden = ID
    assert engine.local_images() == []


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        pytest.param({"Names": ["/web"], "ImageID": ID}, ("web", "running", ID), id="docker"),
        pytest.param({"Names": ["/other/db", "/web"], "ImageID": ID}, ("web", "running", ID), id="linked from another"),
        pytest.param({"Names": None, "ImageID": ID}, ("4" * 12, "running", ID), id="without a name"),
        pytest.param({"Names": ["/web"], "ImageID": HEX}, ("web", "running", ID), id="an ID without its algorithm"),
        pytest.param({"Names": ["/web"], "ImageID": ""}, ("web", "running", ""), id="no image"),
        pytest.param({"Names": ["/web"], "State": "exited", "ImageID": ID}, ("web", "exited", ID), id="stopped"),
    ],
)  # fmt: skip
def test_tells_of_containers(
    engine: EngineStorage, state: EngineState, entry: dict[str, t.Any], expected: tuple[str, str, str]
) -> None:
    state.containers = [{"Id": "4" * 64, "State": "running", **entry}]
    (container,) = engine.containers()
    assert (container["name"], container["state"], container["image"]) == expected


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param({"LayersSize": 1200}, 1200, id="docker"),
        pytest.param({"LayersSize": 0}, 0, id="nothing there, or podman 4"),
        pytest.param({}, None, id="nothing"),
    ],
)
def test_disk_usage(engine: EngineStorage, state: EngineState, usage: dict[str, t.Any], expected: int | None) -> None:
    state.usage = usage
    assert engine.disk_usage() == expected


@pytest.mark.parametrize(("version", "query"), [("1.41", ""), ("1.42", "type=image"), ("1.51", "type=image")])
def test_asks_for_the_disk_usage_of_images_alone_where_that_can_be_asked(
    tmp_path: Path, version: str, query: str
) -> None:
    state = EngineState(api_version=version, usage={"LayersSize": 1})
    with engine_server(tmp_path, state) as host:
        EngineStorage(host, 5).disk_usage()
    assert state.asked == [query]


def test_removes_a_name(engine: EngineStorage, state: EngineState) -> None:
    assert engine.remove("app:v1") == ""
    assert state.removed == ["app:v1"]


def test_what_is_gone_needs_no_removal(engine: EngineStorage, state: EngineState) -> None:
    assert engine.remove("app:v2") == ""
    assert state.removed == []


def test_tells_why_an_image_was_not_removed(engine: EngineStorage, state: EngineState) -> None:
    state.in_use = "conflict: container abc is using its referenced image"
    assert engine.remove("app:v1") == state.in_use
    assert state.removed == []


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda engine: engine.local_images(), id="images"),
        pytest.param(lambda engine: engine.containers(), id="containers"),
        pytest.param(lambda engine: engine.disk_usage(), id="disk usage"),
        pytest.param(lambda engine: engine.remove("app:v1"), id="removal"),
    ],
)
def test_an_engine_that_fails_is_named(
    engine: EngineStorage, state: EngineState, ask: t.Callable[[EngineStorage], t.Any]
) -> None:
    state.broken = "/"
    with pytest.raises(EngineError, match="The engine at unix://.* did not "):
        ask(engine)
