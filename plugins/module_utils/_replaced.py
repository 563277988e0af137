# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What becomes of an image whose name now means another one. Plain data in, plain data out."""

from __future__ import annotations

import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._plan import is_temporary
from ansible_collections.airlift.registry.plugins.module_utils._reference import repository_of

KEEP, REMOVE = "keep", "remove"


def plan_replaced(plan: dict[str, t.Any], snapshot: t.Mapping[str, t.Any]) -> None:
    """Set C(replaced) of each image of the plan: None, or what becomes of the image that the name meant before.

    That is its C(id), the C(action) C(keep) or C(remove), the C(reason), and C(bytes_freed), which is not known before. C(containers) of I(snapshot) are the
    host's containers when such images are to be removed, None when they are to be kept.
    """
    for image in plan["images"]:
        old = image["before"]
        image["replaced"] = _decide(old, plan["images"], snapshot) if old and old != image["id"] else None


def to_remove(plan: t.Mapping[str, t.Any]) -> list[str]:
    """The IDs of the images that are to go once the names mean the new ones."""
    replaced = [image["replaced"] for image in plan["images"] if image["replaced"]]
    return sorted({entry["id"] for entry in replaced if entry["action"] == REMOVE})


def note_outcome(plan: dict[str, t.Any], outcomes: t.Mapping[str, t.Mapping[str, t.Any]]) -> None:
    """Put what really became of them, by ID, in the place of what was planned."""
    for image in plan["images"]:
        if image["replaced"]:
            image["replaced"].update(outcomes.get(image["replaced"]["id"], {}))


def _decide(old: str, images: t.Sequence[t.Mapping[str, t.Any]], snapshot: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    reason = _reason_to_keep(old, images, snapshot)
    action = KEEP if reason else REMOVE
    return {
        "id": old,
        "action": action,
        "reason": reason or "no name means it, no container uses it",
        "bytes_freed": None,
    }


def _reason_to_keep(old: str, images: t.Sequence[t.Mapping[str, t.Any]], snapshot: t.Mapping[str, t.Any]) -> str:
    if snapshot["containers"] is None:
        return "replaced images are kept"
    names = _names(old, images, snapshot)
    if names:
        return f"{names[0]} means it too"
    users = [container["name"] for container in snapshot["containers"] if container["image"] == old]
    return f"container {users[0]} uses it" if users else ""


def _names(old: str, images: t.Sequence[t.Mapping[str, t.Any]], snapshot: t.Mapping[str, t.Any]) -> list[str]:
    """What will still mean the old image. Its digest in a repository whose tag moves is no name that anybody gave it."""
    tags = {tag: image["id"] for image in snapshot["images"] for tag in image["tags"] if not is_temporary(tag)}
    tags.update((image["name"], image["id"]) for image in images)
    moved = {repository_of(image["name"]) for image in images if image["before"] == old}
    digests = [name for image in snapshot["images"] if image["id"] == old for name in image["digests"]]
    return sorted(
        [
            *(tag for tag, image_id in tags.items() if image_id == old),
            *(name for name in digests if repository_of(name) not in moved),
        ]
    )
