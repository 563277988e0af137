# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What publishing a name means: which manifests go into which repository, in an order that a registry takes.

A registry refuses an index whose manifests are missing, so these come first, then what the name means, then what refers to it.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.plugins.module_utils._bundle import Bundle, read_document
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._image import Image
from ansible_collections.airlift.registry.plugins.module_utils._reference import Reference, parse_reference
from ansible_collections.airlift.registry.plugins.module_utils._referrers import Referrer, attached_to


@dataclass(frozen=True)
class Item:
    """One manifest for a repository, and the bundle that has it.

    C(tag) is empty when it goes there by digest; C(blobs), the config first, is empty for an index.
    """

    manifest: _oci.Descriptor
    blobs: tuple[_oci.Descriptor, ...]
    bundle: Bundle = field(compare=False, repr=False)
    tag: str = ""
    referrer: Referrer | None = None

    @property
    def place(self) -> str:
        """What follows the repository's name where it goes."""
        return f":{self.tag}" if self.tag else f"@{self.manifest.digest}"

    @property
    def document(self) -> bytes:
        return read_document(self.bundle.files, self.manifest, f"Manifest {self.manifest.digest}")


@dataclass(frozen=True)
class Publication:
    """One name of a bundle, where it goes, and the manifests for that in their order."""

    name: str
    repository: str
    tag: str
    target: _oci.Descriptor
    platforms: tuple[str, ...]
    items: tuple[Item, ...]


def publications(
    images: t.Mapping[Image, Bundle], bundles: t.Iterable[Bundle], place: t.Callable[[str], Reference]
) -> t.Iterator[Publication]:
    """One publication for each name among I(images), each with the bundle that has its manifest.

    What refers to them may be in any of I(bundles); I(place) says where a name goes.
    """
    by_name: dict[str, list[Image]] = {}
    for image in images:
        by_name.setdefault(image.name, []).append(image)
    for name, found in by_name.items():
        _check_agreement(found)
        reference = place(name)
        items = (*_image_items(found, images[found[0]], str(reference.tag)), *_referrer_items(found, bundles))
        platforms = tuple(image.platform for image in found)
        yield Publication(name, reference.path, str(reference.tag), found[0].target, platforms, items)


def published(name: str, host: str, namespace: str) -> Reference:
    """Where the image I(name) goes in the registry at I(host), C(HOST[:PORT]): the repository stays, below I(namespace) unless that is empty."""
    reference = parse_reference(name)
    below = f"{namespace}/" if namespace else ""
    # Whoever names the namespace must not be able to leave the registry.
    target = parse_reference(f"{host}/{below}{reference.path}:{reference.tag}")
    if target.domain != host:
        raise InputError(
            f"{host!r} cannot be told from a repository",
            "Write the registry as HOST[:PORT], with a dot or a port in it, for example registry.example.com.",
        )
    return target


def _check_agreement(images: t.Sequence[Image]) -> None:
    targets = sorted({image.target.digest for image in images})
    if len(targets) > 1:
        raise InputError(
            f"{images[0].name} means {' and '.join(targets)} in these bundles",
            "Publish the bundles one after the other, or make one bundle with all platforms of that name.",
        )


def _image_items(images: t.Sequence[Image], bundle: Bundle, tag: str) -> t.Iterator[Item]:
    known = {image.manifest.digest: image for image in images}
    target = images[0].target
    if images[0].index is None:
        yield Item(target, _blobs(images[0]), bundle, tag)
        return
    what = f"The index of {images[0].name}"
    for entry in _oci.parse_index(read_document(bundle.files, target, what), what):
        image = known.get(entry.descriptor.digest)
        yield Item(entry.descriptor, _blobs(image) if image else _artifact_blobs(bundle, entry.descriptor), bundle)
    yield Item(target, (), bundle, tag)


def _blobs(image: Image) -> tuple[_oci.Descriptor, ...]:
    return tuple(dict.fromkeys((image.config, *(layer.blob for layer in image.layers))))


def _artifact_blobs(bundle: Bundle, descriptor: _oci.Descriptor) -> tuple[_oci.Descriptor, ...]:
    what = f"Manifest {descriptor.digest}"
    return tuple(dict.fromkeys(_oci.parse_artifact(read_document(bundle.files, descriptor, what), what).blobs))


def _referrer_items(images: t.Sequence[Image], bundles: t.Iterable[Bundle]) -> t.Iterator[Item]:
    seen: set[tuple[str, str, str]] = set()
    for bundle in bundles:
        for referrer in attached_to(bundle.referrers, images):
            if referrer.key not in seen:
                seen.add(referrer.key)
                yield Item(referrer.manifest, referrer.blobs, bundle, referrer.tag, referrer)
