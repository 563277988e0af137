# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""One host before its first byte: which images it would get, the plan, and all that stands against it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils import _preflight
from ansible_collections.airlift.registry.plugins.module_utils._bundle import Bundle
from ansible_collections.airlift.registry.plugins.module_utils._delta_choice import Wish
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError
from ansible_collections.airlift.registry.plugins.module_utils._image import Image
from ansible_collections.airlift.registry.plugins.module_utils._pack import newest
from ansible_collections.airlift.registry.plugins.module_utils._plan import is_change, make_plan, uses_deltas
from ansible_collections.airlift.registry.plugins.module_utils._platform import for_platform
from ansible_collections.airlift.registry.plugins.module_utils._pool import Need, Pool
from ansible_collections.airlift.registry.plugins.module_utils._replaced import plan_replaced


@dataclass(frozen=True)
class Survey:
    """What is planned for a host, with its staging at C(staging_path). C(record) is what it is to note afterwards, C(older) the downgrades among the images."""

    images: t.Mapping[Image, Bundle]
    plan: dict[str, t.Any]
    reasons: list[_preflight.Reason]
    older: list[_preflight.Reason]
    record: dict[str, dict[str, str]]
    staging_path: str


def survey(
    host: str,
    selected: t.Mapping[Image, Bundle],
    snapshot: t.Mapping[str, t.Any],
    pool: Pool,
    platform: str,
    wish: Wish,
) -> Survey:
    """Plan these images for the host of I(snapshot). I(platform) is the one asked for, or nothing for the engine's own; I(wish) is about deltas."""
    engine, recorded = snapshot["engine"], snapshot["record"]["images"]
    wanted = platform or engine["platform"]
    chosen, others = for_platform(selected, wanted)
    plan, full_disk = _plan_in_room(chosen, snapshot, pool, wish)
    plan_replaced(plan, snapshot)
    origins = {image.name: _origin(selected[image]) for image in chosen}
    record = _preflight.record_changes(plan, origins, recorded)
    reasons = [
        *_preflight.engine_reasons(engine),
        *_preflight.platform_reasons(others, wanted, is_chosen=bool(platform)),
        *_preflight.foreign_reasons(plan, chosen, engine),
        *_preflight.compression_reasons(plan, chosen, engine),
        *_missing_layers(plan, pool, f"Host {host}", snapshot.get("deltas_failed", "")),
        *full_disk,
        *(_preflight.writing_reasons(snapshot["disk"]) if is_change(plan) else ()),
        *(_preflight.record_reasons(snapshot["record"]) if record else ()),
    ]
    older = _preflight.downgrades(plan, origins, recorded)
    images = {image: selected[image] for image in chosen}
    return Survey(images, plan, reasons, older, record, snapshot["disk"]["staging_path"])


def _origin(bundle: Bundle) -> _preflight.Origin:
    return _preflight.Origin(bundle.name, bundle.id, newest([bundle.lock.created]))


def _plan_in_room(
    images: t.Sequence[Image], snapshot: t.Mapping[str, t.Any], pool: Pool, wish: Wish
) -> tuple[dict[str, t.Any], list[_preflight.Reason]]:
    """The plan and what it lacks of disk; without deltas when there is no room to apply them, and room for the layers."""
    plan = make_plan(images, snapshot, pool.offers(), wish)
    full = _disk_reasons(plan, images, snapshot, pool)
    if full and uses_deltas(plan):
        other = make_plan(images, {**snapshot, "deltas_failed": full[0]["problem"]}, pool.offers(), wish)
        if not _missing_layers(other, pool, "", "") and not _disk_reasons(other, images, snapshot, pool):
            return other, []
    return plan, full


def _disk_reasons(
    plan: t.Mapping[str, t.Any], images: t.Sequence[Image], snapshot: t.Mapping[str, t.Any], pool: Pool
) -> list[_preflight.Reason]:
    brought = {
        layer["digest"]: layer for image in plan["images"] for layer in image["layers"] if layer["action"] != "present"
    }
    layers = {layer.blob.digest: layer for image in images for layer in image.layers if layer.blob.digest in brought}
    footprints = {
        digest: pool.footprint(layer, is_content=brought[digest]["staged_as"] != digest)
        for digest, layer in layers.items()
    }
    return _preflight.disk_reasons(plan, snapshot["disk"], footprints)


def _missing_layers(plan: t.Mapping[str, t.Any], pool: Pool, who: str, deltas_failed: str) -> list[_preflight.Reason]:
    needs = [
        Need(image["name"], layer["digest"])
        for image in plan["images"]
        for layer in image["layers"]
        if layer["action"] == "send"
    ]
    try:
        pool.check(needs, who)
    except BundleError as error:
        why = f". Deltas are of no use here: {deltas_failed}" if deltas_failed else ""
        return _preflight.layer_reasons(type(error)(f"{error.problem}{why}", error.next_step), plan)
    return []
