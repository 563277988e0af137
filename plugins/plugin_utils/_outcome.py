# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What a run did, told by the plan that it began with and the one that was carried out in the end. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.airlift.registry.plugins.plugin_utils._transport_choice import PUSH, REGISTRY


def told(
    planned: t.Mapping[str, t.Any], carried_out: t.Mapping[str, t.Any], pulled: t.Collection[str]
) -> dict[str, t.Any]:
    """The plan as it is reported: each image with its C(transport), empty when nothing had to be brought.

    I(pulled) are the IDs of images that came, or shall come, from a registry. In I(carried_out) the engine had these already; but for how it
    knows them, and what became of those that had the names before, they are told as I(planned).
    """
    before = {image["name"]: image for image in planned["images"]}
    images = []
    for image in carried_out["images"]:
        first = before[image["name"]]
        if image["id"] in pulled and first["action"] == "load":
            known = {key: image[key] for key in ("by_digest", "reference", "replaced")}
            images.append({**first, **known, "transport": REGISTRY})
        else:
            images.append({**image, "transport": PUSH if image["action"] == "load" else ""})
    return {**(planned if pulled else carried_out), "images": images}
