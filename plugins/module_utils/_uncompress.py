# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Compressed streams: what C(gzip), C(bzip2), C(xz) or C(zstd) wrote, read as what was compressed.

Memory is bounded whatever a stream asks for: both xz and zstd let it name a window of gigabytes.
"""

from __future__ import annotations

import bz2
import lzma
import typing as t
import zlib

from ansible_collections.airlift.registry.plugins.module_utils._errors import HostError, InputError
from ansible_collections.airlift.registry.plugins.module_utils._layout import CHUNK

try:
    import zstandard
except ImportError as _error:
    zstandard = None  # type: ignore[assignment]  # a library that may be missing
    ZSTD_ERROR: str | None = str(_error)
else:
    ZSTD_ERROR = None

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_BZIP2_MAGIC = b"BZh"
_XZ_MAGIC = b"\xfd7zXZ\0"
_HEAD = 6
_GZIP = 16 + zlib.MAX_WBITS  # zlib's number for a gzip header
_MAX_XZ = 72 * 1024 * 1024  # bytes; xz -9 needs 65 MiB
_MAX_ZSTD = 64 * 1024 * 1024  # bytes of window; zstd -19 writes 8 MiB


class Reader(t.Protocol):
    """Whatever can be read from."""

    def read(self, size: int, /) -> bytes: ...


class Peeked:
    """A stream whose first bytes have been looked at."""

    def __init__(self, stream: Reader, length: int) -> None:
        self._stream = stream
        self.head = stream.read(length)
        self._pending = self.head

    def read(self, size: int, /) -> bytes:
        pending, self._pending = self._pending[:size], self._pending[size:]
        return pending if self._pending or len(pending) == size else pending + self._stream.read(size - len(pending))


def is_compressed(head: bytes) -> bool:
    """Whether a stream that begins like this is one that I(uncompressed) decompresses."""
    return head.startswith((ZSTD_MAGIC, *(magic for magic, _make in _FORMATS)))


def uncompressed(stream: Reader, what: str) -> Reader:
    """The stream as it was before it was compressed, if it was.

    Reading raises InputError when it is damaged, cut short or wants too much memory; I(what) names it.
    """
    source = Peeked(stream, _HEAD)
    if source.head.startswith(ZSTD_MAGIC):
        return _Unzstd(source, what)
    for magic, make in _FORMATS:
        if source.head.startswith(magic):
            return _Uncompressed(source, make, what)
    return source


class _Decoder(t.Protocol):
    """What the decompressors of bz2 and lzma have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Uncompressed:
    """One compressed stream after the other, as pigz, pixz and cat(1) put them into one file."""

    def __init__(self, source: Reader, make: t.Callable[[], _Decoder], what: str) -> None:
        self._source = source
        self._make = make
        self._what = what
        self._decoder = make()

    def read(self, size: int, /) -> bytes:
        pieces: list[bytes] = []
        left = size
        while left and (piece := self._piece(left)):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def _piece(self, limit: int) -> bytes:
        piece = b""
        while not piece:
            data = b""
            if self._decoder.eof:
                data = self._decoder.unused_data or self._source.read(CHUNK)
                if not data.strip(b"\0"):  # padding
                    return b""
                self._decoder = self._make()
            elif self._decoder.needs_input and not (data := self._source.read(CHUNK)):
                raise _damaged(self._what, "it is cut short")
            piece = self._decode(data, limit)
        return piece

    def _decode(self, data: bytes, limit: int) -> bytes:
        try:
            return self._decoder.decompress(data, limit)
        except lzma.LZMAError as error:
            if "limit" in str(error):
                raise _too_large(self._what, _MAX_XZ) from error
            raise _damaged(self._what, error) from error
        except (zlib.error, ValueError, OSError) as error:
            raise _damaged(self._what, error) from error


class _Gunzip:
    """zlib's decompressor with the interface of the others."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(_GZIP)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)


class _Unzstd:
    """The same for zstd, by the library's own reader, which takes frames one after the other too."""

    def __init__(self, source: Reader, what: str) -> None:
        if zstandard is None:
            raise HostError(
                f"{what} is compressed with zstd, and the library for it is missing from this host's Python ({ZSTD_ERROR})",
                "Install the package python3-zstandard, or decompress the file first (zstd -d).",
            )
        self._what = what
        decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_ZSTD)
        self._reader = decompressor.stream_reader(t.cast(t.Any, source), read_across_frames=True)

    def read(self, size: int, /) -> bytes:
        try:
            return self._reader.read(size)
        except zstandard.ZstdError as error:
            if "memory" in str(error):
                raise _too_large(self._what, _MAX_ZSTD) from error
            raise _damaged(self._what, error) from error


_FORMATS: tuple[tuple[bytes, t.Callable[[], _Decoder]], ...] = (
    (GZIP_MAGIC, _Gunzip),
    (_BZIP2_MAGIC, bz2.BZ2Decompressor),
    (_XZ_MAGIC, lambda: lzma.LZMADecompressor(memlimit=_MAX_XZ)),
)


def _damaged(what: str, why: object) -> InputError:
    return InputError(f"{what} is damaged ({why})", "Take it anew from where it came from.")


def _too_large(what: str, limit: int) -> InputError:
    return InputError(
        f"{what} needs more than {limit} bytes of memory to decompress",
        "Decompress it first (xz -d, zstd -d --long=31), or compress it with a smaller window.",
    )
