# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What registries have attached to images: finding the referrers, and bringing them into a bundle."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError, RegistryError
from ansible_collections.airlift.registry.plugins.module_utils._lock import Lock, LockedImage
from ansible_collections.airlift.registry.plugins.module_utils._reference import (
    Reference,
    parse_reference,
    parse_source,
)
from ansible_collections.airlift.registry.plugins.module_utils._referrers import (
    Referrer,
    cosign_tags,
    locked_referrers,
    make_referrer,
)
from ansible_collections.airlift.registry.plugins.module_utils._registry import MAX_REFERRERS, Registry
from ansible_collections.airlift.registry.plugins.module_utils._skopeo import Skopeo
from ansible_collections.airlift.registry.plugins.module_utils._source import Wanted
from ansible_collections.airlift.registry.plugins.module_utils._source_bundle import BundleSource
from ansible_collections.airlift.registry.plugins.module_utils._source_registry import bring_blobs

MAX_DEPTH = 4  # a signature of an attestation of an SBOM of an image
_NEXT = "Mend it in the registry (oras discover shows what is attached), or make the bundle without referrers."


Connect = t.Callable[[Reference], Registry]


@dataclass(frozen=True)
class Attachable:
    """An image of a registry: its name in the bundle, its reference there, and the digests that something may be about."""

    name: str
    source: Reference
    subjects: tuple[str, ...]


@dataclass(frozen=True)
class Attached:
    """A referrer that was found, its manifest, and the repository that has it."""

    referrer: Referrer
    manifest: bytes
    repository: Reference


class Attachments:
    """What refers to the images of a bundle, if that is wanted: what registries have attached, and what bundles have of which images are taken."""

    def __init__(self, is_wanted: bool, skopeo: Skopeo, connect: Connect) -> None:
        self._is_wanted = is_wanted
        self._skopeo = skopeo
        self._connect = connect

    def differ(self, lock: Lock, taken: BundleSource) -> bool:
        """Whether a bundle with this lock has other referrers than one that is made now."""
        found = self._find(lock.images, taken)
        here = [referrer for referrer, _bundle in taken.referrers] if self._is_wanted else []
        return locked_referrers(_each_once([*(attached.referrer for attached in found), *here])) != lock.referrers

    def fetch(self, images: t.Iterable[LockedImage], taken: BundleSource, store: BlobStore) -> list[Referrer]:
        """Bring the referrers of these images into the store."""
        if not self._is_wanted:
            return []
        found = [_fetch(attached, self._skopeo, store) for attached in self._find(images, taken)]
        return _each_once([*found, *taken.fetch_referrers(store)])

    def around(self, ids: t.Mapping[Wanted, str], taken: BundleSource) -> list[t.Any]:
        """What refers to the digests by which sources know their images, as far as it can be told before these are fetched."""
        if not self._is_wanted:
            return []
        images = [
            Attachable(wanted.name, parse_reference(wanted.source.location), (digest,))
            for wanted, digest in ids.items()
            if wanted.source.transport == "docker"
        ]
        found = [attached.referrer for attached in find_attached(images, self._connect)]
        return [list(referrer.key) for referrer in [*found, *(referrer for referrer, _bundle in taken.referrers)]]

    def warnings(self, images: t.Iterable[LockedImage], taken: BundleSource) -> t.Iterator[str]:
        """What cannot come along because it is about an index that the bundle has not got."""
        for image in left_behind(_of_registries(images, taken)) if self._is_wanted else ():
            if find_attached([image], self._connect):
                yield (
                    f"{image.name} is some platforms of an index, {image.subjects[0]}. What refers to that index stays behind, because the bundle "
                    "has not got it. Take all platforms of the image to bring it."
                )

    def _find(self, images: t.Iterable[LockedImage], taken: BundleSource) -> list[Attached]:
        return find_attached(attachable(_of_registries(images, taken)), self._connect) if self._is_wanted else []


def _of_registries(images: t.Iterable[LockedImage], taken: BundleSource) -> list[LockedImage]:
    """Without those that are taken from bundles: their registries may not be in reach."""
    names = {image.name for image in taken.images}
    return [image for image in images if image.name not in names and parse_source(image.source).transport == "docker"]


def _each_once(referrers: t.Iterable[Referrer]) -> list[Referrer]:
    return list({referrer.key: referrer for referrer in referrers}.values())


def attachable(images: t.Iterable[LockedImage]) -> list[Attachable]:
    """What something can be attached to: images of registries, one for each name."""
    subjects: dict[tuple[str, str], list[str]] = {}
    for image in images:
        key = (image.name, parse_source(image.source).location)
        subjects.setdefault(key, []).extend([image.index or image.digest, image.digest])
    return [
        Attachable(name, parse_reference(location), tuple(dict.fromkeys(digests)))
        for (name, location), digests in subjects.items()
    ]


