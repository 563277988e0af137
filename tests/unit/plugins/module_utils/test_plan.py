# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan: a table of what a host has, and what follows from it."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _plan
from ansible_collections.airlift.registry.plugins.module_utils._image import Image, Layer
from ansible_collections.airlift.registry.plugins.module_utils._oci import (
    OCI_CONFIG,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    Descriptor,
    digest_of,
)

SIZES = {"base": 1000, "top": 100, "new": 200, "other": 50}
MIB = 1 << 20


def layer(name: str) -> Layer:
    return Layer(Descriptor(OCI_LAYER_GZIP, blob(name), SIZES[name]), diff(name))


def blob(name: str) -> str:
    return digest_of(f"blob {name}".encode())


def diff(name: str) -> str:
    return digest_of(f"diff {name}".encode())


def image(name: str, layers: t.Sequence[str], platform: str = "linux/amd64") -> Image:
    identity = "+".join(layers)
    return Image(
        f"docker.io/library/{name}",
        Descriptor(OCI_MANIFEST, digest_of(f"manifest {identity}".encode()), 10),
        Descriptor(OCI_CONFIG, digest_of(f"config {identity}".encode()), 10),
        platform,
        "",
        tuple(layer(name) for name in layers),
    )


V1, V2, TOOL = image("app:v1", ["base", "top"]), image("app:v2", ["base", "new"]), image("tool:v1", ["base", "other"])
MOVED = image("app:v1", ["base", "new"])  # what app:v1 means in a later bundle


def on_host(found: Image, *tags: str, store: str = "graph") -> dict[str, t.Any]:
    """An image as the engine lists it."""
    return {
        "id": found.config.digest if store == "graph" else found.manifest.digest,
        "tags": [f"docker.io/library/{tag}" if "/" not in tag else tag for tag in tags],
        "digests": [],
        "layers": [layer.diff_id for layer in found.layers],
        "whole": True,
    }


def host(
    *images: dict[str, t.Any], staged: t.Mapping[str, int] | None = None, store: str = "graph"
) -> dict[str, t.Any]:
    return {
        "engine": {
            "product": "docker",
            "platform": "linux/amd64",
            "store": store,
            "proves_content": store == "containerd",
        },
        "images": list(images),
        "staged": {blob(name): size for name, size in (staged or {}).items()},
    }


def blind(found: dict[str, t.Any]) -> dict[str, t.Any]:
    """The same host with an API that does not tell whether an image's content is there."""
    return {**found, "engine": {**found["engine"], "proves_content": False}}


def actions(plan: dict[str, t.Any]) -> list[tuple[str, list[str]]]:
    return [(entry["action"], [layer["action"] for layer in entry["layers"]]) for entry in plan["images"]]


def sends(plan: dict[str, t.Any]) -> list[tuple[str, int]]:
    names = {blob(name): name for name in SIZES}
    return [(names[entry["digest"]], entry["offset"]) for entry in plan["blobs"]]


P, S, T = "present", "send", "staged"

