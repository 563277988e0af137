# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The layers of several bundles together: each is taken from whichever bundle has it, in whatever order they were given."""

from __future__ import annotations

import io
import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils._bundle import Bundle, unpacked_size, usual_size
from ansible_collections.airlift.registry.plugins.module_utils._delta_choice import Offer
from ansible_collections.airlift.registry.plugins.module_utils._deltas import Delta
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError, InputError
from ansible_collections.airlift.registry.plugins.module_utils._footprint import SAMPLE, Footprint, footprint
from ansible_collections.airlift.registry.plugins.module_utils._image import Image, Layer, select
from ansible_collections.airlift.registry.plugins.module_utils._layout import blob_name
from ansible_collections.airlift.registry.plugins.module_utils._lock import LockedBase
from ansible_collections.airlift.registry.plugins.module_utils._restore import Restorer, usable_layers


@dataclass(frozen=True)
class Need:
    """A layer that must come from a bundle, and the image that needs it."""

    image: str
    digest: str


class Pool:
    """The layers of these bundles."""

    def __init__(self, bundles: t.Sequence[Bundle], restorer: Restorer) -> None:
        self._restorer = restorer
        self._homes: dict[str, Bundle] = {}
        self._bases: dict[str, LockedBase] = {}
        self._deltas: dict[str, tuple[Delta, Bundle]] = {}
        self._patches = {delta.delta: bundle for bundle in bundles for delta in bundle.deltas.deltas}
        self._all_deltas = {delta.digest: delta for bundle in reversed(bundles) for delta in bundle.deltas.deltas}
        self._contents = {diff_id: bundle for bundle in bundles for diff_id in usable_layers(bundle)}
        for bundle in bundles:
            named = {base.id: base for base in bundle.lock.bases}
            for blob in bundle.lock.blobs:
                if blob.digest in bundle.deltas.instead:
                    self._add_delta(bundle.deltas.instead[blob.digest], bundle)
                elif blob.base:
                    self._bases.setdefault(blob.digest, named[blob.base])
                else:
                    self._homes.setdefault(blob.digest, bundle)

    def home(self, digest: str) -> Bundle:
        """The bundle that has the layer, restored from its delta if need be, or the delta of offers(). Only for layers that check() found."""
        if digest in self._patches:
            return self._patches[digest]
        if digest not in self._homes:
            delta, bundle = self._deltas[digest]
            self._homes[digest] = self._restorer.restore(delta, bundle, self._contents[delta.base_diff_id])
        return self._homes[digest]

    def offers(self) -> dict[str, Offer]:
        """The deltas that a host may be sent instead of a layer, by the layer's digest."""
        return {digest: Offer(delta, not self._has_layer(digest)) for digest, delta in self._all_deltas.items()}

    def _has_layer(self, digest: str) -> bool:
        return digest in self._homes or digest in self._deltas

    def check(self, needs: t.Iterable[Need], who: str) -> None:
        """Raise BundleError when a layer is in none of the bundles; I(who) lacks it. It says which bundle has it."""
        missing = [need for need in needs if not self._has_layer(need.digest)]
        if not missing:
            return
        bases = {need.digest: self._bases[need.digest] for need in missing}
        first = missing[0]
        more = f", and {len(bases) - 1} more" if len(bases) > 1 else ""
        names = ", ".join(sorted({_describe(base) for base in bases.values()}))
        raise BundleError(
            f"{who} lacks layer {first.digest} of image {first.image}{more}, which the given bundles left out or have only as a delta. "
            f"What has it is {_describe(bases[first.digest])}",
            f"Give {names} too, in any order, or make a bundle without bases.",
        )

    def footprint(self, layer: Layer, is_content: bool = False) -> Footprint:
        """About how much room a layer takes on a host; with I(is_content) one that its delta made there, uncompressed."""
        blob, bundle = layer.blob, self._homes.get(layer.blob.digest)
        if blob.digest in self._all_deltas and (is_content or not bundle):
            unpacked = self._all_deltas[blob.digest].unpacked
            return footprint(unpacked if is_content else blob.size, unpacked, None)
        if not bundle:
            return footprint(blob.size, usual_size(blob.size), None)
        sample = b"".join(bundle.files.chunks(blob_name(blob.digest), 0, min(blob.size, SAMPLE)))
        return footprint(blob.size, unpacked_size(bundle.files, layer), io.BytesIO(sample))

    def _add_delta(self, delta: Delta, bundle: Bundle) -> None:
        """Note a delta: it can be used when its base is here, else whoever needs it is told where that is."""
        if delta.base_diff_id in self._contents:
            self._deltas[delta.digest] = delta, bundle
        else:
            self._bases[delta.digest] = LockedBase(delta.bundle, delta.bundle_name)


def choose_images(bundles: t.Sequence[Bundle], names: t.Sequence[str]) -> dict[Image, Bundle]:
    """The images of these names (all when I(names) is empty), each with the bundle that it is in; raises InputError."""
    if not bundles:
        raise InputError("No bundle was given", "Set path to one bundle or several.")
    images = [(image, bundle) for bundle in bundles for image in bundle.images]
    selected = set(
        select(
            [image for image, _bundle in images], names, f"Bundle {', '.join(bundle.files.path for bundle in bundles)}"
        )
    )
    chosen: dict[tuple[str, str], tuple[Image, Bundle]] = {}
    for image, bundle in images:
        known = chosen.setdefault((image.name, image.platform), (image, bundle))
        if known[0].manifest != image.manifest and image in selected:
            raise InputError(
                f"{image.name} is another image in {bundle.files.path} than in {known[1].files.path}",
                "Give the bundle that you mean, or choose images that only one of them has.",
            )
    return dict(found for found in chosen.values() if found[0] in selected)


def _describe(base: LockedBase) -> str:
    return f"bundle {base.name} ({base.id})"
