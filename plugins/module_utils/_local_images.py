# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What the images of one engine share: their layers by chainID, whose bytes are whose, and the history with its sizes.

Plain data in, plain data out. A layer with all below it has one chainID; engines store each once, whatever images have it.
Sizes come from the history, which tells them by step and not by layer. Where steps and layers cannot be matched, a size is None.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._oci import chain_ids
from ansible_collections.airlift.registry.plugins.module_utils._reference import normalize

# What builders note of instructions that never make a layer: Docker's first builder and buildah behind a shell comment, BuildKit as they are.
_NO_LAYER = re.compile(
    r"(?:/bin/sh -c #\(nop\)\s+)?"
    r"(?:ARG|CMD|ENTRYPOINT|ENV|EXPOSE|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|SHELL|STOPSIGNAL|USER|VOLUME)\s"
)
_SHORT_ID = re.compile(r"(?:sha256:)?[0-9a-f]{12,64}")

Image = t.Mapping[str, t.Any]
Sizes = t.Mapping[str, t.Optional[int]]


def names_of(image: Image) -> list[str]:
    """What an image is called: its tags, and its references by digest in repositories where it has no tag."""
    tagged = {tag.rpartition(":")[0] for tag in image["tags"]}
    return [*image["tags"], *(name for name in image["digests"] if name.partition("@")[0] not in tagged)]


def label_of(image: Image) -> str:
    """One word for an image: its first name, or its ID when it has none."""
    return next(iter(names_of(image)), t.cast(str, image["id"]))


def select(images: t.Sequence[Image], wanted: t.Sequence[str]) -> list[Image]:
    """The images that are wanted, by name, by C(repository@digest) or by ID (whole, or its first twelve digits or more); all when nothing is."""
    return [image for image in images if not wanted or any(_is_called(image, text) for text in wanted)]


def describe(
    images: t.Sequence[Image], containers: t.Sequence[t.Mapping[str, str]], wanted: t.Sequence[str] = ()
) -> list[dict[str, t.Any]]:
    """The wanted images with their C(layers) (bottom first), C(history), C(containers) and bytes.

    I(images) and I(containers) are all that EngineStorage tells. C(size) is in bytes, of the unpacked layers; C(unique_size) is what no other image
    has, C(shared_size) what others have too; both are None when the engine leaves the size of such a layer open.
    """
    sizes, users = layer_sizes(images), chain_users(images)
    return [_describe(image, sizes, users, containers) for image in select(images, wanted)]


def totals(images: t.Sequence[Image]) -> dict[str, int]:
    """All images together: C(images), C(layers), C(size) of the layers (bytes, each layer once), C(saved) (bytes that sharing saves).

    C(unknown) is the number of layers whose size the engine leaves open; they are in no sum.
    """
    sizes = layer_sizes(images)
    each = sum(sizes[chain] or 0 for image in images for chain in chain_ids(image["layers"]))
    once = sum(size or 0 for size in sizes.values())
    unknown = sum(size is None for size in sizes.values())
    return {"images": len(images), "layers": len(sizes), "size": once, "saved": each - once, "unknown": unknown}


def layer_sizes(images: t.Iterable[Image]) -> dict[str, int | None]:
    """Bytes of each layer, by chainID. One image may tell what the history of another leaves open."""
    sizes: dict[str, int | None] = {}
    for image in images:
        steps, chains = image["steps"], chain_ids(image["layers"])
        matched = layer_steps(steps, len(chains))
        for number, chain in enumerate(chains):
            size = steps[matched[number]]["size"] if matched else None
            sizes[chain] = sizes.get(chain) if size is None else size
    return sizes


def layer_steps(steps: t.Sequence[t.Mapping[str, t.Any]], count: int) -> list[int] | None:
    """The positions of the steps that made the I(count) layers, bottom first; None when that cannot be told.

    A step with bytes made a layer, and one such as ENV did not. Any other step without bytes may have made a layer of nothing but directories.
    """
    sure = [number for number, step in enumerate(steps) if step["size"]]
    possible = [number for number, step in enumerate(steps) if step["size"] or not _NO_LAYER.match(step["created_by"])]
    return next((found for found in (sure, possible) if len(found) == count), None)


def chain_users(images: t.Iterable[Image]) -> dict[str, list[Image]]:
    """Which images have a layer, by chainID."""
    users: dict[str, list[Image]] = {}
    for image in images:
        for chain in chain_ids(image["layers"]):
            users.setdefault(chain, []).append(image)
    return users


def bytes_of(chains: t.Iterable[str], sizes: Sizes) -> int | None:
    """The bytes of some layers; None when the engine leaves one open."""
    found = [sizes[chain] for chain in chains]
    return None if None in found else sum(size or 0 for size in found)


def used_by(image: Image, containers: t.Iterable[t.Mapping[str, str]]) -> list[dict[str, str]]:
    """The containers of an image, each with C(id), C(name) and C(state)."""
    return [
        {key: container[key] for key in ("id", "name", "state")}
        for container in containers
        if container["image"] == image["id"]
    ]


def _describe(
    image: Image, sizes: Sizes, users: t.Mapping[str, list[Image]], containers: t.Sequence[t.Mapping[str, str]]
) -> dict[str, t.Any]:
    chains = chain_ids(image["layers"])
    shared = [chain for chain in chains if len(users[chain]) > 1]
    return {
        **{key: image[key] for key in ("id", "tags", "digests", "created", "platform", "whole", "engine_size")},
        "size": sum(step["size"] for step in image["steps"]) if image["steps"] else None,
        "unique_size": bytes_of((chain for chain in chains if chain not in shared), sizes),
        "shared_size": bytes_of(shared, sizes),
        "layers": [
            {
                "diff_id": diff_id,
                "chain_id": chain,
                "size": sizes[chain],
                "shared_with": sorted(label_of(other) for other in users[chain] if other["id"] != image["id"]),
            }
            for diff_id, chain in zip(image["layers"], chains)
        ],
        "history": _history(image),
        "containers": used_by(image, containers),
    }


def _history(image: Image) -> list[dict[str, t.Any]]:
    """The steps, the first one first. C(empty_layer) and C(diff_id) are None where it cannot be told whether a step made a layer, or which."""
    steps, layers = image["steps"], image["layers"]
    matched = layer_steps(steps, len(layers))
    diff_ids = dict(zip(matched or (), layers))
    return [
        {
            **step,
            "empty_layer": number not in diff_ids if matched is not None else _is_empty(step),
            "diff_id": diff_ids.get(number),
        }
        for number, step in enumerate(steps)
    ]


def _is_empty(step: t.Mapping[str, t.Any]) -> bool | None:
    return False if step["size"] else bool(_NO_LAYER.match(step["created_by"])) or None


def _is_called(image: Image, text: str) -> bool:
    if _SHORT_ID.fullmatch(text) and image["id"].partition(":")[2].startswith(text.removeprefix("sha256:")):
        return True
    return normalize(text) in (*image["tags"], *image["digests"])