# What the host has, the wanted images, the action for each and its layers, the blobs to send with their offsets, whether it is a change.
TABLE = [
    pytest.param(host(), [V1], [("load", [S, S])], [("base", 0), ("top", 0)], True, id="nothing is there"),
    pytest.param(host(on_host(V1, "app:v1")), [V1], [(P, [P, P])], [], False, id="all is there"),
    pytest.param(host({**on_host(V1, "app:v1"), "whole": False}), [V1], [("load", [S, S])], [("base", 0), ("top", 0)], True, id="it is listed and incomplete"),
    pytest.param(host({**on_host(V1, "app:v1"), "whole": False}), [V2], [("load", [S, S])], [("base", 0), ("new", 0)], True, id="the layers of an incomplete image do not count"),
    pytest.param(host(on_host(V1)), [V1], [("retag", [P, P])], [], True, id="the image without its name"),
    pytest.param(host(on_host(V1, "old:v1")), [V1], [("retag", [P, P])], [], True, id="the image under another name"),
    pytest.param(host(on_host(MOVED, "app:v1"), on_host(V1)), [V1], [("retag", [P, P])], [], True, id="the name means another image, ours is there"),
    pytest.param(host(on_host(V1, "app:v1")), [MOVED], [("load", [P, S])], [("new", 0)], True, id="the name means another image, ours is not there"),
    pytest.param(host(on_host(V1, "app:v1")), [V2], [("load", [P, S])], [("new", 0)], True, id="an update sends one layer"),
    pytest.param(host(on_host(image("x", ["top", "base"]))), [V1], [("load", [S, S])], [("base", 0), ("top", 0)], True, id="the same layers above another base do not count"),
    pytest.param(host(), [V1, V2], [("load", [S, S]), ("load", [T, S])], [("base", 0), ("top", 0), ("new", 0)], True, id="a shared layer is sent once"),
    pytest.param(host(), [V1, image("app:latest", ["base", "top"])], [("load", [S, S]), ("load", [T, T])], [("base", 0), ("top", 0)], True, id="one image with two names is sent once"),
    pytest.param(host(), [image("x", ["base", "top", "top"])], [("load", [S, S, T])], [("base", 0), ("top", 0)], True, id="one layer twice in an image is sent once"),
    pytest.param({**host(on_host(V1, "app:v1")), "distrusted": True}, [V1, V2], [(P, [P, P]), ("load", [S, S])], [("base", 0), ("new", 0)], True, id="an engine that refused images without the layers that it has"),
    pytest.param(host(staged={"base": 1000}), [V1], [("load", [T, S])], [("top", 0)], True, id="a layer is staged"),
    pytest.param(host(staged={"base": 1000, "top": 100}), [V1], [("load", [T, T])], [], True, id="all layers are staged"),
    pytest.param(host(staged={"base": 400}), [V1], [("load", [S, S])], [("base", 400), ("top", 0)], True, id="the beginning of a layer is staged"),
    pytest.param(host(staged={"base": 0}), [V1], [("load", [S, S])], [("base", 0), ("top", 0)], True, id="an empty file is staged"),
    pytest.param(host(staged={"base": 1001}), [V1], [("load", [S, S])], [("base", 0), ("top", 0)], True, id="more than the layer is staged"),
    pytest.param(host(on_host(V1, "app:v1"), on_host(TOOL, "tool:v1")), [V1, V2, TOOL], [(P, [P, P]), ("load", [P, S]), (P, [P, P])], [("new", 0)], True, id="each image by itself"),
    pytest.param(host(on_host(V1, "app:v1", store="containerd"), store="containerd"), [V1], [(P, [P, P])], [], False, id="containerd store, all is there"),
    pytest.param(host(on_host(V1, "app:v1", store="containerd"), store="containerd"), [V2], [("load", [P, S])], [("new", 0)], True, id="containerd store, an update sends one layer"),
    pytest.param(host(on_host(image("x", ["top", "base"]), store="containerd"), store="containerd"), [V1], [("load", [P, P])], [], True, id="containerd store, the same layers above another base count"),
    pytest.param(blind(host(on_host(V1, "app:v1", store="containerd"), store="containerd")), [V2], [("load", [S, S])], [("base", 0), ("new", 0)], True, id="containerd store that cannot prove its content, an unpacked layer is no blob"),
    pytest.param(host(on_host(V1, "app:v1", store="containerd"), {**on_host(V2, "app:v2", store="containerd"), "whole": False}, store="containerd"), [V2], [("load", [S, S])], [("base", 0), ("new", 0)], True, id="containerd store, an image that lacks content gets all of it"),
    pytest.param({**host(on_host(V1, "app:v1", store="containerd"), store="containerd"), "distrusted": True}, [V2], [("load", [S, S])], [("base", 0), ("new", 0)], True, id="containerd store, its layers are in another compression"),
    pytest.param(host(on_host(V1, "app:v1"), store="containerd"), [V1], [("load", [P, P])], [], True, id="containerd store goes by the manifest"),
]  # fmt: skip


@pytest.mark.parametrize(("snapshot", "images", "expected", "blobs", "changes"), TABLE)
def test_plans(
    snapshot: dict[str, t.Any], images: list[Image], expected: list[t.Any], blobs: list[t.Any], changes: bool
) -> None:
    plan = _plan.make_plan(images, snapshot)
    assert actions(plan) == expected
    assert sends(plan) == blobs
    assert _plan.is_change(plan) == changes
    assert all(entry["reason"] for entry in plan["images"])
    assert all(layer["reason"] for entry in plan["images"] for layer in entry["layers"])


@pytest.mark.parametrize(("snapshot", "images", "_expected", "blobs", "_changes"), TABLE)
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(
    snapshot: dict[str, t.Any], images: list[Image], _expected: t.Any, blobs: t.Any, _changes: t.Any
) -> None:
    store = snapshot["engine"]["store"]
    names = [found.name for found in images]
    others = [{**found, "tags": sorted(set(found["tags"]) - set(names))} for found in snapshot["images"]]
    after = {
        **snapshot,
        "images": [*others, *(on_host(found, found.name, store=store) for found in images)],
        "staged": {},
    }
    plan = _plan.make_plan(images, after)
    assert not _plan.is_change(plan)
    assert plan["blobs"] == []
    assert plan["bytes"]["send"] == 0


def pulled(repository: str) -> dict[str, t.Any]:
    """V1 as an engine has it that pulled it from there."""
    return {**on_host(V1, "app:v1"), "digests": [f"{repository}@{V1.manifest.digest}"]}


APP = "docker.io/library/app"
BY_DIGEST, BY_ID = f"{APP}@{V1.manifest.digest}", V1.config.digest