def left_behind(images: t.Iterable[LockedImage]) -> list[Attachable]:
    """The indexes of which only some platforms were taken: what is attached to one of them cannot come with it."""
    return [
        Attachable(image.name, parse_reference(parse_source(image.source).location), (image.source_id,))
        for image in {image.name: image for image in images}.values()
        if image.source_id not in (image.index, image.digest)
    ]


def find_attached(images: t.Iterable[Attachable], connect: Connect) -> list[Attached]:
    """The referrers of these images, each once; raises RegistryError. I(connect) gives the registry of a repository."""
    found: dict[tuple[str, str, str], Attached] = {}
    names: dict[str, str] = {}
    for image in images:
        finder = _Finder(connect(image.source), image.source, parse_reference(image.name).repository)
        for attached in finder.find(image.subjects):
            referrer = found.setdefault(attached.referrer.key, attached).referrer
            if referrer.name and names.setdefault(referrer.name, referrer.manifest.digest) != referrer.manifest.digest:
                raise RegistryError(
                    f"{referrer.name} is one thing in the registry of one image and another in that of another",
                    "Give these images names in different repositories.",
                )
    return [found[key] for key in sorted(found)]


def _fetch(attached: Attached, skopeo: Skopeo, store: BlobStore) -> Referrer:
    referrer = attached.referrer
    location = f"{attached.repository.repository}@{referrer.manifest.digest}"
    store.add_blob([attached.manifest], referrer.manifest, f"docker://{location}")
    docker_config = referrer.blobs[0] if referrer.manifest.media_type == _oci.DOCKER_MANIFEST else None
    bring_blobs(skopeo, location, docker_config, [blob for blob in referrer.blobs if not store.has(blob)], store)
    return referrer


class _Finder:
    """Looks for referrers in one repository. I(name) is the repository's name in the bundle."""

    def __init__(self, registry: Registry, repository: Reference, name: str) -> None:
        self._registry = registry
        self._repository = repository
        self._name = name

    def find(self, subjects: t.Sequence[str]) -> list[Attached]:
        """The referrers of I(subjects), the referrers of those, and so on for MAX_DEPTH steps."""
        found: dict[tuple[str, str, str], Attached] = {}
        asked: set[str] = set()
        level = list(subjects)
        for _depth in range(MAX_DEPTH):
            # A manifest that refers to itself, or two to each other, by tags: each is asked for once.
            level = [subject for subject in dict.fromkeys(level) if subject not in asked]
            asked.update(level)
            new = {attached.referrer.key: attached for subject in level for attached in self._of(subject)}
            found.update(new)
            if len(found) > MAX_REFERRERS:
                raise RegistryError(f"{self._repository} has more than {MAX_REFERRERS} referrers", _NEXT)
            level = [attached.referrer.manifest.digest for attached in new.values()]
        return list(found.values())

    def _of(self, subject: str) -> t.Iterator[Attached]:
        registry, path = self._registry, self._repository.path
        entries = registry.referrers(path, subject)
        for entry in entries if entries is not None else registry.referrers_by_tag(path, subject):
            yield self._listed(entry, subject)
        for tag in cosign_tags(subject):
            data = registry.manifest(path, tag)
            if data is not None:
                yield self._attached(data, f"{registry.host}/{path}:{tag}", f"{self._name}:{tag}")

    def _listed(self, entry: t.Mapping[str, t.Any], subject: str) -> Attached:
        listed = self._descriptor(entry, subject)
        what = f"{self._registry.host}/{self._repository.path}@{listed.digest}"
        data = self._registry.manifest(self._repository.path, listed.digest)
        if data is None:
            raise RegistryError(f"{what} is listed as a referrer of {subject}, and is not there", _NEXT)
        attached = self._attached(data, what)
        if attached.referrer.subject != subject:
            raise RegistryError(
                f"{what} is listed as a referrer of {subject}, and is about {attached.referrer.subject}", _NEXT
            )
        return attached

    def _descriptor(self, entry: t.Mapping[str, t.Any], subject: str) -> _oci.Descriptor:
        what = f"A referrer of {subject} in {self._registry.host}/{self._repository.path}"
        try:
            listed = _oci.parse_descriptor(entry, what)
        except BundleError as error:
            raise RegistryError(error.problem, _NEXT) from error
        if listed.media_type not in _oci.MANIFEST_TYPES:
            raise RegistryError(f"{what} is no manifest ({listed.digest}, {listed.media_type})", _NEXT)
        return listed

    def _attached(self, data: bytes, what: str, name: str = "") -> Attached:
        try:
            return Attached(make_referrer(data, what, name), data, self._repository)
        except BundleError as error:
            raise RegistryError(error.problem, _NEXT) from error
