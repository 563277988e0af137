# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What images share, whose bytes are whose, and which step of the history made which layer."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _local_images
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._oci import chain_ids
from ansible_collections.airlift.registry.tests.unit.plugins.support.local_images import (
    container,
    digest,
    local,
    step,
)

V1 = local("v1", "base", "ENV A=1", "lib", "v1", "CMD x", tags=["app:v1", "app:old"])
V2 = local("v2", "base", "ENV A=1", "lib", "v2", "CMD x", tags=["app:v2"])
TOOL = local("tool", "lib", tags=["tool:1"])  # the content of a layer of app, above another base


def by_id(*images: dict[str, t.Any], containers: t.Sequence[dict[str, str]] = ()) -> dict[str, dict[str, t.Any]]:
    return {image["id"]: image for image in _local_images.describe(images, containers)}


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        pytest.param([V1], [(1230, 1230, 0)], id="alone, all is its own"),
        pytest.param([V1, V2], [(1230, 30, 1200), (1231, 31, 1200)], id="two that share a base"),
        pytest.param([V1, TOOL], [(1230, 1230, 0), (200, 200, 0)], id="the same content above another base is not shared"),
        pytest.param([V1, local("same", "base", "ENV A=1", "lib", "v1")], [(1230, 0, 1230), (1230, 0, 1230)], id="two that have nothing of their own"),
        pytest.param([V1, local("below", "base")], [(1230, 230, 1000), (1000, 0, 1000)], id="an image and its base"),
        pytest.param([local("twice", "base", "lib", "lib")], [(1400, 1400, 0)], id="the same content twice in an image"),
        pytest.param([local("broken", whole=False)], [(None, 0, 0)], id="an image without layers"),
    ],
)  # fmt: skip
def test_whose_bytes_are_whose(images: list[dict[str, t.Any]], expected: list[tuple[int, int, int]]) -> None:
    found = _local_images.describe(images, [])
    assert [(image["size"], image["unique_size"], image["shared_size"]) for image in found] == expected
    for image in found:
        if image["layers"]:
            assert image["size"] == image["unique_size"] + image["shared_size"]


def test_tells_who_shares_a_layer() -> None:
    dangling = local("x", "base")
    image = by_id(V1, V2, dangling)[V1["id"]]
    assert [layer["shared_with"] for layer in image["layers"]] == [
        ["docker.io/library/app:v2", dangling["id"]],
        ["docker.io/library/app:v2"],
        [],
    ]
    assert [layer["chain_id"] for layer in image["layers"]] == chain_ids(V1["layers"])
    assert [layer["diff_id"] for layer in image["layers"]] == V1["layers"]
    assert [layer["size"] for layer in image["layers"]] == [1000, 200, 30]


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        pytest.param([], {"images": 0, "layers": 0, "size": 0, "saved": 0, "unknown": 0}, id="none"),
        pytest.param([V1, V2], {"images": 2, "layers": 4, "size": 1261, "saved": 1200, "unknown": 0}, id="a shared layer counts once"),
        pytest.param([V1, V2, TOOL], {"images": 3, "layers": 5, "size": 1461, "saved": 1200, "unknown": 0}, id="the same content above another base counts"),
        pytest.param([local("x", "base", steps=[])], {"images": 1, "layers": 1, "size": 0, "saved": 0, "unknown": 1}, id="a layer of which nothing is told"),
    ],
)  # fmt: skip
def test_totals(images: list[dict[str, t.Any]], expected: dict[str, int]) -> None:
    assert _local_images.totals(images) == expected


@pytest.mark.parametrize(
    ("steps", "count", "expected"),
    [
        pytest.param(["base", "ENV A=1", "lib"], 2, [0, 2], id="each layer has bytes"),
        pytest.param(["base", "WORKDIR /x", "lib"], 2, [0, 2], id="a step that might have made a layer did not"),
        pytest.param(["base", "WORKDIR /x", "ENV A=1", "lib"], 3, [0, 1, 3], id="a layer without bytes"),
        pytest.param(["dir", "ENV A=1", "dir"], 2, [0, 2], id="no layer has bytes"),
        pytest.param(["base", "WORKDIR /x", "WORKDIR /y"], 2, None, id="one of two steps made a layer without bytes"),
        pytest.param(["base"], 2, None, id="too few steps"),
        pytest.param(["base", "lib"], 1, None, id="too few layers"),
        pytest.param([], 1, None, id="no history"),
        pytest.param([], 0, [], id="nothing at all"),
    ],
)
def test_which_step_made_which_layer(steps: list[str], count: int, expected: list[int] | None) -> None:
    assert _local_images.layer_steps([step(entry) for entry in steps], count) == expected


