# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Makes the deltas of a bundle: of each new layer, from the layer of the base bundles that it resembles most.

The work is bounded: each layer of the bases is read at most once, at most 16 of them for one target (those of the most
similar size), and each target is encoded at most once. Nothing of a layer is held in memory.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils import _delta, _oci, _unpack
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._bundle import Bundle
from ansible_collections.airlift.registry.plugins.module_utils._deltas import Delta, Deltas
from ansible_collections.airlift.registry.plugins.module_utils._image import Layer
from ansible_collections.airlift.registry.plugins.module_utils._restore import (
    is_gzip,
    is_usable,
    layer_content,
    usable_layers,
)
from ansible_collections.airlift.registry.plugins.module_utils._signature import Run
from ansible_collections.airlift.registry.plugins.module_utils._sketch import Sketch, sketch

_CANDIDATES = 16
_MEDIA_TYPE = "application/octet-stream"  # of a delta; no manifest has it
_MIN_SHARE = 0.05  # of a layer's content in its base; below it a delta is never worth its time
_MIN_SIZE = 1024  # bytes of a layer; below it a delta's entry is as large
_PROBE = 1024 * 1024  # how much of a layer is compressed to see whether all of it is worth compressing


@dataclass(frozen=True)
class _Base:
    """A layer of a base bundle."""

    layer: Layer
    bundle: Bundle

    def chunks(self) -> t.Iterator[bytes]:
        return layer_content(self.bundle, self.layer)


def make_deltas(
    store: BlobStore, layers: t.Iterable[Layer], asked: Deltas, bases: t.Sequence[Bundle], run: Run
) -> Deltas:
    """The deltas that were I(asked) for, made into the I(store) of the new bundle.

    With C(instead), a layer that its delta restores to the byte is removed there; the others stay.
    """
    if asked.mode == "none":
        return asked
    deltas = dataclasses.replace(asked, deltas=tuple(_Maker(store, bases, asked.limit, run).make(layers)))
    store.release(deltas.instead)
    return deltas


class _Maker:
    def __init__(self, store: BlobStore, bases: t.Sequence[Bundle], limit: float, run: Run) -> None:
        self._store, self._limit, self._run = store, limit, run
        self._bases = {
            diff_id: _Base(layer, bundle) for bundle in bases for diff_id, layer in usable_layers(bundle).items()
        }
        self._sketches: dict[str, Sketch] = {}

    def make(self, layers: t.Iterable[Layer]) -> list[Delta]:
        """The deltas of those layers in the store for which one is worth it."""
        once = {layer.blob.digest: layer for layer in layers}
        return [
            delta for _digest, layer in sorted(once.items()) if self._is_target(layer) for delta in self._one(layer)
        ]

    def _is_target(self, layer: Layer) -> bool:
        return (
            layer.diff_id not in self._bases
            and layer.blob.size >= _MIN_SIZE
            and is_usable(layer)
            and layer.blob.digest not in self._store.left_out
        )

    def _one(self, layer: Layer) -> list[Delta]:
        with tempfile.TemporaryDirectory(dir=self._store.root, prefix="delta-") as directory:
            target = os.path.join(directory, "target")
            made = Sketch()
            pieces = _unpack.uncompressed(_unpack.file_chunks(self._store.path(layer.blob.digest)), is_gzip(layer))
            unpacked = _unpack.write_verified(_sketched(pieces, made), target, layer.diff_id, "A layer")
            base = self._choose(layer, made)
            return self._encode(layer, unpacked, base, directory) if base else []

    def _choose(self, layer: Layer, target: Sketch) -> _Base | None:
        """The base that most of the layer is in; of two that are as good, or of a layer too small to tell, the one nearest in size."""
        nearest = sorted(
            self._bases.values(), key=lambda base: (abs(base.layer.blob.size - layer.blob.size), base.layer.diff_id)
        )
        shares = [(target.share_in(self._sketch(base)), base) for base in nearest[:_CANDIDATES]]
        good = [(share, base) for share, base in shares if share >= _MIN_SHARE or not target.is_telling]
        best = min(good, key=lambda found: -found[0], default=None)
        return best[1] if best else None

    def _sketch(self, base: _Base) -> Sketch:
        diff_id = base.layer.diff_id
        if diff_id not in self._sketches:
            self._sketches[diff_id] = sketch(base.chunks())
        return self._sketches[diff_id]

    def _encode(self, layer: Layer, unpacked: int, base: _Base, directory: str) -> list[Delta]:
        """The delta, if it is small enough; what it makes is proven to be the layer."""
        source, target, patch = (os.path.join(directory, name) for name in ("base", "target", "patch"))
        base_unpacked = _unpack.write_verified(base.chunks(), source, base.layer.diff_id, "A layer of a base")
        _delta.encode(source, target, patch, self._run)
        if os.path.getsize(patch) >= self._limit * layer.blob.size:
            return []
        os.unlink(target)
        _delta.apply(source, patch, target, unpacked, self._run)
        _unpack.verify(target, layer.diff_id, "What a delta makes")
        digest = _unpack.digest_of(patch)
        delta = Delta(
            digest=layer.blob.digest,
            size=layer.blob.size,
            diff_id=layer.diff_id,
            unpacked=unpacked,
            base_diff_id=base.layer.diff_id,
            base_unpacked=base_unpacked,
            bundle=base.bundle.id,
            bundle_name=base.bundle.name,
            delta=digest,
            delta_size=os.path.getsize(patch),
            restore=_how_to_restore(layer.blob.digest, target, self._store.path(layer.blob.digest)),
        )
        self._store.add_blob(
            _unpack.file_chunks(patch), _oci.Descriptor(_MEDIA_TYPE, digest, delta.delta_size), f"The delta of {digest}"
        )
        return [delta]


def _sketched(pieces: t.Iterable[bytes], made: Sketch) -> t.Iterator[bytes]:
    for piece in pieces:
        made.feed(piece)
        yield piece


def _how_to_restore(digest: str, content: str, blob: str) -> str:
    """Which way the file I(content) becomes the blob of this digest again, byte for byte; empty when none does."""
    if _unpack.digest_of(content) == digest:
        return "tar"
    # The start tells apart nearly all that was compressed by others, and costs little.
    with open(content, "rb") as stream:
        head = b"".join(_unpack.compressed([stream.read(_PROBE)], "gzip"))[: _PROBE // 64]
    with open(blob, "rb") as stream:
        is_alike = stream.read(len(head)) == head
    if is_alike and _unpack.digest_of_chunks(_unpack.compressed(_unpack.file_chunks(content), "gzip")) == digest:
        return "gzip"
    return ""
