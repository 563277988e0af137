# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What the controller asks of a host once its plan is made."""

from __future__ import annotations

import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._bundle import Bundle
from ansible_collections.airlift.registry.plugins.module_utils._image import Image
from ansible_collections.airlift.registry.plugins.module_utils._layout import blob_name
from ansible_collections.airlift.registry.plugins.module_utils._oci import MAX_DOCUMENT
from ansible_collections.airlift.registry.plugins.module_utils._replaced import to_remove
from ansible_collections.airlift.registry.plugins.plugin_utils._survey import Survey


def request_of(found: Survey, link_speed: int, is_last: bool = True) -> dict[str, t.Any]:
    """What the host needs to carry out the plan: the small documents themselves, the layers by digest, and the speed of the link to note, if any.

    One that is not the last has the host load and prove the images, and nothing else.
    """
    by_name = {image.name: (image, bundle) for image, bundle in found.images.items()}
    entries = []
    for entry in found.plan["images"]:
        image, bundle = by_name[entry["name"]]
        request = {"name": entry["name"], "id": entry["id"], "action": entry["action"]}
        if entry["action"] == "load":
            request.update(
                manifest=bundle.files.read(blob_name(image.manifest.digest), MAX_DOCUMENT).decode(),
                manifest_digest=image.manifest.digest,
                config=bundle.files.read(blob_name(image.config.digest), MAX_DOCUMENT).decode(),
                config_digest=image.config.digest,
                platform=image.platform,
                **_index(bundle, image, entry["id"]),
                diff_ids=[layer["diff_id"] for layer in entry["layers"]],
                **_brought([layer for layer in entry["layers"] if layer["action"] != "present"]),
            )
        entries.append(request)
    return {
        "images": entries,
        "leftovers": found.plan["leftovers"],
        "replaced": to_remove(found.plan),
        "record": found.record,
        "link_speed": link_speed,
        "is_last": is_last,
    }


def _brought(layers: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, t.Any]:
    """The layers that go into the engine, by the digests that they have in staging; those of them that go in uncompressed; the deltas to make any of."""
    return {
        "include": [layer["staged_as"] for layer in layers],
        "contents": {layer["digest"]: layer["staged_as"] for layer in layers if layer["staged_as"] != layer["digest"]},
        "deltas": [layer["delta"] for layer in layers if layer["action"] == "delta"],
    }


def _index(bundle: Bundle, image: Image, image_id: str) -> dict[str, str]:
    """The index, for an engine that shall know the image by it."""
    if image.index is None or image.index.digest != image_id:
        return {}
    index = bundle.files.read(blob_name(image_id), MAX_DOCUMENT).decode()
    return {"index": index, "index_digest": image_id}
