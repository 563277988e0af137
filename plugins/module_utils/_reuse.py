# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Which blob stands for a layer that was compressed here, when somebody else's blob has the same content. Plain data in and out.

A registry's image keeps its bytes, or it has another digest. The manifest of an image from an engine or a docker archive is made
here, so it may as well name a blob that is there already: one with the same diffID, from another image of the bundle or of a
bundle that the hosts have. Then the layer is stored once, whatever compressed it.
"""

from __future__ import annotations

import typing as t

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.plugins.module_utils._image import Layer

CONTENT, DIGEST = "content", "digest"


def stand_ins(offered: t.Iterable[Layer], with_zstd: bool) -> dict[str, Layer]:
    """For each diffID of the layers that are I(offered) the one to use: the smallest, and of equal ones the first digest.

    What is compressed with zstd counts only I(with_zstd), because it makes an image that old engines cannot load.
    """
    chosen: dict[str, Layer] = {}
    for layer in sorted(offered, key=lambda layer: (layer.blob.size, layer.blob.digest)):
        media_type = _oci.oci_layer_type(layer.blob.media_type)
        if with_zstd or not media_type.endswith("zstd"):
            blob = _oci.Descriptor(media_type, layer.blob.digest, layer.blob.size)
            chosen.setdefault(layer.diff_id, Layer(blob, layer.diff_id))
    return chosen


def reuse(layers: t.Sequence[Layer], chosen: t.Mapping[str, Layer]) -> tuple[Layer, ...]:
    """The layers, each replaced by the one that was chosen for its diffID, if one was."""
    return tuple(chosen.get(layer.diff_id, layer) for layer in layers)
