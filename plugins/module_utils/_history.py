# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The history of an image, as C(docker history) shows it: each step of the build with the layer that it made."""

from __future__ import annotations

import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._image import Layer
from ansible_collections.airlift.registry.plugins.module_utils._oci import parse_document

_TEXTS = ("created", "created_by", "author", "comment")


def history(config: bytes, layers: t.Sequence[Layer], what: str) -> list[dict[str, t.Any]]:
    """The steps, first one first (image specification, "Image configuration": history). I(what) names the config in errors.

    A step has C(created), C(created_by), C(author) and C(comment), empty where the config does not say, and C(digest), C(diff_id) and
    C(size) (bytes, as stored) of its layer, if it made one. The history is what the builder chose to write: an image whose
    steps do not add up to its layers has each layer as a step of which nothing is known.
    """
    entries = parse_document(config, what).get("history")
    entries = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    if len([entry for entry in entries if not entry.get("empty_layer")]) != len(layers):
        entries = [{} for _layer in layers]
    remaining = iter(layers)
    return [_step(entry, None if entry.get("empty_layer") else next(remaining)) for entry in entries]


def _step(entry: t.Mapping[str, t.Any], layer: Layer | None) -> dict[str, t.Any]:
    texts = {key: value if isinstance(value := entry.get(key), str) else "" for key in _TEXTS}
    return {
        **texts,
        "digest": layer.blob.digest if layer else None,
        "diff_id": layer.diff_id if layer else None,
        "size": layer.blob.size if layer else 0,
    }
