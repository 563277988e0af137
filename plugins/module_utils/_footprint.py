# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""How much room a layer takes when it is unpacked, estimated from its sizes and from a look at its beginning.

A file takes whole blocks of 4 KiB and an inode, a directory a block and an inode. In a tar both have a header of 512 bytes, so a layer of small
files takes a multiple of its tar. How small they are is seen in the first megabytes; the sizes say the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils import _uncompress
from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError

SAMPLE = 1024 * 1024  # bytes of a compressed layer that are looked at
# Measured: distributions, Python and documentation take 1.07 to 1.12 of their tar (docs/guides/preloading.md).
USUAL_EXPANSION = 1.15
_MAX_CONTENT = 8 * 1024 * 1024  # bytes of tar that are looked at
_BLOCK = 4096
_HEADER = 512
_FILES, _DIRECTORY = (b"0", b"\0"), b"5"


@dataclass(frozen=True)
class Footprint:
    """What a layer takes: C(archive) bytes as it is sent, C(unpacked) bytes on the disk, and about how many C(inodes)."""

    archive: int
    unpacked: int
    inodes: int


@dataclass
class _Seen:
    """What the members that were looked at take, the bytes of tar that they are in, and whether they are all of the layer."""

    blocks: int = 0
    inodes: int = 0
    tar: int = 0
    is_all: bool = False


def footprint(archive: int, tar: int, sample: _uncompress.Reader | None) -> Footprint:
    """Of a layer of I(archive) bytes whose tar has I(tar), by a I(sample) of its beginning, compressed as it is, if there is one."""
    seen = _look(sample) if sample else _Seen()
    if seen.is_all:
        return Footprint(archive, seen.blocks, seen.inodes)
    if not seen.tar:
        return Footprint(archive, int(tar * USUAL_EXPANSION), 0)
    expansion = max(USUAL_EXPANSION, seen.blocks / seen.tar)
    return Footprint(archive, int(tar * expansion), int(tar * seen.inodes / seen.tar))


def _look(sample: _uncompress.Reader) -> _Seen:
    seen = _Seen()
    try:
        tar = _uncompress.uncompressed(sample, "A layer")
        while seen.tar < _MAX_CONTENT and len(header := _read(tar, _HEADER)) == _HEADER:
            if not header.strip(b"\0"):
                seen.is_all = True
                break
            length = _count(header, seen)
            if _skip(tar, length) < length:
                break
    except (AirliftError, ValueError):
        # What is damaged is found where it matters, on the host; here it is the end of the sample.
        pass
    return seen


def _count(header: bytes, seen: _Seen) -> int:
    """Add a member to what was seen; the bytes of content that follow its header."""
    # Octal digits. There is another form, for sizes above 8 GiB; it ends the sample.
    size = int(header[124:136].strip(b"\0 ") or b"0", 8)
    if size < 0:
        raise ValueError(size)
    kind = header[156:157]
    length = -(-size // _HEADER) * _HEADER
    seen.blocks += _blocks(kind, size)
    seen.inodes += kind in _FILES or kind == _DIRECTORY
    seen.tar += _HEADER + length
    return length


def _blocks(kind: bytes, size: int) -> int:
    if kind == _DIRECTORY:
        return _BLOCK
    return -(-size // _BLOCK) * _BLOCK if kind in _FILES else 0


def _read(stream: _uncompress.Reader, size: int) -> bytes:
    pieces = []
    while size and (piece := stream.read(size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _skip(stream: _uncompress.Reader, size: int) -> int:
    """Read past up to I(size) bytes of content; how many there were."""
    size = min(size, _MAX_CONTENT)
    skipped = 0
    while skipped < size and (piece := stream.read(min(size - skipped, 64 * 1024))):
        skipped += len(piece)
    return skipped
