# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Whether a host gets a layer as a delta, and why. A pure function of what the bundles offer, what the host said and what the operator wants.

The rule (docs/guides/thin-links.md): a delta is taken when the host can apply it, and sending it with the work on the host takes less time than
sending what is left of the layer. When nobody knows the speed of the link, a delta that is smaller is taken: who packs deltas has thin links.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.airlift.registry.plugins.module_utils._deltas import Delta

# Bytes per second of a small host, for the estimate of the work (ADR 0011). Engines save at the speed of their disk, mostly.
SAVE, APPLY, COMPRESS = 80_000_000, 80_000_000, 30_000_000
MEMORY_MARGIN = 64 * 1024 * 1024  # bytes that must be free beside those that applying a delta takes


@dataclass(frozen=True)
class Offer:
    """A delta of the bundles at hand. With C(is_only) nothing else at hand makes its layer."""

    delta: Delta
    is_only: bool = False


@dataclass(frozen=True)
class Wish:
    """What the operator wants: C(mode) is C(auto), C(always) or C(never), C(link_speed) in bytes per second or 0 for what an earlier run measured."""

    mode: str = "auto"
    link_speed: int = 0


@dataclass(frozen=True)
class Verdict:
    """Why a layer comes as a delta, or why it does not (empty when there is none). C(task) is what the host has to do for it, or nothing."""

    reason: str
    task: dict[str, t.Any] | None = None


@dataclass
class DeltaChoice:
    """Decides for the layers of one plan, one after the other: bases may come out of one image.

    I(by_content) is for engines to which a layer's content is enough; others want the blob that the manifest names. I(images) are those of the
    engine that may be saved.
    """

    offers: t.Mapping[str, Offer]
    wish: Wish
    snapshot: t.Mapping[str, t.Any]
    by_content: bool
    images: t.Sequence[t.Mapping[str, t.Any]]
    _saved: set[str] = field(init=False, default_factory=set)

    def result(self, digest: str) -> tuple[str, int]:
        """Under which digest, and of how many bytes, staging has what is made of a layer's delta; nothing when there is none."""
        if digest not in self.offers:
            return "", 0
        delta = self.offers[digest].delta
        return (delta.diff_id, delta.unpacked) if self.by_content else (delta.digest, delta.size)

    def decide(self, digest: str, left: int) -> Verdict:
        """Decide for the layer of this digest, of which I(left) bytes would have to be sent."""
        offer = self.offers.get(digest)
        if offer is None:
            return Verdict("")
        delta, image = offer.delta, self._image_with(offer.delta.base_diff_id)
        against = self._obstacle(delta, image)
        if against or image is None:
            return Verdict(f"no delta, because {against}")
        is_wanted, reason = self._weigh(offer, left, image)
        if not is_wanted:
            return Verdict(reason)
        self._saved.add(image["id"])
        return Verdict(reason, self._task(delta, image))

    def _image_with(self, base: str) -> t.Mapping[str, t.Any] | None:
        """The image to take the base out of: one that is saved anyway, or else the smallest."""
        having = [image for image in self.images if base in image["layers"]]
        return min(
            having, key=lambda image: (image["id"] not in self._saved, image["engine_size"], image["id"]), default=None
        )

    def _obstacle(self, delta: Delta, image: t.Mapping[str, t.Any] | None) -> str:
        """Why the host cannot apply a delta, empty when it can."""
        host = self.snapshot.get("deltas", {})
        needed = delta.memory + MEMORY_MARGIN
        obstacles = [
            (self.wish.mode == "never", "deltas=never"),
            ("deltas_failed" in self.snapshot, str(self.snapshot.get("deltas_failed"))),
            (not self.by_content and not delta.restore, "its blob cannot be restored, and this engine goes by digests"),
            (image is None, f"the engine has no image with its base {delta.base_diff_id}"),
            (not host.get("tool"), "the host has no xdelta3 that runs"),
            (host.get("memory", 0) < needed, f"it takes {needed} bytes of memory and {host.get('memory', 0)} are free"),
        ]
        return next((text for is_so, text in obstacles if is_so), "")

    def _weigh(self, offer: Offer, left: int, image: t.Mapping[str, t.Any]) -> tuple[bool, str]:
        delta = offer.delta
        sizes = f"{delta.delta_size} bytes instead of {left}"
        if offer.is_only:
            return True, f"the bundles at hand have nothing but its delta, {sizes}"
        if self.wish.mode == "always":
            return True, f"deltas=always, {sizes}"
        if delta.delta_size >= left:
            return False, f"no delta, because its {delta.delta_size} bytes are no fewer than the {left} that are left"
        speed = self.wish.link_speed or self.snapshot.get("deltas", {}).get("link_speed", 0)
        if not speed:
            return True, f"{sizes}, and the speed of the link is not known"
        work = work_seconds(delta, 0 if image["id"] in self._saved else image["engine_size"], not self.by_content)
        by_delta, by_layer = delta.delta_size / speed + work, left / speed
        times = f"about {by_delta:.1f} s with {work:.1f} s of work, instead of {by_layer:.1f} s, at {speed} bytes/s"
        if by_delta < by_layer:
            return True, f"{sizes}: {times}"
        return False, f"no delta, because {sizes} would take {times}"

    def _task(self, delta: Delta, image: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        return {
            "blob": delta.delta,
            "size": delta.delta_size,
            "image": image["id"],
            "image_size": image["engine_size"],
            "base": delta.base_diff_id,
            "base_size": delta.base_unpacked,
            "content": delta.diff_id,
            "content_size": delta.unpacked,
            "restore": "" if self.by_content else delta.restore,
            "result": self.result(delta.digest)[0],
            "memory": delta.memory,
        }


def work_seconds(delta: Delta, saved: int, is_restored: bool) -> float:
    """About how long a host works on a delta whose base is in an image of I(saved) bytes; I(is_restored) when it makes the blob again."""
    compressed = delta.unpacked if is_restored and delta.restore == "gzip" else 0
    return saved / SAVE + (delta.base_unpacked + delta.unpacked) / APPLY + compressed / COMPRESS
