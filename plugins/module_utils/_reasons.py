# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Why a bundle has to be made: the differences between the one that is there and the one that is wanted, in words."""

from __future__ import annotations

import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._choice import ALL, is_same_platform
from ansible_collections.airlift.registry.plugins.module_utils._lock import LockedImage, LockedOption
from ansible_collections.airlift.registry.plugins.module_utils._reuse import CONTENT
from ansible_collections.airlift.registry.plugins.module_utils._source import MULTI_PLATFORM, Wanted

# Options that change what is made, with their defaults, which are not noted in the lock.
OPTIONS = {"compression": "gzip", "layer_reuse": CONTENT}


def noted_options(values: t.Mapping[str, t.Any]) -> tuple[LockedOption, ...]:
    """What of the module's options the lock notes."""
    return tuple(LockedOption(name, values[name]) for name in sorted(OPTIONS) if values[name] != OPTIONS[name])


def option_differences(before: t.Sequence[LockedOption], now: t.Sequence[LockedOption]) -> list[str]:
    """What differs between the options that a bundle was made with and those of now."""
    had, has = ({**OPTIONS, **{entry.name: entry.value for entry in options}} for options in (before, now))
    return [f"{name} was {had[name]}, and is {has[name]}" for name in sorted(OPTIONS) if had[name] != has[name]]


def taken_differences(before: t.Sequence[LockedImage], taken: t.Sequence[LockedImage]) -> list[str]:
    """What differs between the images of a lock and those that are I(taken) over from other bundles, by name."""
    had, want = _by_name(before), _by_name(taken)
    reasons = [f"{name} is not in it" for name in sorted(want.keys() - had.keys())] if before else []
    return reasons + [
        f"{name} is another image in it" for name in sorted(had.keys() & want.keys()) if had[name] != want[name]
    ]


def _by_name(entries: t.Iterable[LockedImage]) -> dict[str, set[LockedImage]]:
    found: dict[str, set[LockedImage]] = {}
    for entry in entries:
        found.setdefault(entry.name, set()).add(entry)
    return found


def differences(before: t.Sequence[LockedImage], ids: t.Mapping[Wanted, str]) -> list[str]:
    """What differs between the images of a lock and the wanted ones with the digests that their sources know them by."""
    had: dict[str, list[LockedImage]] = {}
    for entry in before:
        had.setdefault(entry.name, []).append(entry)
    want = {wanted.name: (wanted, source_id) for wanted, source_id in ids.items()}
    reasons = [f"{name} is not in it" for name in sorted(want.keys() - had.keys())] if before else []
    reasons += [f"{name} is in it and not wanted" for name in sorted(had.keys() - want.keys())]
    return reasons + [
        reason for name in sorted(had.keys() & want.keys()) for reason in _image_differences(had[name], *want[name])
    ]


def _image_differences(before: t.Sequence[LockedImage], wanted: Wanted, source_id: str) -> list[str]:
    if any((entry.source, entry.source_id) != (str(wanted.source), source_id) for entry in before):
        return [f"{wanted.name} has changed at its source"]
    # Under one digest a source may have images for several platforms.
    if wanted.source.transport in MULTI_PLATFORM and not _has_platforms(before, wanted.platforms, source_id):
        here = ", ".join(entry.platform for entry in before)
        return [f"{wanted.name} is for {here} in it, and {', '.join(wanted.platforms)} is wanted"]
    return []


def _has_platforms(before: t.Sequence[LockedImage], platforms: t.Sequence[str], source_id: str) -> bool:
    """Whether the images of one name are those that were chosen by these platforms (_choice)."""
    if platforms == (ALL,):
        return all(source_id in (entry.index, entry.digest) for entry in before)
    pairs = [
        (entry, platform) for entry in before for platform in platforms if is_same_platform(entry.platform, platform)
    ]
    is_index_wanted = len(platforms) > 1
    return (
        {entry for entry, _platform in pairs} == set(before)
        and {platform for _entry, platform in pairs} == set(platforms)
        and all(bool(entry.index) == is_index_wanted for entry in before)
    )