@pytest.mark.parametrize(
    ("product", "snapshot", "reference"),
    [
        pytest.param("docker", host(), BY_ID, id="graph drivers know no digest of what is loaded"),
        pytest.param("docker", host(on_host(V1, "app:v1")), BY_ID, id="nor of what was loaded"),
        pytest.param("docker", host(pulled(APP)), BY_DIGEST, id="but of what was pulled"),
        pytest.param("docker", host(pulled("registry.example.com/app")), BY_ID, id="in that repository only"),
        pytest.param("docker", host(store="containerd"), BY_DIGEST, id="containerd store"),
        pytest.param("podman", host(), BY_DIGEST, id="podman, loaded"),
        pytest.param("podman", host(pulled("localhost/app")), BY_DIGEST, id="podman, in any repository"),
        pytest.param("podman", host(on_host(V1, "app:v1")), BY_ID, id="podman, loaded by somebody else as it likes"),
    ],
)
def test_says_by_what_reference_an_image_never_moves(product: str, snapshot: dict[str, t.Any], reference: str) -> None:
    snapshot = {**snapshot, "engine": {**snapshot["engine"], "product": product}}
    (entry,) = _plan.make_plan([V1], snapshot)["images"]
    assert (entry["by_digest"], entry["reference"]) == (reference == BY_DIGEST, reference)


INDEX = Descriptor("application/vnd.oci.image.index.v1+json", digest_of(b"index"), 1)


@pytest.mark.parametrize(
    ("snapshot", "platform", "expected"),
    [
        pytest.param(host(store="containerd"), "linux/amd64", INDEX, id="containerd store"),
        pytest.param(host(store="containerd"), "linux/arm64", V1.manifest, id="of another platform than the engine's"),
        pytest.param(
            blind(host(store="containerd")), "linux/amd64", V1.manifest, id="before the API that tells of its content"
        ),
        pytest.param(host(), "linux/amd64", V1.config, id="graph drivers"),
    ],
)
def test_a_containerd_store_knows_an_image_by_its_index(
    snapshot: dict[str, t.Any], platform: str, expected: Descriptor
) -> None:
    found = dataclasses.replace(V1, platform=platform, index=INDEX)
    (entry,) = _plan.make_plan([found], snapshot)["images"]
    assert entry["id"] == expected.digest


def test_says_what_a_name_meant_before() -> None:
    (entry,) = _plan.make_plan([MOVED], host(on_host(V1, "app:v1")))["images"]
    assert entry["before"] == V1.config.digest
    assert entry["id"] == MOVED.config.digest
    (entry,) = _plan.make_plan([V1], host(on_host(V1), on_host(MOVED, "app:v1")))["images"]
    assert MOVED.config.digest in entry["reason"]


def test_counts_each_blob_once() -> None:
    plan = _plan.make_plan([V1, V2, image("app:latest", ["base", "top"])], host(staged={"base": 1000, "new": 1}))
    assert plan["bytes"] == {"present": 0, "staged": 1000, "send": 300}
    assert sends(plan) == [("top", 0), ("new", 1)]


def test_clears_away_what_a_killed_run_left() -> None:
    temporary = _plan.temporary_name(V1.config.digest)
    plan = _plan.make_plan([V1], host(on_host(V1, "app:v1", temporary), staged={"base": 1000, "other": 7}))
    assert _plan.is_change(plan)
    assert actions(plan) == [(P, [P, P])]
    # What waits for another bundle is left alone.
    assert plan["leftovers"] == {"tags": [temporary], "blobs": [blob("base")]}


def test_an_image_that_was_loaded_and_not_named_needs_its_name_only() -> None:
    temporary = _plan.temporary_name(V1.config.digest)
    plan = _plan.make_plan([V1], host(on_host(V1, temporary)))
    assert actions(plan) == [("retag", [P, P])]
    assert plan["leftovers"]["tags"] == [temporary]


def test_staged_blobs_alone_are_no_change() -> None:
    plan = _plan.make_plan([V1], host(on_host(V1, "app:v1"), staged={"base": 3}))
    assert plan["leftovers"]["blobs"] == [blob("base")]
    assert not _plan.is_change(plan)


def test_a_plan_is_plain_data() -> None:
    def is_plain(value: t.Any) -> bool:
        if isinstance(value, dict):
            return all(isinstance(key, str) and is_plain(entry) for key, entry in value.items())
        return all(map(is_plain, value)) if isinstance(value, list) else value is None or isinstance(value, (str, int))

    assert is_plain(_plan.make_plan([V1, V2], host(on_host(TOOL, "tool:v1"))))


def test_temporary_names_are_known_as_such() -> None:
    name = _plan.temporary_name(V1.config.digest)
    assert _plan.is_temporary(name)
    assert not _plan.is_temporary(V1.name)


@pytest.mark.parametrize(
    ("found", "left_out"),
    [
        pytest.param(host(), False, id="all is sent"),
        pytest.param(host(on_host(V1, "app:v1")), True, id="the engine has the base"),
        pytest.param(host(on_host(V2, "app:v2")), False, id="nothing is loaded"),
    ],
)
def test_knows_whether_layers_are_left_out(found: dict[str, t.Any], left_out: bool) -> None:
    assert _plan.leaves_out(_plan.make_plan([V2], found)) == left_out
