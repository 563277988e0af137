# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What an image is here: plain data, the same whether a bundle is being made, read or planned for a host."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._oci import Descriptor
from ansible_collections.airlift.registry.plugins.module_utils._reference import normalize


@dataclass(frozen=True)
class Layer:
    """One layer: its blob, and the diffID of what is inside."""

    blob: Descriptor
    diff_id: str


@dataclass(frozen=True)
class Image:
    """One platform of what one name (a full reference) means.

    C(index) is the index of several platforms that the name means, or nothing when it means this manifest itself.
    """

    name: str
    manifest: Descriptor
    config: Descriptor
    platform: str
    created: str
    layers: tuple[Layer, ...]
    index: Descriptor | None = None

    @property
    def target(self) -> Descriptor:
        """What the name means: the index, or the manifest."""
        return self.index or self.manifest

    @property
    def size(self) -> int:
        """The bytes of all its blobs."""
        return self.manifest.size + self.config.size + sum(layer.blob.size for layer in self.layers)


def select(images: t.Sequence[Image], names: t.Sequence[str], where: str) -> tuple[Image, ...]:
    """The images of these names on all their platforms, all when I(names) is empty; raises InputError for one that is not there."""
    wanted = [normalize(name) for name in names]
    here = {image.name for image in images}
    for name in wanted:
        if name not in here:
            raise InputError(
                f"{where} has no image {name}", f"It has {', '.join(sorted(here))}. Correct the list of images."
            )
    return tuple(image for image in images if not wanted or image.name in wanted)
