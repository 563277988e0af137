# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""C(deltas.json): the deltas of a bundle, and what each needs. Plain data in, plain data out; hostile data is refused.

C(restore) says how the compressed layer is made of the uncompressed one, byte for byte as its digest wants it: C(tar)
(the layer is not compressed), C(gzip) (by _gzip), or it is missing, when whoever compressed the layer cannot be repeated.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils import _delta, _oci
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError
from ansible_collections.airlift.registry.plugins.module_utils._reference import is_digest

VERSION = 1
FORMAT = "vcdiff"  # RFC 3284, with lzma as secondary compressor
RESTORE = ("tar", "gzip")
MAX_MEMORY = 256 * 1024 * 1024  # of what a delta may ask for
MAX_UNPACKED = 1 << 40
_MAX_NAME = 255

_NEXT = "Don't use it; ask whoever made it for another copy."


@dataclass(frozen=True)
class Delta:
    """From a base layer to a target. C(digest) and C(size) are the target's blob, C(delta) and C(delta_size) the delta's.

    Sizes and C(memory) (what applying needs) are in bytes. C(bundle) is the ID of the bundle that has the base, C(bundle_name)
    its name. C(restore) is empty when the target's blob cannot be restored.
    """

    digest: str
    size: int
    diff_id: str
    unpacked: int
    base_diff_id: str
    base_unpacked: int
    bundle: str
    bundle_name: str
    delta: str
    delta_size: int
    restore: str = ""
    memory: int = _delta.MEMORY


@dataclass(frozen=True)
class Deltas:
    """The deltas of one bundle, and how they were asked for: C(mode) is C(none), C(beside) or C(instead), C(bases) are IDs of bundles."""

    mode: str = "none"
    limit: float = 0
    bases: tuple[str, ...] = ()
    deltas: tuple[Delta, ...] = ()

    @property
    def instead(self) -> dict[str, Delta]:
        """The deltas that stand for a layer which is not in the bundle, by the layer's digest."""
        wanted = self.mode == "instead"
        return {delta.digest: delta for delta in self.deltas if wanted and delta.restore}


NO_DELTAS = Deltas()


def format_deltas(deltas: Deltas) -> bytes:
    """The document, sorted by target."""
    ordered = sorted(deltas.deltas, key=lambda delta: delta.digest)
    return _oci.canonical_json(
        {
            "version": VERSION,
            "mode": deltas.mode,
            "limit": deltas.limit,
            "bases": list(deltas.bases),
            "deltas": [_to_json(delta) for delta in ordered],
        }
    )


def parse_deltas(data: bytes, what: str) -> Deltas:
    """Read the document; raises BundleError for anything that could not be applied within the limits."""
    document = _oci.parse_document(data, what)
    mode, limit, bases, entries = (document.get(key) for key in ("mode", "limit", "bases", "deltas"))
    if (
        document.get("version") != VERSION
        or mode not in ("beside", "instead")
        or not isinstance(limit, (int, float))
        or not isinstance(bases, list)
        or not all(isinstance(base, str) and is_digest(base) for base in bases)
        or not isinstance(entries, list)
    ):
        raise BundleError(f"{what} is no list of deltas of version {VERSION}", "Update this collection.")
    found = tuple(_parse(entry, f"Delta {number} of {what}") for number, entry in enumerate(entries, 1))
    if len({delta.digest for delta in found}) != len(found):
        raise BundleError(f"{what} has two deltas for one layer", _NEXT)
    return Deltas(mode, limit, tuple(bases), found)


def delta_data(delta: Delta) -> dict[str, t.Any]:
    """What is told of a delta in results."""
    return {
        "digest": delta.digest,
        "size": delta.size,
        "base": delta.base_diff_id,
        "delta_size": delta.delta_size,
        "memory": delta.memory,
        "restore": delta.restore,
    }


def _to_json(delta: Delta) -> dict[str, t.Any]:
    target = {"digest": delta.digest, "size": delta.size, "diff_id": delta.diff_id, "unpacked": delta.unpacked}
    bundle = {"id": delta.bundle, "name": delta.bundle_name}
    return {
        "target": {**target, "restore": delta.restore} if delta.restore else target,
        "base": {"diff_id": delta.base_diff_id, "unpacked": delta.base_unpacked, "bundle": bundle},
        "delta": {"digest": delta.delta, "size": delta.delta_size},
        "tool": _delta.TOOL,
        "format": FORMAT,
        "memory": delta.memory,
    }


def _parse(entry: t.Any, what: str) -> Delta:
    target, base, delta = (_mapping(entry, key) for key in ("target", "base", "delta"))
    found = Delta(
        digest=_digest(target, "digest", what),
        size=_size(target, "size", what),
        diff_id=_digest(target, "diff_id", what),
        unpacked=_size(target, "unpacked", what),
        base_diff_id=_digest(base, "diff_id", what),
        base_unpacked=_size(base, "unpacked", what),
        bundle=_digest(_mapping(base, "bundle"), "id", what),
        bundle_name=str(_mapping(base, "bundle").get("name", ""))[:_MAX_NAME],
        delta=_digest(delta, "digest", what),
        delta_size=_size(delta, "size", what),
        restore=target.get("restore", ""),
        memory=_size(entry, "memory", what),
    )
    if (entry.get("tool"), entry.get("format")) != (_delta.TOOL, FORMAT) or found.restore not in ("", *RESTORE):
        raise BundleError(f"{what} needs a tool or a format that is not known here", "Update this collection.")
    if found.memory > MAX_MEMORY:
        raise BundleError(f"{what} asks for {found.memory} bytes of memory; {MAX_MEMORY} are allowed", _NEXT)
    if found.diff_id == found.base_diff_id:
        raise BundleError(f"{what} has its target as its base", _NEXT)
    return found


def _mapping(value: t.Any, key: str) -> dict[str, t.Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _digest(values: t.Mapping[str, t.Any], key: str, what: str) -> str:
    value = values.get(key)
    if not isinstance(value, str) or not is_digest(value):
        raise BundleError(f"{what} has no {key}", _NEXT)
    return value


def _size(values: t.Mapping[str, t.Any], key: str, what: str) -> int:
    value = values.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MAX_UNPACKED:
        raise BundleError(f"{what} has no {key} that can be", _NEXT)
    return value
