# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan: a table of what a host has, and what follows from it."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _plan
from ansible_collections.airlift.registry.plugins.module_utils._delta_choice import Offer, Wish
from ansible_collections.airlift.registry.plugins.module_utils._deltas import Delta
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
        "engine_size": 2000,
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
    assert plan["bytes"] == {"present": 0, "staged": 1000, "delta": 0, "send": 300}
    assert sends(plan) == [("top", 0), ("new", 1)]


def test_clears_away_what_a_killed_run_left() -> None:
    temporary = _plan.temporary_name(V1.config.digest)
    plan = _plan.make_plan([V1], host(on_host(V1, "app:v1", temporary), staged={"base": 1000, "other": 7}))
    assert _plan.is_change(plan)
    assert actions(plan) == [(P, [P, P])]
    # What waits for another bundle is left alone.
    assert plan["leftovers"] == {"tags": [temporary], "blobs": [blob("base")], "work": False}


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


DELTA = Delta(
    digest=blob("new"),
    size=SIZES["new"],
    diff_id=diff("new"),
    unpacked=900,
    base_diff_id=diff("top"),
    base_unpacked=800,
    bundle=digest_of(b"lock"),
    bundle_name="november.tar",
    delta=digest_of(b"delta"),
    delta_size=20,
    restore="gzip",
)
OFFERS = {DELTA.digest: Offer(DELTA)}


def able(found: dict[str, t.Any], **staged: int) -> dict[str, t.Any]:
    """The same host with what it takes to apply a delta, and with these bytes in staging of its delta, of what it makes, or of the layer."""
    names = {"delta": DELTA.delta, "content": DELTA.diff_id, "new": DELTA.digest}
    ability = {"tool": "xdelta3", "memory": 1 << 40, "link_speed": 0, "work": False}
    return {**found, "deltas": ability, "staged": {names[name]: size for name, size in staged.items()}}


def podman(found: dict[str, t.Any]) -> dict[str, t.Any]:
    return {**found, "engine": {**found["engine"], "product": "podman"}}


HAS_V1 = host(on_host(V1, "app:v1"))
HAS_V1_TOO = host(on_host(V1, "app:v1", store="containerd"), store="containerd")
D = "delta"

# What the host has and did, the actions for V2's layers, under which digest staging has the last one then, the bytes to send and from where on.
DELTAS: list[t.Any] = [
    pytest.param(able(HAS_V1), [P, D], DELTA.diff_id, (DELTA.delta, 20, 0), id="the engine has the base"),
    pytest.param(able(HAS_V1_TOO), [P, D], DELTA.digest, (DELTA.delta, 20, 0), id="containerd store: the blob is made again"),
    pytest.param(able(podman(HAS_V1)), [P, D], DELTA.digest, (DELTA.delta, 20, 0), id="podman: the blob is made again"),
    pytest.param(able(host()), [S, S], DELTA.digest, (DELTA.digest, 200, 0), id="it has no base"),
    pytest.param({**able(HAS_V1), "distrusted": "it said so"}, [S, S], DELTA.digest, (DELTA.digest, 200, 0), id="it is not trusted to have what it shows"),
    pytest.param({**able(HAS_V1), "deltas_failed": "it said so"}, [P, S], DELTA.digest, (DELTA.digest, 200, 0), id="it could not do it in this run"),
    pytest.param(able(HAS_V1, delta=7), [P, D], DELTA.diff_id, (DELTA.delta, 20, 7), id="some of the delta is staged"),
    pytest.param(able(HAS_V1, delta=20), [P, D], DELTA.diff_id, None, id="all of the delta is staged"),
    pytest.param(able(HAS_V1, delta=21), [P, D], DELTA.diff_id, (DELTA.delta, 20, 0), id="more than the delta is staged"),
    pytest.param(able(HAS_V1, content=900), [P, T], DELTA.diff_id, None, id="what it makes is staged"),
    pytest.param(able(HAS_V1, content=899), [P, D], DELTA.diff_id, (DELTA.delta, 20, 0), id="what has its name is of another size"),
    pytest.param(able(HAS_V1_TOO, content=900), [P, D], DELTA.digest, (DELTA.delta, 20, 0), id="containerd store: content is no blob"),
    pytest.param(able(HAS_V1, new=200), [P, T], DELTA.digest, None, id="the layer is staged"),
    pytest.param(able(HAS_V1, new=190), [P, S], DELTA.digest, (DELTA.digest, 200, 190), id="less of the layer is left than the delta has"),
]  # fmt: skip


@pytest.mark.parametrize(("snapshot", "expected", "staged_as", "sent"), DELTAS)
def test_plans_with_a_delta(
    snapshot: dict[str, t.Any], expected: list[str], staged_as: str, sent: tuple[str, int, int] | None
) -> None:
    plan = _plan.make_plan([V2], snapshot, OFFERS, Wish())
    assert actions(plan) == [("load", expected)]
    layer = plan["images"][0]["layers"][1]
    assert layer["staged_as"] == staged_as
    assert tuple(plan["blobs"][-1].values() if plan["blobs"] else ()) == (sent or ())
    assert plan["bytes"][layer["action"]] >= SIZES["new"]
    assert _plan.uses_deltas(plan) == (layer["action"] == D)


def test_a_delta_is_applied_once_for_two_names_of_an_image() -> None:
    plan = _plan.make_plan([V2, dataclasses.replace(V2, name=f"{APP}:latest")], able(HAS_V1), OFFERS, Wish())
    assert actions(plan) == [("load", [P, D]), ("load", [P, T])]
    assert {entry["layers"][1]["staged_as"] for entry in plan["images"]} == {DELTA.diff_id}
    assert len(plan["blobs"]) == 1


@pytest.mark.parametrize(
    ("snapshot", "leftovers"),
    [
        pytest.param(able(HAS_V1, delta=7, new=20), [DELTA.digest], id="the delta is taken: the layer's beginning"),
        pytest.param(able(HAS_V1, delta=7, new=190), [DELTA.delta], id="the layer is taken: the delta"),
        pytest.param(able(HAS_V1, delta=20, content=900), [DELTA.delta], id="it is applied: the delta"),
        pytest.param(able(host(on_host(V2, "app:v2")), delta=7, content=900, new=1), sorted([DELTA.delta, DELTA.diff_id, DELTA.digest]), id="the image is there: all"),
    ],
)  # fmt: skip
def test_clears_away_what_the_other_way_had_brought(snapshot: dict[str, t.Any], leftovers: list[str]) -> None:
    assert _plan.make_plan([V2], snapshot, OFFERS, Wish())["leftovers"]["blobs"] == leftovers


def test_clears_away_what_was_half_done_when_a_run_was_killed() -> None:
    found = able(host(on_host(V2, "app:v2")))
    found["deltas"]["work"] = True
    assert _plan.make_plan([V2], found, OFFERS, Wish())["leftovers"]["work"] is True
