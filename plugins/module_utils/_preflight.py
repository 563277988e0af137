# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Before the first byte: all the reasons why a host cannot take these images. Plain data in and out.

A reason is C(kind) (C(engine), C(platform), C(compression), C(layers), C(disk), C(record), C(downgrade), or what else failed), C(images) (the names that
it is about, none when it is about the host), C(problem) and C(next_step).
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError, HostError
from ansible_collections.airlift.registry.plugins.module_utils._footprint import Footprint
from ansible_collections.airlift.registry.plugins.module_utils._image import Image
from ansible_collections.airlift.registry.plugins.module_utils._oci import compression_of
from ansible_collections.airlift.registry.plugins.module_utils._platform import platform_to_unpack

Reason = dict[str, t.Any]

# What a host needs beside the blobs themselves: directories, the engine's own records.
DISK_MARGIN = 16 * 1024 * 1024
INODE_MARGIN = 1000
# Versions of Docker's API, which unlike versions of the engine are numbers whoever built it.
_MINIMUM_API = (1, 41)  # of Docker 20.10
_ZSTD_API = (1, 42)  # of Docker 23.0
_NAMED = 3  # images that a text names before it only counts


@dataclass(frozen=True)
class Origin:
    """The bundle that an image comes from, by name, ID, and when it was made (RFC 3339, UTC, in whole seconds)."""

    name: str
    id: str
    created: str


class Refused(HostError):
    """A host cannot take the images; C(reasons) has all that stands against it."""

    def __init__(self, reasons: t.Sequence[Reason]) -> None:
        self.reasons = list(reasons)
        steps = dict.fromkeys(reason["next_step"] for reason in reasons)
        super().__init__("; ".join(reason["problem"] for reason in reasons), " ".join(steps))


def reasons_of(error: AirliftError) -> list[Reason]:
    """An error as reasons: those that it has, or itself."""
    if isinstance(error, Refused):
        return error.reasons
    return [_reason(type(error).__name__.removesuffix("Error").lower(), (), error.problem, error.next_step)]


def failure_reasons(answer: t.Mapping[str, t.Any]) -> list[Reason]:
    """What the host's half of a module answered when it failed, as reasons."""
    kind = str(answer.get("error", "host")).removesuffix("Error").lower()
    return [_reason(kind, (), str(answer.get("problem") or answer.get("msg")), str(answer.get("next_step", "")))]


def layer_reasons(error: AirliftError, plan: t.Mapping[str, t.Any]) -> list[Reason]:
    """That layers which the host lacks are in none of the bundles, as I(error) says."""
    return [_reason("layers", [image["name"] for image in _loads(plan)], error.problem, error.next_step)]


def engine_reasons(engine: t.Mapping[str, t.Any]) -> list[Reason]:
    """That the engine is too old, or did not say how it keeps images."""
    if not engine["driver"]:
        return [_reason("engine", (), f"The engine at {engine['host']} does not say where it keeps images", _LOG)]
    if _api(engine) < _MINIMUM_API:
        problem = f"The engine is {_name(engine)}, and the oldest that is supported is Docker 20.10 (API 1.41)"
        return [_reason("engine", (), problem, "Upgrade the engine on this host.")]
    return []


