# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans: exactly what is lacking is sent, and once it is carried out there is nothing left to do."""

from __future__ import annotations

import typing as t

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airlift.registry.plugins.module_utils import _plan
from ansible_collections.airlift.registry.plugins.module_utils._image import Image, Layer
from ansible_collections.airlift.registry.plugins.module_utils._oci import (
    OCI_CONFIG,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    Descriptor,
    chain_ids,
    digest_of,
)

SIZES = {"base": 1000, "top": 100, "new": 200, "other": 50}


def digest(kind: str, name: str) -> str:
    return digest_of(f"{kind} {name}".encode())


LAYERS = {
    name: Layer(Descriptor(OCI_LAYER_GZIP, digest("blob", name), size), digest("diff", name))
    for name, size in SIZES.items()
}


def image(name: str, layers: t.Sequence[str]) -> Image:
    identity = "+".join(layers)
    manifest, config = digest("manifest", identity), digest("config", identity)
    return Image(
        f"docker.io/library/{name}",
        Descriptor(OCI_MANIFEST, manifest, 10),
        Descriptor(OCI_CONFIG, config, 10),
        "linux/amd64",
        "",
        tuple(LAYERS[layer] for layer in layers),
    )


names = st.sampled_from(["app:1", "app:2", "tool:1"])
stacks = st.lists(st.sampled_from(sorted(SIZES)), min_size=1, max_size=4)
wanted = st.lists(st.builds(image, names, stacks), min_size=1, max_size=3, unique_by=lambda found: found.name)
BLIND = "containerd, before the API that proves its content"
stores = st.sampled_from(["graph", "containerd", BLIND])


def snapshot(
    store: str, images: t.Mapping[str, Image], tags: t.Mapping[str, str], staged: t.Mapping[str, int]
) -> dict[str, t.Any]:
    """What a host answers: images by ID, the ID that each tag means, and bytes of staged blobs by digest."""
    listed = [
        {
            "id": image_id,
            "tags": sorted(tag for tag, target in tags.items() if target == image_id),
            "digests": [],
            "layers": [layer.diff_id for layer in found.layers],
            "whole": True,
        }
        for image_id, found in images.items()
    ]
    return {
        "engine": {
            "product": "docker",
            "platform": "linux/amd64",
            "store": store.partition(",")[0],
            "proves_content": store == "containerd",
        },
        "images": listed,
        "staged": dict(staged),
    }


def identity(store: str, found: Image) -> str:
    return found.config.digest if store == "graph" else found.manifest.digest


@st.composite
def hosts(draw: st.DrawFn) -> tuple[str, dict[str, Image], dict[str, str], dict[str, int]]:
    """An engine with images, some of them named, and a staging with whole, cut and too long blobs."""
    store = draw(stores)
    found = draw(st.lists(st.builds(image, names, stacks), max_size=3))
    images = {identity(store, entry): entry for entry in found}
    tags = {entry.name: identity(store, entry) for entry in found if draw(st.booleans())}
    staged = draw(st.dictionaries(st.sampled_from(sorted(SIZES)), st.sampled_from([0, 40, 50, 100, 200, 1000, 1001])))
    return store, images, tags, {digest("blob", name): size for name, size in staged.items()}


def lacking(
    store: str, images: t.Mapping[str, Image], staged: t.Mapping[str, int], found: t.Sequence[Image]
) -> set[str]:
    """The layers that neither the engine nor staging has, said in another way than the plan does."""
    stacks = {
        tuple(layer.diff_id for layer in image.layers[: depth + 1])
        for image in images.values()
        for depth in range(len(image.layers))
    }
    contents = {layer.diff_id for image in images.values() for layer in image.layers}
    missing = set()
    for image in found:
        if identity(store, image) in images:
            continue
        for depth, layer in enumerate(image.layers):
            has_stack = store == "graph" and tuple(entry.diff_id for entry in image.layers[: depth + 1]) in stacks
            is_there = has_stack or (store == "containerd" and layer.diff_id in contents)
            if not is_there and staged.get(layer.blob.digest) != layer.blob.size:
                missing.add(layer.blob.digest)
    return missing


@given(hosts(), wanted)
def test_sends_exactly_what_is_lacking(host: tuple[str, t.Any, t.Any, t.Any], found: list[Image]) -> None:
    store, images, tags, staged = host
    plan = _plan.make_plan(found, snapshot(store, images, tags, staged))
    sent = [blob["digest"] for blob in plan["blobs"]]
    assert len(sent) == len(set(sent))
    assert set(sent) == lacking(store, images, staged, found)
    assert plan["bytes"]["send"] == sum(blob["size"] for blob in plan["blobs"])
    for blob in plan["blobs"]:
        # More than was staged cannot be skipped, nor all of a blob that must be sent.
        assert blob["offset"] in (0, staged.get(blob["digest"]))
        assert blob["offset"] < blob["size"]


@given(hosts(), wanted)
def test_a_second_plan_changes_nothing(host: tuple[str, t.Any, t.Any, t.Any], found: list[Image]) -> None:
    store, images, tags, staged = host
    first = _plan.make_plan(found, snapshot(store, images, tags, staged))
    images = {**images, **{identity(store, entry): entry for entry in found}}
    tags = {**tags, **{entry["name"]: entry["id"] for entry in first["images"]}}
    second = _plan.make_plan(found, snapshot(store, images, tags, {}))
    assert not _plan.is_change(second)
    assert second["blobs"] == []
    assert second["leftovers"] == {"tags": [], "blobs": [], "work": False}


@given(hosts(), wanted)
def test_order_decides_nothing_but_the_order(host: tuple[str, t.Any, t.Any, t.Any], found: list[Image]) -> None:
    there = snapshot(*host)
    forth, back = _plan.make_plan(found, there), _plan.make_plan(found[::-1], there)
    assert {entry["name"]: entry["action"] for entry in forth["images"]} == {
        entry["name"]: entry["action"] for entry in back["images"]
    }
    assert forth["bytes"]["send"] == back["bytes"]["send"]


@given(st.lists(stacks.map(tuple), min_size=2, max_size=2, unique=True))
def test_two_stacks_have_two_chains(found: list[tuple[str, ...]]) -> None:
    one, other = ([digest("diff", name) for name in stack] for stack in found)
    assert chain_ids(one)[-1] != chain_ids(other)[-1]
