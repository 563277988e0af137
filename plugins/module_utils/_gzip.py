# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""gzip on all cores: the same input makes the same bytes, whatever the number of cores and however it is handed over.

The input is cut into blocks of 256 KiB. Each is compressed by zlib on its own, with the 32 KiB before it as dictionary, and
ends at a byte boundary, so the results in order are one deflate stream (RFC 1951) in one gzip member (RFC 1952). That is
how pigz does it.
"""

from __future__ import annotations

import collections
import concurrent.futures
import os
import typing as t
import zlib

BLOCK = 256 * 1024
_LEVEL = 5  # a third less time than zlib's default of 6, and 1 percent more bytes (ADR 0009)
_WINDOW = 32 * 1024  # how far back deflate can refer
_RAW = -zlib.MAX_WBITS  # zlib's number for deflate without a header
_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\x03"  # no name, no time stamp, from Unix
_END = b"\x03\0"  # an empty last block

_CORES = os.cpu_count() or 1
# zlib lets go of the interpreter's lock, so threads are enough. None is started before the first block.
_POOL = concurrent.futures.ThreadPoolExecutor(_CORES)


class Compressor:
    """Compresses what is fed to it; at most four blocks per core are held at a time, so that no core waits for the reader."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._dictionary = b""
        self._results: collections.deque[concurrent.futures.Future[bytes]] = collections.deque()
        self._checksum = 0
        self._size = 0
        self._head = _HEADER

    def feed(self, data: bytes) -> bytes:
        """Take some input; what is compressed by now."""
        self._checksum = zlib.crc32(data, self._checksum)
        self._size += len(data)
        self._buffer += data
        while len(self._buffer) >= BLOCK:
            self._submit(bytes(self._buffer[:BLOCK]))
            del self._buffer[:BLOCK]
        return b"".join(self._collect(4 * _CORES))

    def finish(self) -> bytes:
        """The rest, once all input was fed."""
        if self._buffer:
            self._submit(bytes(self._buffer))
            self._buffer.clear()
        trailer = self._checksum.to_bytes(4, "little") + (self._size % (1 << 32)).to_bytes(4, "little")
        return b"".join([*self._collect(0), _END, trailer])

    def _submit(self, block: bytes) -> None:
        self._results.append(_POOL.submit(_compress, block, self._dictionary))
        self._dictionary = block[-_WINDOW:]

    def _collect(self, keep: int) -> t.Iterator[bytes]:
        yield self._head
        self._head = b""
        while len(self._results) > keep:
            yield self._results.popleft().result()


def _compress(block: bytes, dictionary: bytes) -> bytes:
    # Without a dictionary zlib wants no argument at all; an empty one is an error in some of its versions.
    options: dict[str, t.Any] = {"zdict": dictionary} if dictionary else {}
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW, **options)
    return deflate.compress(block) + deflate.flush(zlib.Z_SYNC_FLUSH)