def platform_reasons(others: t.Mapping[str, t.Sequence[str]], platform: str, is_chosen: bool) -> list[Reason]:
    """That images (names with the platforms that they have) are none for I(platform), the engine's or the one chosen."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, platforms in others.items():
        groups.setdefault(tuple(platforms), []).append(name)
    who = f"the platform asked for is {platform}" if is_chosen else f"this host's engine runs {platform}"
    way = "set platform to one that they have" if is_chosen else "set platform to take them all the same"
    return [
        _reason(
            "platform",
            names,
            f"{_images(names)} for {', '.join(platforms)}, and {who}",
            f"Make a bundle for that platform, leave the images out with the list of images, or {way}.",
        )
        for platforms, names in groups.items()
    ]


def foreign_reasons(
    plan: t.Mapping[str, t.Any], images: t.Iterable[Image], engine: t.Mapping[str, t.Any]
) -> list[Reason]:
    """That the engine would have to load images which its machine does not run, and cannot be told to unpack them."""
    foreign = {image.name for image in images if platform_to_unpack(image.platform, engine)}
    names = [image["name"] for image in _loads(plan) if image["name"] in foreign]
    if engine["proves_content"] or not names:
        return []
    who = f"{_name(engine)} with the containerd image store"
    problem = f"{_images(names)} for another platform than {engine['platform']}, and {who} does not unpack such images"
    step = "Leave platform out, upgrade the engine to Docker 28 (API 1.48), or preload a host whose engine has another image store, such as overlay2."
    return [_reason("platform", names, problem, step)]


def compression_reasons(
    plan: t.Mapping[str, t.Any], images: t.Iterable[Image], engine: t.Mapping[str, t.Any]
) -> list[Reason]:
    """That the engine must unpack layers whose compression it does not know."""
    if engine["product"] != "docker" or _api(engine) >= _ZSTD_API:
        return []
    zstd = {
        layer.blob.digest
        for image in images
        for layer in image.layers
        if compression_of(layer.blob.media_type) == "zstd"
    }
    names = [
        image["name"]
        for image in _loads(plan)
        if any(layer["staged_as"] in zstd for layer in image["layers"] if layer["action"] != "present")
    ]
    if not names:
        return []
    problem = f"{_images(names)} compressed with zstd, which {_name(engine)} cannot load; Docker 23.0 and later can"
    step = "Make the bundle with compression=gzip from an engine that has the images (docker-daemon:), or upgrade the engine on this host."
    return [_reason("compression", names, problem, step)]


def disk_reasons(
    plan: t.Mapping[str, t.Any], disk: t.Mapping[str, t.Any], footprints: t.Mapping[str, Footprint]
) -> list[Reason]:
    """That staging or the engine has too little room for what the plan brings; I(footprints) by layer."""
    if not _loads(plan):
        return []
    tasks = delta_tasks(plan)
    made = sum(room_to_make(task) for task in tasks)
    staging = sum(blob["size"] - blob["offset"] for blob in plan["blobs"]) + made + DISK_MARGIN
    engine, inodes = engine_room([footprints[digest] for digest in layers_to_load(plan)])
    # Most engines write what they save to their disk first; it is gone before they load.
    engine = max([engine, *(task["image_size"] + DISK_MARGIN for task in tasks)])
    checks = [
        ("staging", disk["staging_path"], "bytes", disk["staging_free"], staging),
        ("the engine", disk["engine_path"], "bytes", disk["engine_free"], engine),
        ("the engine", disk["engine_path"], "inodes", disk["engine_inodes"], inodes),
    ]
    if disk["shared"]:
        both = ("staging and the engine", disk["staging_path"], "bytes", disk["staging_free"], staging + engine)
        checks[:2] = [both]
    # A file system that makes inodes as it needs them says that it has none.
    return [
        _reason(
            "disk",
            (),
            f"The disk of {what} is too small: {path} has {free} {unit} free and {needed} are needed",
            "Make room there (docker image prune, or a larger disk) and run this again; nothing was changed.",
        )
        for what, path, unit, free, needed in checks
        if free is not None and free < needed
    ]


def writing_reasons(disk: t.Mapping[str, t.Any]) -> list[Reason]:
    """That where staging or the engine must write, nothing can be written, or not by this user."""
    if disk["read_only"]:
        problem = f"The file system of {' and of '.join(disk['read_only'])} is mounted read-only"
        step = "Find out why (dmesg: errors of a disk lead to that), mount it for writing or choose another staging_path, and run this again."
        return [_reason("disk", (), problem, step)]
    if not disk["staging_writable"]:
        problem = f"The staging directory {disk['staging_path']} cannot be written or made by this user"
        step = "Set staging_path to a directory that the user of the task may write, or become a user who may write this one."
        return [_reason("disk", (), problem, step)]
    return []


def engine_room(footprints: t.Sequence[Footprint]) -> tuple[int, int]:
    """The bytes and inodes that an engine needs, at most at one time, to load these layers.

    What is loaded is there twice: engines write the archive to their disk first. Those with a graph driver remove it at the end, those with the
    containerd store keep the compressed layers.
    """
    return (
        sum(found.archive + found.unpacked for found in footprints) + DISK_MARGIN,
        sum(found.inodes for found in footprints) + INODE_MARGIN,
    )


def delta_tasks(plan: t.Mapping[str, t.Any]) -> list[t.Mapping[str, t.Any]]:
    """What the host has to do for the layers that come as deltas."""
    return [layer["delta"] for image in plan["images"] for layer in image["layers"] if layer["action"] == "delta"]


def room_to_make(task: t.Mapping[str, t.Any]) -> int:
    """Bytes that staging has at most, beside the delta: the base, the content, and the blob that is made of it."""
    return task["base_size"] + task["content_size"] * (2 if task["restore"] else 1)


def layers_to_load(plan: t.Mapping[str, t.Any]) -> set[str]:
    """The digests of the layers that the plan brings into the engine."""
    return {layer["digest"] for image in plan["images"] for layer in image["layers"] if layer["action"] != "present"}


def record_reasons(record: t.Mapping[str, t.Any]) -> list[Reason]:
    """That what was preloaded could not be noted."""
    if record["writable"]:
        return []
    step = "Set record_path to a file that the user of the task may write, or become a user who may write this one."
    return [_reason("record", (), f"{record['path']} cannot be written by this user", step)]


def downgrades(
    plan: t.Mapping[str, t.Any], origins: t.Mapping[str, Origin], recorded: t.Mapping[str, t.Mapping[str, str]]
) -> list[Reason]:
    """The images that would come from a bundle that is older than the one that they last came from, as I(recorded) by name."""
    groups: dict[tuple[str, str, str, Origin], list[str]] = {}
    for image in plan["images"]:
        last, origin = recorded.get(image["name"]), origins[image["name"]]
        if (
            last
            and last["digest"] != image["digest"]
            and last["bundle"] != origin.id
            and last["created"] > origin.created
        ):
            key = (last["bundle_name"], last["created"], last["bundle"], origin)
            groups.setdefault(key, []).append(image["name"])
    return [
        _reason(
            "downgrade",
            names,
            f"{_images(names)} older than on this host: bundle {origin.name} ({origin.id}) was made of {origin.created}, and "
            f"{name} ({bundle}), which was preloaded last, of {created}",
            "Bring the newer bundle; or, if the older one is meant, run this with downgrade=allow.",
        )
        for (name, created, bundle, origin), names in groups.items()
    ]


def record_changes(
    plan: t.Mapping[str, t.Any], origins: t.Mapping[str, Origin], recorded: t.Mapping[str, t.Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    """What is to be noted, by name, once the plan is carried out. The same image from an older bundle is nothing new."""
    changes = {}
    for image in plan["images"]:
        origin, last = origins[image["name"]], recorded.get(image["name"])
        entry = {"digest": image["digest"], "bundle": origin.id, "bundle_name": origin.name, "created": origin.created}
        is_known = last is not None and last["digest"] == image["digest"] and last["created"] >= origin.created
        if not is_known:
            changes[image["name"]] = entry
    return changes


_LOG = "Look into the engine's log (journalctl -u docker) on this host."


def _loads(plan: t.Mapping[str, t.Any]) -> list[t.Mapping[str, t.Any]]:
    return [image for image in plan["images"] if image["action"] == "load"]


def _reason(kind: str, images: t.Sequence[str], problem: str, next_step: str) -> Reason:
    return {"kind": kind, "images": list(images), "problem": problem, "next_step": next_step}


def _images(names: t.Sequence[str]) -> str:
    """The subject of a sentence, with its verb."""
    if len(names) == 1:
        return f"Image {names[0]} is"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"Images {', '.join(names[:_NAMED])}{more} are"


def _name(engine: t.Mapping[str, t.Any]) -> str:
    return f"{engine['product'].capitalize()} {engine['version']} (API {engine['api_version']})"


def _api(engine: t.Mapping[str, t.Any]) -> tuple[int, ...]:
    return tuple(int(part) for part in engine["api_version"].split("."))