@pytest.mark.parametrize(
    ("created_by", "makes_a_layer"),
    [
        ('/bin/sh -c #(nop)  CMD ["x"]', False),
        ("/bin/sh -c #(nop) LABEL a=b", False),
        ("ENV PATH=/bin", False),
        ("ENTRYPOINT [/x]", False),
        ("/bin/sh -c #(nop) WORKDIR /x", True),
        ("/bin/sh -c #(nop) COPY dir:0 in / ", True),
        ("WORKDIR /x", True),
        ("RUN /bin/sh -c mkdir /x # buildkit", True),
        ("/bin/sh -c ENV x", True),
        ("ENVIRONMENT", True),
        ("", True),
    ],
)
def test_what_can_make_a_layer_without_bytes(created_by: str, makes_a_layer: bool) -> None:
    steps = [step("base"), {**step("x"), "created_by": created_by}]
    assert _local_images.layer_steps(steps, 2) == ([0, 1] if makes_a_layer else None)


def test_one_image_tells_what_the_history_of_another_leaves_open() -> None:
    unclear = local("unclear", "base", "WORKDIR /x", "WORKDIR /y", layers=[digest("base"), digest("dir")], tags=["a:1"])
    alone, known = by_id(unclear)[unclear["id"]], by_id(unclear, V1)[unclear["id"]]
    assert [layer["size"] for layer in alone["layers"]] == [None, None]
    assert (alone["size"], alone["unique_size"], alone["shared_size"]) == (1000, None, 0)
    assert [layer["size"] for layer in known["layers"]] == [1000, None]
    assert (known["size"], known["unique_size"], known["shared_size"]) == (1000, None, 1000)


def test_history_with_its_layers() -> None:
    history = by_id(V1)[V1["id"]]["history"]
    assert [(entry["created_by"], entry["size"], entry["empty_layer"], entry["diff_id"]) for entry in history] == [
        ("COPY base /", 1000, False, digest("base")),
        ("ENV A=1", 0, True, None),
        ("COPY lib /", 200, False, digest("lib")),
        ("COPY v1 /", 30, False, digest("v1")),
        ("CMD x", 0, True, None),
    ]


def test_history_that_leaves_open_what_made_a_layer() -> None:
    image = local("x", "base", "WORKDIR /x", "WORKDIR /y", "ENV A=1", layers=[digest("base"), digest("dir")])
    history = by_id(image)[image["id"]]["history"]
    assert [(entry["empty_layer"], entry["diff_id"]) for entry in history] == [
        (False, None),
        (None, None),
        (None, None),
        (True, None),
    ]


def test_tells_which_containers_use_an_image() -> None:
    users = [container("web", "v1"), container("job", "v1", "exited"), container("other", "v2")]
    found = by_id(V1, V2, TOOL, containers=users)
    assert [(user["name"], user["state"]) for user in found[V1["id"]]["containers"]] == [
        ("web", "running"),
        ("job", "exited"),
    ]
    assert found[TOOL["id"]]["containers"] == []


BY_DIGEST = f"registry.example.com/app@{digest('pulled')}"
PULLED = local("p", "base", tags=["tool:2"], digests=[BY_DIGEST, f"docker.io/library/tool@{digest('tool')}"])


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param([], ["v1", "v2", "p"], id="all"),
        pytest.param(["app:v1"], ["v1"], id="a short name"),
        pytest.param(["docker.io/library/app:old"], ["v1"], id="a full name"),
        pytest.param(["app:v2", "app:v1"], ["v1", "v2"], id="several"),
        pytest.param([BY_DIGEST], ["p"], id="a digest"),
        pytest.param([digest("v2")], ["v2"], id="an ID"),
        pytest.param([digest("v2")[7:]], ["v2"], id="an ID without its algorithm"),
        pytest.param([digest("v2")[7:19]], ["v2"], id="the beginning of an ID"),
        pytest.param([digest("v2")[7:18]], [], id="too little of an ID"),
        pytest.param(["app"], [], id="a name that is not there"),
    ],
)
def test_select(wanted: list[str], expected: list[str]) -> None:
    assert [image["id"] for image in _local_images.select([V1, V2, PULLED], wanted)] == [
        digest(name) for name in expected
    ]


def test_what_is_selected_is_told_in_view_of_all() -> None:
    (image,) = _local_images.describe([V1, V2], [], ["app:v1"])
    assert image["shared_size"] == 1200


def test_a_name_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(InputError):
        _local_images.select([V1], ["App:v1"])


def test_references_by_digest_are_names_where_there_is_no_tag() -> None:
    assert _local_images.names_of(PULLED) == ["docker.io/library/tool:2", BY_DIGEST]
    assert _local_images.label_of(V1) == "docker.io/library/app:v1"
    assert _local_images.label_of(local("x")) == digest("x")
