# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The inside of a layer: uncompressed as a stream, and back again into a file of the wanted digest."""

from __future__ import annotations

import hashlib
import os
import typing as t

from ansible_collections.airlift.registry.plugins.module_utils import _gzip, _uncompress
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError
from ansible_collections.airlift.registry.plugins.module_utils._layout import CHUNK

_NEXT = "Copy the bundle again from where it was made, or make it anew."


def uncompressed(chunks: t.Iterable[bytes], is_gzip: bool, limit: int | None = None) -> t.Iterator[bytes]:
    """The content of a layer, at most a megabyte at a time; raises BundleError when it is more than I(limit) bytes, InputError when it is damaged."""
    size = 0
    for piece in _gunzipped(chunks) if is_gzip else chunks:
        size += len(piece)
        if limit is not None and size > limit:
            raise BundleError(f"A layer has more than the {limit} bytes that were announced", _NEXT)
        yield piece


def write_verified(pieces: t.Iterable[bytes], path: str, digest: str, what: str) -> int:
    """Write a file that must have this digest; its size in bytes. Raises BundleError when it has another."""
    with open(path, "wb") as target:
        found = digest_of_chunks(_copied(pieces, target))
    _compare(found, digest, what)
    return os.path.getsize(path)


def verify(path: str, digest: str, what: str) -> None:
    """Raise BundleError unless the file has this digest."""
    _compare(digest_of(path), digest, what)


def digest_of(path: str) -> str:
    """The digest of a file."""
    return digest_of_chunks(file_chunks(path))


def digest_of_chunks(chunks: t.Iterable[bytes]) -> str:
    """The digest of what comes in chunks."""
    checksum = hashlib.sha256()
    for chunk in chunks:
        checksum.update(chunk)
    return f"sha256:{checksum.hexdigest()}"


def compressed(chunks: t.Iterable[bytes], restore: str) -> t.Iterator[bytes]:
    """A layer in the form that C(restore) of a delta names (see _deltas)."""
    if restore == "tar":
        yield from chunks
        return
    compressor = _gzip.Compressor()
    for chunk in chunks:
        yield compressor.feed(chunk)
    yield compressor.finish()


def file_chunks(path: str) -> t.Iterator[bytes]:
    """A file, a chunk at a time."""
    with open(path, "rb") as stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def _copied(pieces: t.Iterable[bytes], target: t.BinaryIO) -> t.Iterator[bytes]:
    for piece in pieces:
        target.write(piece)
        yield piece


def _compare(found: str, digest: str, what: str) -> None:
    if found != digest:
        raise BundleError(f"{what} is not {digest}, but {found}", _NEXT)


def _gunzipped(chunks: t.Iterable[bytes]) -> t.Iterator[bytes]:
    stream = _uncompress.uncompressed(_Chunks(chunks), "A layer")
    while piece := stream.read(CHUNK):
        yield piece


class _Chunks:
    """Chunks as a stream."""

    def __init__(self, chunks: t.Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._left = b""

    def read(self, size: int, /) -> bytes:
        self._left = self._left or next(self._chunks, b"")
        piece, self._left = self._left[:size], self._left[size:]
        return piece
