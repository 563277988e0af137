# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Why a bundle has to be made: the differences between the one that is there and the one that is wanted, in words."""

from __future__ import annotations

import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._lock import LockedImage
from ansible_collections.airlift.registry.plugins.module_utils._source import Wanted, is_same_platform


def differences(before: t.Sequence[LockedImage], ids: t.Mapping[Wanted, str]) -> list[str]:
    """What differs between the images of a lock and the wanted ones with the digests that their sources know them by."""
    had = {entry.name: entry for entry in before}
    want = {wanted.name: (wanted, source_id) for wanted, source_id in ids.items()}
    reasons = [f"{name} is not in it" for name in sorted(want.keys() - had.keys())] if before else []
    reasons += [f"{name} is in it and not wanted" for name in sorted(had.keys() - want.keys())]
    return reasons + [
        reason for name in sorted(had.keys() & want.keys()) for reason in _image_differences(had[name], *want[name])
    ]


def _image_differences(before: LockedImage, wanted: Wanted, source_id: str) -> list[str]:
    if (before.source, before.source_id) != (str(wanted.source), source_id):
        return [f"{wanted.name} has changed at its source"]
    # Under one digest a registry may have images for several platforms.
    if wanted.source.transport == "docker" and not is_same_platform(before.platform, wanted.platform):
        return [f"{wanted.name} is for {before.platform} in it, and {wanted.platform} is wanted"]
    return []
