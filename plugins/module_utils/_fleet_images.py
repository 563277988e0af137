# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The images and bytes of one host in the fleet's report, from what image_preload answered. Plain data in, plain data out."""

from __future__ import annotations

import typing as t

Answer = t.Mapping[str, t.Any]

# What needs a hand comes first, what is as it should be last.
IMAGE_STATES = ("unproven", "missing", "incomplete", "different", "loaded", "renamed", "present")
TRAFFIC = ("sent", "pulled", "swarm", "wasted")
_DONE = {"load": "loaded", "retag": "renamed", "present": "present"}


def images_of(answer: Answer) -> list[dict[str, t.Any]]:
    """The images of an answer, without their layers: C(size) and C(lacking) are bytes of compressed layers, each layer once."""
    return [
        {
            **{key: image.get(key) for key in ("name", "reason", "id", "before", "action")},
            "size": sum(_layers([image]).values()),
            "lacking": sum(_layers([image], lambda layer: layer["action"] != "present").values()),
        }
        for image in answer.get("images") or []
    ]


def state_of(image: Answer, host_state: str) -> str:
    """The state of an image on a host: what was done; on a host that was only asked, how it differs; after a failure, what is certain."""
    action = image["action"]
    if action == "present":
        return "present"
    if host_state == "changed":
        return _DONE[action]
    if host_state in ("failed", "unreachable"):
        return "unproven"
    if image["before"] is None:
        return "missing"
    return "incomplete" if image["before"] == image["id"] else "different"


def byte_counts(plan: Answer, result: Answer, is_begun: bool) -> dict[str, t.Any] | None:
    """Bytes of compressed layers, each layer once; None when nothing is known of the host's layers.

    C(asked_for) are the layers of all images that were asked for, and C(archives) those of the images that had to be loaded or renamed: what whole
    archives of just these, equally compressed, would have sent. C(present) and C(staged) are the answer's own, but for what the swarm of this run has
    staged. C(lacking) are the other layers, and C(to_send) is what these take, as themselves or as deltas. C(sent), C(pulled), C(swarm) and C(wasted)
    are the answer's C(bytes_sent) and so on, None when a failure hides them. C(saved) is C(archives) without C(sent), C(pulled) and C(swarm), or
    without C(to_send) as long as nothing was begun; layers that came twice can make it negative. It is None after a failure, which has saved nothing.
    """
    if not plan.get("bytes"):
        return None
    images, found = plan["images"], plan["bytes"]
    archives = sum(_layers([image for image in images if image["action"] != "present"]).values())
    to_send = found["send"] + _delta_bytes(images)
    traffic = {key: result.get(f"bytes_{key}") if is_begun else 0 for key in TRAFFIC}
    cost = to_send if not is_begun else came(traffic) if "images" in result else None
    # Staging had these when the plan was made that was carried out, but not when the run began.
    fed = min((traffic["swarm"] or 0) if plan is result else 0, found["staged"])
    return {
        "asked_for": sum(_layers(images).values()),
        "archives": archives,
        "present": found["present"],
        "staged": found["staged"] - fed,
        "lacking": found["send"] + found["delta"] + fed,
        "to_send": to_send + fed,
        **traffic,
        "saved": archives - cost if cost is not None else None,
    }


def came(counts: Answer) -> int | None:
    """Bytes that a host got, in whatever way; None when that is not known."""
    return None if counts["sent"] is None else sum(counts[key] for key in ("sent", "pulled", "swarm"))


def _delta_bytes(images: t.Iterable[Answer]) -> int:
    """Of the deltas themselves, each once."""
    deltas = [layer["delta"] for image in images for layer in image["layers"] if layer["action"] == "delta"]
    return sum({delta["blob"]: delta["size"] for delta in deltas}.values())


def _layers(images: t.Iterable[Answer], is_wanted: t.Callable[[Answer], bool] = lambda _layer: True) -> dict[str, int]:
    """Sizes by digest."""
    return {
        layer["digest"]: layer["size"] for image in images for layer in image.get("layers") or [] if is_wanted(layer)
    }
