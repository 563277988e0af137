# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The blobs of a bundle while it is made: streams in, files under their digests out, never a layer in memory.

Blobs that a killed run left are used again, each after its content was verified; what nobody asked for goes at the end.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import typing as t
import zlib
from contextlib import contextmanager, suppress

from ansible_collections.airlift.registry.plugins.module_utils import _gzip, _oci, _zstd
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._image import Layer
from ansible_collections.airlift.registry.plugins.module_utils._layout import BLOBS, CHUNK, blob_name
from ansible_collections.airlift.registry.plugins.module_utils._uncompress import GZIP_MAGIC, ZSTD_MAGIC, Peeked, Reader

GZIP, ZSTD = "gzip", "zstd"

_GZIP = 16 + zlib.MAX_WBITS  # zlib's number for a gzip header


class BlobStore:
    """The directory C(blobs/sha256) of a bundle that is being made under I(root). Several threads may use it.

    I(compression) is for layers that come as plain tars, of which those with a diffID in I(elsewhere) are not stored: what
    that says stands for them. Blobs of the digests I(left_out) are not kept.
    """

    def __init__(
        self,
        root: str,
        compression: str = GZIP,
        left_out: t.Collection[str] = (),
        elsewhere: t.Mapping[str, Layer] | None = None,
    ) -> None:
        self.root = root
        self._compression = compression
        self._used: set[str] = set()
        self._elsewhere = elsewhere or {}
        self.left_out = left_out
        os.makedirs(os.path.join(root, BLOBS), exist_ok=True)

    def has(self, blob: _oci.Descriptor, is_verified: bool = False) -> bool:
        """Whether a blob is there and is what its name says. It belongs to the bundle then; what is damaged is removed.

        A blob that is left out is as good as there. If it I(is_verified) by whoever wrote it in this run, only its size is looked at.
        """
        if self.is_known(blob):
            return True
        path = self.path(blob.digest)
        if not os.path.isfile(path):
            return False
        if os.path.getsize(path) != blob.size or not (is_verified or _digest_of_file(path) == blob.digest):
            os.unlink(path)
            return False
        self._used.add(blob.digest)
        return True

    def is_known(self, blob: _oci.Descriptor) -> bool:
        """Whether a blob is known to be one of the bundle, or is left out of it. Nothing is read."""
        return blob.digest in self._used or blob.digest in self.left_out

    @property
    def algorithms(self) -> str:
        """The directory with one directory of blobs for each digest algorithm, which other tools call a shared blob directory."""
        return os.path.join(self.root, os.path.dirname(os.path.dirname(BLOBS)))

    def path(self, digest: str) -> str:
        """Where the blob of a digest is, or would be."""
        return os.path.join(self.root, blob_name(digest))

    def read(self, blob: _oci.Descriptor, what: str) -> bytes:
        """A document that the store has; raises InputError when it is larger than any document."""
        with open(self.path(blob.digest), "rb") as stream:
            data = stream.read(_oci.MAX_DOCUMENT + 1)
        if len(data) > _oci.MAX_DOCUMENT:
            raise InputError(f"{what} is larger than {_oci.MAX_DOCUMENT} bytes", "It is no image that can be used.")
        return data

    def add_document(self, data: bytes, media_type: str) -> _oci.Descriptor:
        """Store a small document."""
        descriptor = _oci.Descriptor(media_type, _oci.digest_of(data), len(data))
        self.add_blob([data], descriptor, media_type)
        return descriptor

    def add_blob(self, chunks: t.Iterable[bytes], blob: _oci.Descriptor, what: str) -> None:
        """Store a blob as it is; raises InputError when it is not the one of the descriptor."""
        checksum, size = hashlib.sha256(), 0
        with self._scratch() as target:
            for chunk in chunks:
                checksum.update(chunk)
                size += target.write(chunk)
                if size > blob.size:
                    break
            if size != blob.size or f"sha256:{checksum.hexdigest()}" != blob.digest:
                raise damaged(what, blob.digest)
        self._keep(target.name, blob.digest)

    def remove_unused(self) -> None:
        """Remove what the bundle does not need: blobs of another run, and documents that a program wrote beside them."""
        for name in os.listdir(os.path.join(self.root, BLOBS)):
            if f"sha256:{name}" not in self._used:
                os.unlink(os.path.join(self.root, BLOBS, name))

    def release(self, digests: t.Iterable[str]) -> None:
        """These blobs are no part of the bundle after all."""
        self._used -= set(digests)

    def add_layer(self, stream: Reader, what: str) -> Layer:
        """Store a layer: a tar is compressed, one that is compressed already (with gzip) keeps its bytes."""
        content = Peeked(stream, len(ZSTD_MAGIC))
        if content.head == ZSTD_MAGIC:
            raise InputError(
                f"{what} is compressed with zstd",
                "Take the image from its registry (docker://), where it stays as it is.",
            )
        if content.head.startswith(GZIP_MAGIC):
            return self._add_coded(content, _Keep(), what)
        return self._add_tar(content, what)

    def stand_ins(self, diff_ids: t.Sequence[str]) -> tuple[Layer, ...] | None:
        """What stands for plain layers of these diffIDs; nothing when there is one that would have to be stored."""
        found = tuple(self._elsewhere[diff_id] for diff_id in diff_ids if diff_id in self._elsewhere)
        return found if len(found) == len(diff_ids) else None

    def _add_tar(self, content: Reader, what: str) -> Layer:
        if not self._elsewhere:
            return self._add_coded(content, _Compress(self._compression), what)
        # To compress a layer takes many times longer than to put it aside and read it again, so it is done when it must be.
        with self._scratch() as aside:
            layer = self._elsewhere.get(_copy(content, aside))
            if layer is None:
                aside.seek(0)
                layer = self._add_coded(aside, _Compress(self._compression), what)
            os.unlink(aside.name)
        return layer

    def _add_coded(self, content: Reader, coder: _Coder, what: str) -> Layer:
        checksum, size = hashlib.sha256(), 0
        with self._scratch() as target:
            try:
                for piece in _pieces(content, coder):
                    checksum.update(piece)
                    size += target.write(piece)
            except zlib.error as error:
                raise InputError(
                    f"{what} is damaged ({error})", "Take the image anew from a source that is whole."
                ) from error
        digest = f"sha256:{checksum.hexdigest()}"
        self._keep(target.name, digest)
        return Layer(_oci.Descriptor(coder.media_type, digest, size), f"sha256:{coder.content.hexdigest()}")

    def _keep(self, path: str, digest: str) -> None:
        if digest in self.left_out:
            os.unlink(path)
        else:
            os.rename(path, self.path(digest))
            self._used.add(digest)

    @contextmanager
    def _scratch(self) -> t.Iterator[t.IO[bytes]]:
        """A file beside the blobs, which is gone when anything goes wrong."""
        with tempfile.NamedTemporaryFile(dir=self.root, prefix="layer-", delete=False) as target:
            try:
                yield target
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(target.name)
                raise


