# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""C(docker://) sources: images of registries, by skopeo, every byte as it was served."""

from __future__ import annotations

import os
import shutil
import tempfile
import typing as t

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._image import Image, Layer
from ansible_collections.airlift.registry.plugins.module_utils._pack import Packed
from ansible_collections.airlift.registry.plugins.module_utils._reference import hex_of
from ansible_collections.airlift.registry.plugins.module_utils._skopeo import Skopeo
from ansible_collections.airlift.registry.plugins.module_utils._source import Wanted, is_same_platform


class RegistrySource:
    """C(docker://): images of registries, by skopeo, every byte as it was served."""

    def __init__(self, skopeo: Skopeo) -> None:
        self._skopeo = skopeo

    def identify(self, wanted: Wanted) -> str:
        return self._skopeo.manifest_digest(wanted.source.location, wanted.platform)

    def fetch(self, wanted: t.Sequence[Wanted], ids: t.Mapping[Wanted, str], store: BlobStore) -> list[Packed]:
        return [self._fetch_one(entry, ids[entry], store) for entry in wanted]

    def _fetch_one(self, wanted: Wanted, source_id: str, store: BlobStore) -> Packed:
        directory = tempfile.mkdtemp(dir=store.root, prefix="pull-")
        try:
            self._skopeo.pull(wanted.source.location, wanted.platform, directory)
            return Packed(_adopt(wanted, directory, store), str(wanted.source), source_id)
        finally:
            shutil.rmtree(directory)


def _adopt(wanted: Wanted, directory: str, store: BlobStore) -> Image:
    """Take over what skopeo wrote: manifest.json, and each blob under the hexadecimal digits of its digest."""
    what = f"The manifest of {wanted.source}"
    with open(os.path.join(directory, "manifest.json"), "rb") as stream:
        data = stream.read(_oci.MAX_DOCUMENT + 1)
    manifest = _oci.parse_manifest(data, what)
    with open(os.path.join(directory, hex_of(manifest.config.digest)), "rb") as stream:
        config = _oci.parse_config(stream.read(_oci.MAX_DOCUMENT + 1), f"The config of {wanted.source}")
    # One blob may stand for several layers of an image.
    for blob in {blob.digest: blob for blob in (manifest.config, *manifest.layers)}.values():
        store.adopt(os.path.join(directory, hex_of(blob.digest)), blob, str(wanted.source))
    descriptor = store.add_document(data, manifest.media_type)
    if len(config.diff_ids) != len(manifest.layers):
        raise InputError(
            f"{wanted.source} has {len(manifest.layers)} layers and {len(config.diff_ids)} diffIDs",
            "It cannot be run anywhere; build and push it again.",
        )
    if not is_same_platform(config.platform, wanted.platform):
        raise InputError(
            f"{wanted.source} is for {config.platform}, and {wanted.platform} was wanted",
            "Set the platform that you mean: a mapping with source and platforms.",
        )
    layers = tuple(Layer(blob, diff_id) for blob, diff_id in zip(manifest.layers, config.diff_ids))
    return Image(wanted.name, descriptor, manifest.config, config.platform, config.created, layers)
