# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""From manifests whose blobs are in the store to the images of a bundle, and the layers that these share."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._choice import ALL, Choice, is_same_platform
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._image import Image, Layer
from ansible_collections.airlift.registry.plugins.module_utils._pack import Packed
from ansible_collections.airlift.registry.plugins.module_utils._reuse import reuse, stand_ins
from ansible_collections.airlift.registry.plugins.module_utils._source import Wanted


def assemble(wanted: Wanted, choice: Choice, source_id: str, store: BlobStore) -> list[Packed]:
    """One image for each platform that was chosen; raises InputError when one is not what it was chosen for."""
    index = store.add_document(choice.index, choice.media_type) if choice.index else None
    images = [_image(wanted, entry.descriptor, index, store) for entry in choice.images]
    _check_platforms(wanted, images)
    return [Packed(image, str(wanted.source), source_id) for image in images]


def blobs_of(entry: _oci.IndexEntry, data: bytes, what: str) -> tuple[_oci.Descriptor, ...]:
    """The blobs that the manifest I(data) needs, each once; raises BundleError when it is not what the entry says."""
    if entry.platform == _oci.NO_PLATFORM:
        return tuple(dict.fromkeys(_oci.parse_artifact(data, what).blobs))
    manifest = _oci.parse_manifest(data, what)
    return tuple(dict.fromkeys((manifest.config, *manifest.layers)))


def _image(wanted: Wanted, descriptor: _oci.Descriptor, index: _oci.Descriptor | None, store: BlobStore) -> Image:
    what = f"The manifest of {wanted.source}"
    manifest = _oci.parse_manifest(store.read(descriptor, what), what)
    what = f"The config of {wanted.source}"
    config = _oci.parse_config(store.read(manifest.config, what), what)
    if len(config.diff_ids) != len(manifest.layers):
        raise InputError(
            f"{wanted.source} has {len(manifest.layers)} layers and {len(config.diff_ids)} diffIDs",
            "It cannot be run anywhere; build and push it again.",
        )
    layers = tuple(Layer(blob, diff_id) for blob, diff_id in zip(manifest.layers, config.diff_ids))
    return Image(wanted.name, descriptor, manifest.config, config.platform, config.created, layers, index)


def share_layers(
    packed: t.Sequence[Packed], elsewhere: t.Iterable[Layer], with_zstd: bool, store: BlobStore
) -> list[Packed]:
    """The same images, in which those that are made here use the layers that others, or bundles I(elsewhere), have (_reuse)."""
    offered = [layer for entry in packed if not entry.is_made_here for layer in entry.image.layers]
    chosen = stand_ins([*offered, *elsewhere], with_zstd)
    shared = [_with_layers(entry, reuse(entry.image.layers, chosen), store) for entry in packed]
    store.release(_digests(packed) - _digests(shared))
    return shared


def _with_layers(packed: Packed, layers: tuple[Layer, ...], store: BlobStore) -> Packed:
    if not packed.is_made_here or layers == packed.image.layers:
        return packed
    data = _oci.image_manifest(packed.image.config, [layer.blob for layer in layers])
    manifest = store.add_document(data, _oci.OCI_MANIFEST)
    return dataclasses.replace(packed, image=dataclasses.replace(packed.image, manifest=manifest, layers=layers))


def _digests(packed: t.Iterable[Packed]) -> set[str]:
    return {
        blob.digest
        for entry in packed
        for blob in (entry.image.manifest, *(layer.blob for layer in entry.image.layers))
    }


def _check_platforms(wanted: Wanted, images: t.Sequence[Image]) -> None:
    """What an index says of a platform is no promise; the config is what engines go by."""
    for platform in wanted.platforms:
        if platform != ALL and not any(is_same_platform(image.platform, platform) for image in images):
            raise InputError(
                f"{wanted.source} is for {', '.join(image.platform for image in images)}, and {platform} was wanted",
                "Set the platform that you mean: a mapping with source and platforms.",
            )
