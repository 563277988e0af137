# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Bundles that another bundle is made with: those that are its bases, and those whose images it takes over (C(bundle:) sources)."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils import _layout, _oci
from ansible_collections.airlift.registry.plugins.module_utils._bases import Base
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._bundle import Bundle
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._image import Image
from ansible_collections.airlift.registry.plugins.module_utils._lock import (
    LockedImage,
    bundle_id,
    is_lock,
    lock_bytes,
    parse_lock,
)
from ansible_collections.airlift.registry.plugins.module_utils._pack import Packed
from ansible_collections.airlift.registry.plugins.module_utils._pool import Need, Pool
from ansible_collections.airlift.registry.plugins.module_utils._referrers import Referrer, attached_to
from ansible_collections.airlift.registry.plugins.module_utils._restore import Restorer

TRANSPORT = "bundle"
_SUFFIXES = (".lock.yml", ".yml")

Load = t.Callable[[str], Bundle]


def read_base(path: str, load: Load) -> Base:
    """The base at I(path): a bundle, which I(load) verifies, or a lock file, which is not signed and taken for what it says."""
    if not is_lock(path):
        bundle = load(path)
        return Base(bundle.id, bundle.name, bundle.lock)
    data = lock_bytes(path)
    return Base(bundle_id(data), _name_of_lock(path), parse_lock(data))


def _name_of_lock(path: str) -> str:
    """The name of the bundle: of C(2026-10.lock.yml) it is C(2026-10), of a lock that lies in its bundle that of the directory."""
    directory, name = os.path.split(os.path.abspath(path))
    if name == _layout.LOCK:
        return os.path.basename(directory) or name
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name


@dataclass(frozen=True)
class Portion:
    """What is taken of one bundle: one image, or all when I(reference) is empty."""

    path: str
    reference: str

    def __str__(self) -> str:
        return f"{TRANSPORT}:{self.path}" + (f":{self.reference}" if self.reference else "")


def split_portions(values: t.Sequence[t.Any]) -> tuple[list[Portion], list[t.Any]]:
    """The C(bundle:PATH[:REFERENCE]) entries of the option C(images), and the others; raises InputError."""
    portions, others = [], []
    for value in values:
        source = value.get("source") if isinstance(value, dict) else value
        if not isinstance(source, str) or not source.startswith(f"{TRANSPORT}:"):
            others.append(value)
            continue
        if isinstance(value, dict) and set(value) != {"source"}:
            raise InputError(
                f"Image {source} has options beside its source",
                "An image of a bundle keeps its name and its platforms.",
            )
        path, _colon, reference = source.removeprefix(f"{TRANSPORT}:").partition(":")
        if not path:
            raise InputError(f"Image source {source!r} names no bundle", "Write bundle:PATH or bundle:PATH:REFERENCE.")
        portions.append(Portion(path, reference))
    return portions, others


