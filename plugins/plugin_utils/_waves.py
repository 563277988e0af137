# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Waves: images of a plan that are loaded while others are still on their way. Only the plan is looked at, no host.

A wave is loaded and proven under temporary names. What it brought to the engine is left out of later waves; all names are given at the end.
"""

from __future__ import annotations

import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._oci import chain_ids
from ansible_collections.airlift.registry.plugins.module_utils._plan import temporary_name

# Bytes that make a run of the module worth its while, and that are still to come then; below that the last run does it all.
LEAST = 8 * 1024 * 1024

Plan = t.Mapping[str, t.Any]
Layer = t.Mapping[str, t.Any]
Image = t.Mapping[str, t.Any]


class Wave(t.NamedTuple):
    """A C(plan) of its own for the images of these C(ids)."""

    ids: frozenset[str]
    plan: dict[str, t.Any]


def sending_order(plan: Plan) -> list[str]:
    """The digests of the plan's blobs, image by image. The next is always the one that lacks most, so that little is left to load after the last byte."""
    left = {blob["digest"]: blob["size"] - blob["offset"] for blob in plan["blobs"]}
    images = [[layer["digest"] for layer in image["layers"] if layer["digest"] in left] for image in _loads(plan)]
    order: dict[str, None] = {}
    while images:
        largest = max(images, key=lambda digests: sum(left[digest] for digest in {*digests} - order.keys()))
        images.remove(largest)
        order.update(dict.fromkeys(largest))
    return list({**order, **left})


class Waves:
    """Follows one plan: what has arrived, what is loaded."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._left = sum(blob["size"] - blob["offset"] for blob in plan["blobs"])
        self._here = _staged(plan)
        self._loaded: set[str] = set()
        self._used: set[str] = set()  # in staging, by waves

    def arrived(self, digest: str, size: int) -> None:
        """A blob is whole in staging; I(size) bytes of it came just now."""
        self._here.add(digest)
        self._left -= size

    def next(self) -> Wave | None:
        """The images that can be loaded now, if that pays."""
        images = [image for image in self._rest() if image["action"] == "load" and self._is_here(image)]
        blobs = {layer["digest"]: layer["size"] for image in images for layer in _needed(image)}
        if self._left < LEAST or sum(blobs.values()) < LEAST:
            return None
        return Wave(frozenset(image["id"] for image in images), {**self._plan, "images": images})

    def loaded(self, wave: Wave) -> None:
        """The engine has been proven to have a wave."""
        self._loaded |= wave.ids
        self._used |= {layer["staged_as"] for image in wave.plan["images"] for layer in _needed(image)}

    def rest(self) -> dict[str, t.Any]:
        """The plan for what is left to do: load the others, and give all names."""
        leftovers = self._plan["leftovers"]
        tags = sorted({*leftovers["tags"], *map(temporary_name, self._loaded)})
        blobs = sorted({*leftovers["blobs"], *self._used})
        return {**self._plan, "images": self._rest(), "leftovers": {**leftovers, "tags": tags, "blobs": blobs}}

    def _rest(self) -> list[dict[str, t.Any]]:
        """The images, of which those that are loaded only have to be named, and the others may come without the layers that those have."""
        images, loaded = self._plan["images"], self._loaded
        known = {key for image in images if image["id"] in loaded and self._plan["thin"] for key in _keys(image)}
        return [
            {**image, "action": "retag"} if image["id"] in loaded else {**image, "layers": _without(image, known)}
            for image in images
        ]

    def _is_here(self, image: Image) -> bool:
        return all(layer["action"] != "delta" and layer["digest"] in self._here for layer in _needed(image))


def _without(image: Image, known: t.Collection[tuple[str, str]]) -> list[Layer]:
    return [
        {**layer, "action": "present"} if key in known else layer for layer, key in zip(image["layers"], _keys(image))
    ]


def _keys(image: Image) -> list[tuple[str, str]]:
    """By what engines know layers: those with a graph driver by what lies below too, those with the containerd store by the compressed blob."""
    chains = chain_ids([layer["diff_id"] for layer in image["layers"]])
    return [(chain, layer["digest"]) for chain, layer in zip(chains, image["layers"])]


def _loads(plan: Plan) -> list[Image]:
    return [image for image in plan["images"] if image["action"] == "load"]


def _needed(image: Image) -> list[Layer]:
    return [layer for layer in image["layers"] if layer["action"] != "present"]


def _staged(plan: Plan) -> set[str]:
    """The blobs that an earlier run left in staging: those that nothing in this plan brings."""
    layers = [layer for image in _loads(plan) for layer in image["layers"]]
    coming = {blob["digest"] for blob in plan["blobs"]}
    made = {layer["digest"] for layer in layers if layer["action"] == "delta"}
    return {layer["digest"] for layer in layers if layer["action"] == "staged"} - coming - made
