# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Restores layers of which a bundle has only the delta, on the machine that has the bundles."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import tempfile
import typing as t

from ansible_collections.airlift.registry.plugins.module_utils import _delta, _layout, _oci, _unpack
from ansible_collections.airlift.registry.plugins.module_utils._bundle import Bundle
from ansible_collections.airlift.registry.plugins.module_utils._deltas import Delta
from ansible_collections.airlift.registry.plugins.module_utils._image import Layer
from ansible_collections.airlift.registry.plugins.module_utils._reference import hex_of
from ansible_collections.airlift.registry.plugins.module_utils._signature import Run

_COMPRESSIONS = ("gzip", "none")


def is_gzip(layer: Layer) -> bool:
    """Whether a layer is compressed with gzip, not as it is."""
    return _oci.compression_of(layer.blob.media_type) == "gzip"


def is_usable(layer: Layer) -> bool:
    """Whether a layer can be the base or the target of a delta: one that zstd compressed cannot."""
    return _oci.compression_of(layer.blob.media_type) in _COMPRESSIONS


def usable_layers(bundle: Bundle) -> dict[str, Layer]:
    """The layers that are in the bundle itself and can be a base, by diffID."""
    layers = [layer for image in bundle.images for layer in image.layers if is_usable(layer)]
    return {layer.diff_id: layer for layer in layers if _layout.blob_name(layer.blob.digest) in bundle.sums}


def layer_content(bundle: Bundle, layer: Layer, limit: int | None = None) -> t.Iterator[bytes]:
    """The uncompressed content of a layer of a bundle, in at most I(limit) bytes."""
    return _unpack.uncompressed(bundle.files.chunks(_layout.blob_name(layer.blob.digest)), is_gzip(layer), limit)


class Restorer:
    """Restores layers into I(directory), which the caller removes. Several processes may share it: each layer is made once."""

    def __init__(self, directory: str, run: Run) -> None:
        self._directory, self._run = directory, run

    def restore(self, delta: Delta, patch: Bundle, base: Bundle) -> Bundle:
        """The bundle I(patch), with the target of its I(delta) instead of its own files; raises BundleError or HostError."""
        name = _layout.blob_name(delta.digest)
        os.makedirs(os.path.join(self._directory, _layout.BLOBS), mode=0o700, exist_ok=True)
        with self._alone():
            if not os.path.exists(os.path.join(self._directory, name)):
                self._make(delta, patch, base)
        files = _layout.DirectoryFiles(self._directory)
        return dataclasses.replace(patch, files=files, sums={name: hex_of(delta.digest)})

    @contextlib.contextmanager
    def _alone(self) -> t.Iterator[None]:
        handle = os.open(os.path.join(self._directory, _layout.BLOBS), os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _make(self, delta: Delta, patch: Bundle, base: Bundle) -> None:
        what = f"Layer {delta.digest}, restored from its delta in bundle {patch.files.path},"
        with tempfile.TemporaryDirectory(prefix="restore-", dir=os.path.dirname(self._directory)) as work:
            source, change, content, blob = (os.path.join(work, name) for name in ("base", "delta", "content", "blob"))
            layer = usable_layers(base)[delta.base_diff_id]
            pieces = layer_content(base, layer, delta.base_unpacked)
            _unpack.write_verified(pieces, source, delta.base_diff_id, f"The base layer of {delta.digest}")
            _unpack.write_verified(
                patch.files.chunks(_layout.blob_name(delta.delta)), change, delta.delta, f"The delta of {delta.digest}"
            )
            _delta.apply(source, change, content, delta.unpacked, self._run, delta.memory)
            _unpack.verify(content, delta.diff_id, what)
            _unpack.write_verified(
                _unpack.compressed(_unpack.file_chunks(content), delta.restore), blob, delta.digest, what
            )
            os.rename(blob, os.path.join(self._directory, _layout.blob_name(delta.digest)))
