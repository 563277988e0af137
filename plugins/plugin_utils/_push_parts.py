# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The parts in which blobs are pushed, for threads that share them."""

from __future__ import annotations

import threading
import time
import typing as t

from ansible_collections.airlift.registry.plugins.plugin_utils._transport import Blob

LEAST = 256 * 1024  # bytes; the first part, and all of them on thin links
MOST = 8 * 1024 * 1024  # bytes, which are in memory at once
_WORTH = 2.0  # seconds of the link in one part: what is sent again, at most, after the connection was cut


class Part(t.NamedTuple):
    """C(length) bytes of a blob from C(offset) on."""

    blob: Blob
    offset: int
    length: int


class Parts:
    """Cuts I(blobs) into parts that are worth two seconds each, and none more than I(limit) bytes."""

    def __init__(self, blobs: t.Sequence[Blob], limit: int) -> None:
        self._lock = threading.Lock()
        self._limit = limit
        self._started = time.monotonic()
        self._done = 0
        self._left = {blob.digest: blob.size - blob.offset for blob in blobs}
        self._whole = [blob for blob in blobs if not self._left[blob.digest]]
        self._parts = self._cut(blobs)
        self._failure: Exception | None = None

    def take(self) -> Part | None:
        """The next part, for whoever has the time; None when there is none. Raises what another thread has failed with."""
        with self._lock:
            if self._failure:
                raise self._failure
            return next(self._parts, None)

    def raise_failure(self) -> None:
        """Raise what a thread has failed with."""
        if self._failure:
            raise self._failure

    def done(self, part: Part) -> None:
        """All of a part is on the host."""
        with self._lock:
            self._done += part.length
            self._left[part.blob.digest] -= part.length
            if not self._left[part.blob.digest]:
                self._whole.append(part.blob)

    def whole(self) -> list[Blob]:
        """The blobs all of whose parts are on the host now, each once."""
        with self._lock:
            found, self._whole = self._whole, []
            return found

    def fail(self, error: Exception) -> None:
        """Let no thread take another part."""
        with self._lock:
            self._failure = self._failure or error

    def _cut(self, blobs: t.Iterable[Blob]) -> t.Iterator[Part]:
        for blob in blobs:
            offset = blob.offset
            while offset < blob.size:
                length = min(self._length(), blob.size - offset)
                yield Part(blob, offset, length)
                offset += length

    def _length(self) -> int:
        worth = _WORTH * self._done / max(time.monotonic() - self._started, 0.001)
        return min(int(max(worth, LEAST)), MOST, self._limit or MOST)