def damaged(what: str, digest: str) -> InputError:
    """The error about a blob that is not what its descriptor says."""
    return InputError(
        f"{what} came with a blob that is not {digest}", "Try again; if it stays so, its source is damaged."
    )


def _digest_of_file(path: str) -> str:
    checksum = hashlib.sha256()
    with open(path, "rb") as stream:
        while chunk := stream.read(CHUNK):
            checksum.update(chunk)
    return f"sha256:{checksum.hexdigest()}"


class _Coder(t.Protocol):
    """Turns what was read into what is stored, and knows the digest of the uncompressed content."""

    content: t.Any
    media_type: str

    def feed(self, data: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


class _Compress:
    def __init__(self, compression: str) -> None:
        self.content = hashlib.sha256()
        self.media_type = _oci.OCI_LAYER_ZSTD if compression == ZSTD else _oci.OCI_LAYER_GZIP
        self._compressor = _zstd.Compressor() if compression == ZSTD else _gzip.Compressor()

    def feed(self, data: bytes) -> bytes:
        self.content.update(data)
        return self._compressor.feed(data)

    def finish(self) -> bytes:
        return self._compressor.finish()


class _Keep:
    media_type = _oci.OCI_LAYER_GZIP

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


def _pieces(content: Reader, coder: _Coder) -> t.Iterator[bytes]:
    while data := content.read(CHUNK):
        yield coder.feed(data)
    yield coder.finish()


def _copy(content: Reader, target: t.IO[bytes]) -> str:
    """Write the content to a file; its digest."""
    checksum = hashlib.sha256()
    while data := content.read(CHUNK):
        checksum.update(data)
        target.write(data)
    return f"sha256:{checksum.hexdigest()}"
