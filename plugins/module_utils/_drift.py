# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Drift: what the images of an engine are, compared with what locks say that they should be. Plain data in, plain data out."""

from __future__ import annotations

import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._local_images import names_of
from ansible_collections.airlift.registry.plugins.module_utils._plan import is_temporary

Image = t.Mapping[str, t.Any]
# An image of a lock: C(lock) (the file that it is from), C(name), C(platform), C(digest), C(config), and C(index), which may be empty.
Locked = t.Mapping[str, str]


def drift(locked: t.Sequence[Locked], images: t.Sequence[Image], platform: str) -> dict[str, t.Any]:
    """Compare the locks' images for I(platform) (C(os/architecture)) with those of an engine.

    C(images) has each with its C(state), C(present), C(missing), C(different) or C(incomplete), and the reason; C(extra) the images with the names
    that no lock has, on whatever platform; C(matches) tells whether all are present and none is extra.
    """
    compared = [_compare(entry, images) for entry in locked if is_for(entry, platform)]
    extra = _extra(locked, images)
    return {
        "images": compared,
        "extra": extra,
        "matches": not extra and all(entry["state"] == "present" for entry in compared),
    }


def is_for(entry: Locked, platform: str) -> bool:
    """Whether an engine of this platform runs the image, whatever the variant."""
    return entry["platform"].split("/")[:2] == platform.split("/")[:2]


def is_image(entry: Locked, image: Image) -> bool:
    """Whether an engine's image is the one of the lock.

    Its ID is the config's digest on graph drivers and in podman, and on the containerd store the digest of the manifest or of the index that the
    name means. They are digests of different documents, so one cannot be taken for another. An image that was pulled by its index is the
    lock's if the store has the lock's manifest of it.
    """
    return image["id"] in (entry["config"], entry["digest"], entry["index"]) or entry["digest"] in image["manifests"]


def _compare(entry: Locked, images: t.Sequence[Image]) -> dict[str, t.Any]:
    named = next((image for image in images if entry["name"] in (*image["tags"], *image["digests"])), None)
    meant = next((image for image in images if is_image(entry, image)), None)
    if named is None and "@" in entry["name"]:
        # A graph driver keeps no name by digest for an image that was loaded; it is there by its ID.
        named = meant
    state, reason = _state(entry, named, meant)
    found = named["id"] if named else None
    return {**{key: entry[key] for key in ("lock", "name", "platform")}, "id": found, "state": state, "reason": reason}


def _state(entry: Locked, named: Image | None, meant: Image | None) -> tuple[str, str]:
    elsewhere = "the lock's image is there without this name" if meant else "the lock's image is not there"
    if named is None:
        return "missing", elsewhere
    if not is_image(entry, named):
        return "different", f"the name means another image, and {elsewhere}"
    if not named["whole"]:
        return "incomplete", "the engine lists the image and lacks some of its layers"
    return "present", "the name means the lock's image, and the engine has all its layers"


def _extra(locked: t.Sequence[Locked], images: t.Sequence[Image]) -> list[dict[str, t.Any]]:
    names = {entry["name"] for entry in locked}
    extra = []
    for image in images:
        here = names_of(image)
        unknown = [name for name in here if name not in names and not is_temporary(name)]
        # One without a name is extra only if it is no image of the locks at all.
        if unknown or (not here and not any(is_image(entry, image) for entry in locked)):
            extra.append({"id": image["id"], "names": unknown})
    return extra
