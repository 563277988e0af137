# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Platforms: which one a machine is, and whose images it can run. Text in, text out.

A platform is C(os/architecture[/variant]) in Go's names (image specification, "Image Index Property Descriptions"). What runs where is
what containerd and Docker go by: a 32 bit ARM machine runs images for its version and for older ones, a 64 bit one these too, amd64 runs 386. A variant
above an architecture's first (amd64/v3) is for machines that have it, which an engine does not tell.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._image import Image

# What kernels call a machine, and other spellings that docker takes.
_ARCHITECTURES = {
    "x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "i386": "386", "i686": "386", "armhf": "arm/v7", "armel": "arm/v6",
    "armv5l": "arm/v5", "armv6l": "arm/v6", "armv7l": "arm/v7", "armv8l": "arm/v8",
}  # fmt: skip
# An image that names none of these variants is for that one.
_FIRST_VARIANTS = {"arm": "v7", "arm64": "v8", "amd64": "v1"}
_ARM_VARIANTS = ("v8", "v7", "v6", "v5")
_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9_-]+(/[a-z0-9.]+)?")


def of_machine(system: str, machine: str) -> str:
    """The platform of an engine by what it says of its operating system and of its machine (C(uname -m))."""
    return normalize_platform(f"{system}/{machine}")


def parse_platform(text: str) -> str:
    """A platform that somebody wrote, normalized; raises InputError when it is none."""
    if not _PLATFORM.fullmatch(text.lower()):
        raise InputError(
            f"{text!r} is no platform", "Write it as docker --platform takes it, such as linux/arm64 or linux/arm/v7."
        )
    return normalize_platform(text)


def normalize_platform(platform: str) -> str:
    """One spelling for what is the same: C(linux/aarch64) and C(linux/arm64/v8) are C(linux/arm64), C(linux/arm) is C(linux/arm/v7)."""
    system, _slash, rest = platform.lower().partition("/")
    architecture, _slash, variant = rest.partition("/")
    architecture, _slash, implied = _ARCHITECTURES.get(architecture, architecture).partition("/")
    variant = variant or implied or _FIRST_VARIANTS.get(architecture, "")
    variant = f"v{variant}" if variant.isdecimal() else variant
    is_plain = architecture != "arm" and variant == _FIRST_VARIANTS.get(architecture)
    return "/".join(part for part in (system, architecture, "" if is_plain else variant) if part)


def runnable_platforms(platform: str) -> list[str]:
    """The platforms whose images run on a machine of I(platform), normalized, best first."""
    system, architecture, variant = [*normalize_platform(platform).split("/"), "", ""][:3]
    lower = {"arm": _arm_variants(variant), "arm64": [f"arm/{name}" for name in _ARM_VARIANTS], "amd64": ["386"]}
    if variant and architecture == "amd64":
        below = [f"amd64/v{number}" for number in range(int(variant[1:]) - 1, 1, -1)] if variant[1:].isdecimal() else []
        lower["amd64"] = [*below, "amd64", "386"]
    if variant and architecture == "arm64":
        lower["arm64"] = ["arm64", *lower["arm64"]]
    own = "/".join(part for part in (system, architecture, variant) if part)
    return [own, *(f"{system}/{name}" for name in lower.get(architecture, ()))]


def platform_to_unpack(platform: str, engine: t.Mapping[str, t.Any]) -> str:
    """The platform that an engine must be told with an image for I(platform); empty when it unpacks the image of itself.

    A graph driver unpacks whatever it is given, the containerd image store what its machine runs.
    """
    is_own = normalize_platform(platform) in runnable_platforms(engine["platform"])
    return platform if engine["store"] == "containerd" and not is_own else ""


def for_platform(images: t.Iterable[Image], platform: str) -> tuple[list[Image], dict[str, list[str]]]:
    """Of each name the image that suits a machine of I(platform) best, and of the names that have none their platforms."""
    rank = {found: number for number, found in enumerate(runnable_platforms(platform))}
    chosen: dict[str, Image] = {}
    others: dict[str, list[str]] = {}
    for image in images:
        found = normalize_platform(image.platform)
        others.setdefault(image.name, []).append(image.platform)
        best = chosen.get(image.name)
        if found in rank and (best is None or rank[found] < rank[normalize_platform(best.platform)]):
            chosen[image.name] = image
    in_order = [chosen[name] for name in others if name in chosen]
    return in_order, {name: platforms for name, platforms in others.items() if name not in chosen}


def _arm_variants(variant: str) -> list[str]:
    if variant not in _ARM_VARIANTS:
        return []
    return [f"arm/{name}" for name in _ARM_VARIANTS[_ARM_VARIANTS.index(variant) + 1 :]]
