# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The plan: what one host lacks, and why. A pure function of what the bundle has and what the host said.

All values are plain data, so that a plan can be shown, kept and sent as it is.
"""

from __future__ import annotations

import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._delta_choice import DeltaChoice, Offer, Wish
from ansible_collections.airlift.registry.plugins.module_utils._image import Image, Layer
from ansible_collections.airlift.registry.plugins.module_utils._oci import chain_ids
from ansible_collections.airlift.registry.plugins.module_utils._reference import hex_of, repository_of

# No registry can have this name (RFC 2606), so nothing is ever pulled from it or pushed to it by mistake.
_TEMPORARY = "airlift.invalid/preload"


def make_plan(
    images: t.Sequence[Image],
    snapshot: t.Mapping[str, t.Any],
    offers: t.Mapping[str, Offer] | None = None,
    wish: Wish | None = None,
) -> dict[str, t.Any]:
    """Plan the images for the host of I(snapshot), with the deltas that the bundles offer by layer and what the operator wants of them.

    Returns C(images) (each with its action C(present), C(retag) or C(load), the reason, its C(reference), and its layers with their actions
    C(present), C(staged), C(delta) or C(send), and C(staged_as), the digest under which staging has them then), C(blobs) to send in order, C(bytes) by
    action, and C(leftovers) of a run that was killed (temporary tags, staged blobs that nothing waits for, files of C(work)).
    C(thin) says whether the engine may get images without layers that it has. A snapshot that is
    C(distrusted) is of an engine that refused images without the layers that it has, so none is left out. In one with C(deltas_failed), which says
    why, no delta is used.
    """
    state = _State(snapshot, offers or {}, wish or Wish())
    plans = [_plan_image(image, state) for image in images]
    return {
        "images": plans,
        "blobs": [blob for blob in state.to_send.values() if blob["offset"] < blob["size"]],
        "bytes": _bytes_by_action(plans),
        "thin": state.takes_thin,
        "leftovers": {
            "tags": sorted(tag for tag in state.tags if is_temporary(tag)),
            "blobs": _unneeded_blobs(plans, state),
            "work": bool(snapshot.get("deltas", {}).get("work")),
        },
    }


def is_change(plan: t.Mapping[str, t.Any]) -> bool:
    """Whether carrying out the plan changes anything that an engine shows."""
    return any(image["action"] != "present" for image in plan["images"]) or bool(plan["leftovers"]["tags"])


def leaves_out(plan: t.Mapping[str, t.Any]) -> bool:
    """Whether the plan loads an image without some of its layers, because the engine has them."""
    return _loads_a_layer("present", plan)


def uses_deltas(plan: t.Mapping[str, t.Any]) -> bool:
    """Whether the plan has the host make layers of deltas."""
    return _loads_a_layer("delta", plan)


def _loads_a_layer(action: str, plan: t.Mapping[str, t.Any]) -> bool:
    return any(
        layer["action"] == action for image in plan["images"] if image["action"] == "load" for layer in image["layers"]
    )


def temporary_name(image_id: str) -> str:
    """The name under which an image is loaded: it becomes another one only after the image is proven."""
    return f"{_TEMPORARY}:{hex_of(image_id)}"


def is_temporary(name: str) -> bool:
    """Whether a name is one of temporary_name."""
    return name.startswith(f"{_TEMPORARY}:")


class _State:
    """What the host has, and what this plan already decided to bring."""

    def __init__(self, snapshot: t.Mapping[str, t.Any], offers: t.Mapping[str, Offer], wish: Wish) -> None:
        self.is_graph = snapshot["engine"]["store"] == "graph"
        whole = [image for image in snapshot["images"] if image["whole"]]
        self.images = {image["id"] for image in whole}
        self.incomplete = {image["id"] for image in snapshot["images"]} - self.images
        self.platform = snapshot["engine"]["platform"]
        self.is_podman = snapshot["engine"]["product"] == "podman"
        self.digests = {image["id"]: image["digests"] for image in whole}
        self.tags = {tag: image["id"] for image in snapshot["images"] for tag in image["tags"]}
        trusted = [] if snapshot.get("distrusted") else whole
        self.chains = {chain for image in trusted for chain in chain_ids(image["layers"])}
        # A containerd store takes a layer from any image, if only that has it in the same compression: whether it has, the proof tells.
        self.is_proven = snapshot["engine"]["proves_content"]
        self.contents = {diff_id for image in trusted for diff_id in image["layers"]} if self.is_proven else set()
        self.takes_thin = not snapshot.get("distrusted") and (self.is_graph or self.is_proven)
        self.staged: t.Mapping[str, int] = snapshot["staged"]
        # Docker's graph drivers ask for a layer's content only; podman and containerd's store keep blobs by the manifest's digests.
        self.deltas = DeltaChoice(offers, wish, snapshot, self.is_graph and not self.is_podman, trusted)
        self.to_send: dict[str, dict[str, t.Any]] = {}  # by layer
        self.staged_as: dict[str, str] = {}  # of layers that this plan brings

    def expected_id(self, image: Image) -> str:
        """The ID that the engine will show: graph stores go by the config, containerd stores by what the name means.

        That may be an index, but only when the image is for the engine's own platform: of an index it unpacks no other.
        """
        if self.is_graph:
            return image.config.digest
        is_own = image.platform.split("/")[:2] == self.platform.split("/")[:2]
        return (image.target if self.is_proven and is_own else image.manifest).digest

    def registry_digest(self, image: Image, is_loaded: bool) -> str:
        """The digest by which the engine will know the image in its repository; empty when by none.

        Graph drivers know digests of what was pulled only, by the repository that it came from. Podman knows those of what was loaded too, in every
        repository that has a tag for the image.
        """
        if not self.is_graph:
            return self.expected_id(image)
        if self.is_podman and is_loaded:
            return image.manifest.digest
        known = self.digests.get(self.expected_id(image), ())
        repository = repository_of(image.name)
        here = {name.partition("@")[2] for name in known if self.is_podman or repository_of(name) == repository}
        return next((found.digest for found in (image.manifest, image.target) if found.digest in here), "")

    def reason_to_leave_out(self, image: Image, layer: Layer, chain: str) -> str:
        """Why the engine needs no copy of a layer of an image that it lacks; empty when it does."""
        if self.is_graph:
            return "the engine has this layer above the same base" if chain in self.chains else ""
        is_there = layer.diff_id in self.contents and self.expected_id(image) not in self.incomplete
        return "an image of the engine has this layer" if is_there else ""


def _plan_image(image: Image, state: _State) -> dict[str, t.Any]:
    image_id = state.expected_id(image)
    before = state.tags.get(image.name)
    if image_id in state.incomplete:
        action, reason = "load", "the engine lists this image and lacks some of it"
    elif image_id not in state.images:
        action, reason = "load", f"the engine has no image {image_id}"
    elif before == image_id:
        action, reason = "present", "the engine has this image under this name"
    elif before:
        action, reason = "retag", f"the name means another image, {before}"
    else:
        action, reason = "retag", "the engine has this image without this name"
    chains = chain_ids([layer.diff_id for layer in image.layers])
    there = [
        state.reason_to_leave_out(image, layer, chain) if action == "load" else "its image is there"
        for layer, chain in zip(image.layers, chains)
    ]
    layers = [_plan_layer(layer, reason, state) for layer, reason in zip(image.layers, there)]
    digest = state.registry_digest(image, is_loaded=action == "load")
    return {
        "name": image.name,
        "id": image_id,
        "digest": image.manifest.digest,
        "config": image.config.digest,
        "by_digest": bool(digest),
        "reference": f"{repository_of(image.name)}@{digest}" if digest else image_id,
        "before": before,
        "action": action,
        "reason": reason,
        "layers": layers,
    }


def _plan_layer(layer: Layer, there: str, state: _State) -> dict[str, t.Any]:
    """Plan a layer; I(there) is the reason why the engine has it already, or empty."""
    digest = layer.blob.digest
    entry = {"digest": digest, "diff_id": layer.diff_id, "size": layer.blob.size, "staged_as": digest}
    made, made_size = state.deltas.result(digest)
    if there:
        return {**entry, "action": "present", "reason": there}
    if state.staged.get(digest) == layer.blob.size:
        return {**entry, "action": "staged", "reason": "an earlier run left it in staging"}
    if made and state.staged.get(made) == made_size:
        return {**entry, "action": "staged", "reason": "an earlier run made it of its delta", "staged_as": made}
    if digest in state.to_send:
        reason = "another image of this run brings it"
        return {**entry, "action": "staged", "reason": reason, "staged_as": state.staged_as[digest]}
    return {**entry, **_bring_layer(layer, state)}


def _bring_layer(layer: Layer, state: _State) -> dict[str, t.Any]:
    """Bring a layer, as it is or as a delta."""
    blob = layer.blob
    offset = _resume_offset(blob.size, state.staged.get(blob.digest, 0))
    verdict = state.deltas.decide(blob.digest, blob.size - offset)
    state.staged_as[blob.digest] = blob.digest
    if verdict.task:
        delta, size = verdict.task["blob"], verdict.task["size"]
        staged = state.staged.get(delta, 0)
        state.to_send[blob.digest] = {
            "digest": delta,
            "size": size,
            "offset": size if staged == size else _resume_offset(size, staged),
        }
        state.staged_as[blob.digest] = verdict.task["result"]
        return {
            "action": "delta",
            "reason": verdict.reason,
            "staged_as": verdict.task["result"],
            "delta": verdict.task,
        }
    state.to_send[blob.digest] = {"digest": blob.digest, "size": blob.size, "offset": offset}
    reasons = ["neither the engine nor staging has it", *filter(None, [verdict.reason])]
    return {"action": "send", "reason": "; ".join(reasons)}


def _resume_offset(size: int, staged: int) -> int:
    # More bytes than the blob has cannot be its beginning.
    return staged if staged < size else 0


def _bytes_by_action(plans: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, int]:
    """Bytes of layers by action, each blob once: a layer that is sent for one image is not also present in another."""
    actions: dict[str, tuple[str, int]] = {}
    rank = ("present", "staged", "delta", "send")
    for plan in plans:
        for layer in plan["layers"]:
            known = actions.get(layer["digest"])
            if known is None or rank.index(layer["action"]) > rank.index(known[0]):
                actions[layer["digest"]] = (layer["action"], layer["size"])
    return {action: sum(size for found, size in actions.values() if found == action) for action in rank}


def _unneeded_blobs(plans: t.Sequence[t.Mapping[str, t.Any]], state: _State) -> list[str]:
    """What staging has of the layers of these images, and none of them is made of. What waits for other images is left alone."""
    known, needed = set(), set()
    for layer in (layer for plan in plans for layer in plan["layers"]):
        offer = state.deltas.offers.get(layer["digest"])
        known.update([layer["digest"], *([layer["diff_id"], offer.delta.delta] if offer else [])])
        if layer["action"] != "present":
            needed.update([layer["staged_as"], *([layer["delta"]["blob"]] if layer["action"] == "delta" else [])])
    return sorted(digest for digest in state.staged if digest in known - needed)