class BundleSource:
    """The images that are taken over from other bundles, with the lock's word on where they came from."""

    def __init__(self, portions: t.Sequence[Portion], load: Load, restorer: Restorer) -> None:
        self._bundles = {path: load(path) for path in dict.fromkeys(portion.path for portion in portions)}
        self._pool = Pool(list(self._bundles.values()), restorer)
        self._homes: dict[str, Bundle] = {}
        self.images: list[Image] = []
        for portion in _specific_last(portions):
            self._take(self._bundles[portion.path], [portion.reference] if portion.reference else [])

    @property
    def locked(self) -> list[LockedImage]:
        """What the locks of the bundles say of the images."""
        return [self._locked(image) for image in self.images]

    @property
    def packed(self) -> list[Packed]:
        """The images as a new bundle has them."""
        return [Packed(image, entry.source, entry.source_id) for image, entry in zip(self.images, self.locked)]

    def check(self, names: t.Collection[str], left_out: t.Collection[str]) -> None:
        """Raise InputError for a name that is among I(names) too, BundleError when no bundle has a layer that is not I(left_out)."""
        for image in self.images:
            if image.name in names:
                raise InputError(
                    f"{image.name} is in the list of images and in bundle {self._homes[image.name].files.path}",
                    "Take it from one of them: name single images of the bundle with bundle:PATH:REFERENCE.",
                )
        layers = [(image.name, layer.blob.digest) for image in self.images for layer in image.layers]
        self._pool.check([Need(name, digest) for name, digest in layers if digest not in left_out], "The new bundle")

    def fetch(self, store: BlobStore) -> list[Packed]:
        """Copy the blobs into the store, each verified on its way."""
        copied = set(store.left_out)
        for image in self.images:
            bundle = self._homes[image.name]
            for blob in (image.manifest, image.config, *_index_blobs(bundle, image)):
                _copy(bundle, blob, image, store, copied)
            for layer in image.layers:
                if layer.blob.digest not in copied:
                    _copy(self._pool.home(layer.blob.digest), layer.blob, image, store, copied)
        return self.packed

    @property
    def referrers(self) -> list[tuple[Referrer, Bundle]]:
        """What refers to the images, each once, with the bundle that has it."""
        found: dict[tuple[str, str, str], tuple[Referrer, Bundle]] = {}
        for image in self.images:
            bundle = self._homes[image.name]
            for referrer in attached_to(bundle.referrers, [image]):
                found.setdefault(referrer.key, (referrer, bundle))
        return list(found.values())

    def fetch_referrers(self, store: BlobStore) -> list[Referrer]:
        """Copy what refers to the images into the store, each blob verified on its way."""
        found = self.referrers
        for referrer, bundle in found:
            for blob in (referrer.manifest, *referrer.blobs):
                if not store.has(blob):
                    what = f"Referrer {referrer.manifest.digest} of bundle {bundle.files.path}"
                    store.add_blob(bundle.files.chunks(_layout.blob_name(blob.digest)), blob, what)
        return [referrer for referrer, _bundle in found]

    def _take(self, bundle: Bundle, names: t.Sequence[str]) -> None:
        taken = bundle.select(names)
        replaced = {image.name for image in taken}
        self.images = [image for image in self.images if image.name not in replaced] + list(taken)
        self._homes.update(dict.fromkeys(replaced, bundle))

    def _locked(self, image: Image) -> LockedImage:
        same = (image.name, image.platform, image.manifest.digest)
        entries = self._homes[image.name].lock.images
        return next(entry for entry in entries if (entry.name, entry.platform, entry.digest) == same)


def _specific_last(portions: t.Sequence[Portion]) -> list[Portion]:
    """Of two bundles with the same name the later one counts; an image that is named counts more than a bundle."""
    return sorted(portions, key=lambda portion: bool(portion.reference))


def _index_blobs(bundle: Bundle, image: Image) -> list[_oci.Descriptor]:
    """The index that the name means, and what it lists that is no image: attestations, with their blobs."""
    if not image.index:
        return []
    blobs = [image.index]
    for entry in _oci.parse_index(_read(bundle, image.index), f"The index of {image.name}"):
        if entry.platform == _oci.NO_PLATFORM:
            artifact = _oci.parse_artifact(_read(bundle, entry.descriptor), f"The attestation of {image.name}")
            blobs += [entry.descriptor, *artifact.blobs]
    return blobs


def _copy(bundle: Bundle, blob: _oci.Descriptor, image: Image, store: BlobStore, copied: set[str]) -> None:
    """Copy a blob unless it is among those that were I(copied), and note that it is."""
    if blob.digest not in copied:
        store.add_blob(
            bundle.files.chunks(_layout.blob_name(blob.digest)), blob, f"{image.name} of bundle {bundle.files.path}"
        )
        copied.add(blob.digest)


def _read(bundle: Bundle, document: _oci.Descriptor) -> bytes:
    return bundle.files.read(_layout.blob_name(document.digest), _oci.MAX_DOCUMENT)
