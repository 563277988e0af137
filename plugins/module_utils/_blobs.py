# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The blobs of a bundle while it is made: streams in, files under their digests out, never a layer in memory."""

from __future__ import annotations

import hashlib
import os
import tempfile
import typing as t
import zlib

from ansible_collections.airlift.registry.plugins.module_utils import _gzip, _oci
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._image import Layer
from ansible_collections.airlift.registry.plugins.module_utils._layout import BLOBS, CHUNK, blob_name

_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_GZIP = 16 + zlib.MAX_WBITS  # zlib's number for a gzip header


class Reader(t.Protocol):
    """Whatever can be read from."""

    def read(self, size: int, /) -> bytes: ...


class BlobStore:
    """The directory C(blobs/sha256) of a bundle that is being made under I(root)."""

    def __init__(self, root: str) -> None:
        self.root = root
        os.makedirs(os.path.join(root, BLOBS), exist_ok=True)

    def add_document(self, data: bytes, media_type: str) -> _oci.Descriptor:
        """Store a small document."""
        descriptor = _oci.Descriptor(media_type, _oci.digest_of(data), len(data))
        with open(self._path(descriptor.digest), "wb") as target:
            target.write(data)
        return descriptor

    def add_layer(self, stream: Reader, what: str) -> Layer:
        """Store a layer: a tar is compressed with gzip, one that is compressed already keeps its bytes."""
        first = stream.read(CHUNK)
        if first.startswith(_ZSTD_MAGIC):
            raise InputError(
                f"{what} is compressed with zstd",
                "Take the image from its registry (docker://), where it stays as it is.",
            )
        coder: _Coder = _Keep() if first.startswith(_GZIP_MAGIC) else _Compress()
        checksum, size = hashlib.sha256(), 0
        with tempfile.NamedTemporaryFile(dir=self.root, prefix="layer-", delete=False) as target:
            try:
                for piece in _pieces(first, stream, coder):
                    checksum.update(piece)
                    size += target.write(piece)
            except zlib.error as error:
                raise InputError(
                    f"{what} is damaged ({error})", "Take the image anew from a source that is whole."
                ) from error
        digest = f"sha256:{checksum.hexdigest()}"
        os.rename(target.name, self._path(digest))
        return Layer(_oci.Descriptor(_oci.OCI_LAYER_GZIP, digest, size), f"sha256:{coder.content.hexdigest()}")

    def adopt(self, path: str, descriptor: _oci.Descriptor, what: str) -> None:
        """Take over a file that must be the blob of I(descriptor); raises InputError when it is not."""
        checksum = hashlib.sha256()
        with open(path, "rb") as stream:
            while chunk := stream.read(CHUNK):
                checksum.update(chunk)
        if f"sha256:{checksum.hexdigest()}" != descriptor.digest:
            raise InputError(
                f"{what} came with a blob that is not {descriptor.digest}",
                "Try again; if it stays so, the registry is damaged.",
            )
        os.rename(path, self._path(descriptor.digest))

    def _path(self, digest: str) -> str:
        return os.path.join(self.root, blob_name(digest))


class _Coder(t.Protocol):
    """Turns what was read into what is stored, and knows the digest of the uncompressed content."""

    content: t.Any

    def feed(self, data: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


class _Compress:
    def __init__(self) -> None:
        self.content = hashlib.sha256()
        self._gzip = _gzip.Compressor()

    def feed(self, data: bytes) -> bytes:
        self.content.update(data)
        return self._gzip.feed(data)

    def finish(self) -> bytes:
        return self._gzip.finish()


class _Keep:
    def __init__(self) -> None:
        self.content = hashlib.sha256()
        self._gunzip = zlib.decompressobj(_GZIP)

    def feed(self, data: bytes) -> bytes:
        left = data
        while left:
            self.content.update(self._gunzip.decompress(left, CHUNK))
            left = self._gunzip.unconsumed_tail
            if self._gunzip.eof and self._gunzip.unused_data:
                # pigz and stargz write several gzip members one after the other.
                left, self._gunzip = self._gunzip.unused_data, zlib.decompressobj(_GZIP)
        return data

    def finish(self) -> bytes:
        self.content.update(self._gunzip.flush())
        return b""


def _pieces(first: bytes, stream: Reader, coder: _Coder) -> t.Iterator[bytes]:
    data = first
    while data:
        yield coder.feed(data)
        data = stream.read(CHUNK)
    yield coder.finish()
