# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Layers out of an engine: found by diffID in the docker archive that its save API streams, whatever the archive's layout.

Docker's graph drivers and podman save layers uncompressed, the containerd store as they came. Names say nothing for sure (the legacy layout has
IDs of its own), so content decides. The stream is left as soon as all that is wanted has been had.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._layout import CHUNK, TAR_ERRORS, Member, tar_members
from ansible_collections.airlift.registry.plugins.module_utils._uncompress import (
    Peeked,
    Reader,
    is_compressed,
    uncompressed,
)

_HEAD = 6


def take_layers(stream: Reader, wanted: t.Mapping[str, int], path_of: t.Callable[[str], str], what: str) -> set[str]:
    """Write the layers I(wanted) (bytes uncompressed by diffID) to their paths; those that were found. I(what) names the archive in errors (InputError).

    Reads no further than it must.
    """
    found: set[str] = set()
    try:
        with tarfile.open(fileobj=t.cast(t.Any, stream), mode="r|", bufsize=CHUNK, tarinfo=Member) as archive:
            for member in tar_members(archive):
                if member.isreg():
                    content = Peeked(t.cast(t.IO[bytes], archive.extractfile(member)), _HEAD)
                    missing = {diff_id: size for diff_id, size in wanted.items() if diff_id not in found}
                    found |= _take(content, member.size, missing, path_of)
                if len(found) == len(wanted):
                    break
    except TAR_ERRORS as error:
        raise InputError(f"{what} is no archive, or is cut short ({error})", "Look into the engine's log.") from error
    return found


def _take(content: Peeked, size: int, wanted: t.Mapping[str, int], path_of: t.Callable[[str], str]) -> set[str]:
    """The layer that a member is, if it is one of those wanted."""
    sizes = set(wanted.values()) if is_compressed(content.head) else {size} & set(wanted.values())
    if not sizes:
        return set()
    scratch = path_of("scratch")
    digest = _write(uncompressed(content, "A layer of the engine"), scratch, max(sizes))
    if digest not in wanted:
        return set()
    os.rename(scratch, path_of(digest))
    return {digest}


def _write(content: Reader, path: str, limit: int) -> str:
    """Write at most I(limit) bytes; the digest of all, or nothing when there are more."""
    checksum, left = hashlib.sha256(), limit
    with open(path, "wb") as target:
        while piece := content.read(CHUNK):
            left -= len(piece)
            if left < 0:
                return ""
            checksum.update(piece)
            target.write(piece)
    return f"sha256:{checksum.hexdigest()}"
