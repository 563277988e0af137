# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Referrers: manifests that are about another manifest, such as signatures, SBOMs and attestations. Plain data in and out.

There are three ways in which a registry shows them:

* a manifest with C(subject), listed by the referrers API (distribution specification, "Listing Referrers");
* the same where there is no such API, listed by an index under the tag C(sha256-HEX) ("Referrers Tag Schema");
* a manifest without C(subject) under a tag C(sha256-HEX.sig), C(.att) or C(.sbom) (cosign, "Signature Specification").

In a bundle the first two are the same: C(referrers.json) lists them as the referrers API does. Those of cosign's tags are in the same list
under their full reference.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError, InputError
from ansible_collections.airlift.registry.plugins.module_utils._image import Image
from ansible_collections.airlift.registry.plugins.module_utils._lock import LockedReferrer
from ansible_collections.airlift.registry.plugins.module_utils._reference import Reference, hex_of, parse_reference

COSIGN_SUFFIXES = (".sig", ".att", ".sbom")

_COSIGN_TAG = re.compile(r"sha256-([0-9a-f]{64})(?:\.sig|\.att|\.sbom)")
_AGAIN = "Make the bundle anew."


@dataclass(frozen=True)
class Referrer:
    """A manifest about I(subject) (a digest). C(name) is the full reference of cosign's tag, or empty."""

    manifest: _oci.Descriptor
    artifact_type: str
    annotations: t.Mapping[str, str]
    blobs: tuple[_oci.Descriptor, ...]
    subject: str
    name: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it one, and the order in which they are listed."""
        return (self.subject, self.manifest.digest, self.name)

    @property
    def tag(self) -> str:
        return self.name.rpartition(":")[2]

    def to_json(self) -> dict[str, t.Any]:
        """Its descriptor as the referrers API lists it."""
        annotations = {key: text for key, text in self.annotations.items() if key != _oci.REF_ANNOTATION}
        if self.name:
            annotations[_oci.REF_ANNOTATION] = self.name
        listed = {**self.manifest.to_json(), "artifactType": self.artifact_type}
        return {**listed, "annotations": annotations} if annotations else listed


def fallback_tag(digest: str) -> str:
    """The tag under which the referrers of a digest are listed where there is no referrers API."""
    return f"sha256-{hex_of(digest)}"


def cosign_tags(digest: str) -> tuple[str, ...]:
    """The tags under which cosign puts what is about a digest."""
    return tuple(fallback_tag(digest) + suffix for suffix in COSIGN_SUFFIXES)


def make_referrer(data: bytes, what: str, name: str = "") -> Referrer:
    """The referrer whose manifest is I(data), found by its subject, or under I(name); raises BundleError when it is none."""
    artifact = _oci.parse_artifact(data, what)
    subject = artifact.subject.digest if artifact.subject else ""
    if name:
        subject = _subject_of(name, what)
    if not subject:
        raise BundleError(f"{what} is about nothing: it has no subject", _AGAIN)
    manifest = _oci.Descriptor(artifact.media_type, _oci.digest_of(data), len(data))
    return Referrer(
        manifest, artifact.artifact_type, artifact.annotations, tuple(dict.fromkeys(artifact.blobs)), subject, name
    )


def format_listing(referrers: t.Iterable[Referrer]) -> bytes:
    """C(referrers.json): an index like those of the referrers API, of all subjects together."""
    entries = [referrer.to_json() for referrer in sorted(referrers, key=lambda referrer: referrer.key)]
    data = _oci.canonical_json({"schemaVersion": 2, "mediaType": _oci.OCI_INDEX, "manifests": entries})
    if len(data) > _oci.MAX_DOCUMENT:
        raise InputError(
            f"The list of {len(entries)} referrers is larger than {_oci.MAX_DOCUMENT} bytes",
            "Make several bundles with fewer images each, or leave referrers out.",
        )
    return data


def locked_referrers(referrers: t.Iterable[Referrer]) -> tuple[LockedReferrer, ...]:
    """What the lock says of them."""
    return tuple(
        LockedReferrer(referrer.manifest.digest, referrer.subject, referrer.artifact_type, referrer.name)
        for referrer in sorted(referrers, key=lambda referrer: referrer.key)
    )


def parse_listing(data: bytes, what: str) -> list[tuple[_oci.Descriptor, str]]:
    """The descriptors of a list of referrers, each with the full reference under which it lies, or an empty one."""
    found = []
    for entry in listed_entries(_oci.parse_document(data, what), what):
        annotations = entry.get("annotations")
        name = annotations.get(_oci.REF_ANNOTATION, "") if isinstance(annotations, dict) else ""
        found.append((_oci.parse_descriptor(entry, f"An entry of {what}"), str(name)))
    return found


def listed_entries(document: t.Mapping[str, t.Any], what: str) -> list[dict[str, t.Any]]:
    """The entries of an index, whatever they are; raises BundleError when it is no index."""
    entries = document.get("manifests")
    if document.get("mediaType", _oci.OCI_INDEX) != _oci.OCI_INDEX or not isinstance(entries, list):
        raise BundleError(f"{what} is no index of manifests", _AGAIN)
    if not all(isinstance(entry, dict) for entry in entries):
        raise BundleError(f"{what} has an entry that is no descriptor", _AGAIN)
    return entries


def check_closed(referrers: t.Sequence[Referrer], images: t.Sequence[Image], what: str) -> None:
    """Raise BundleError unless every referrer is about an image, or about another referrer of one, and is there once."""
    repositories = {parse_reference(image.name).repository for image in images}
    for referrer in referrers:
        if referrer.name and parse_reference(referrer.name).repository not in repositories:
            raise BundleError(f"{what} has {referrer.name}, which is in the repository of no image", _AGAIN)
    if len({referrer.key for referrer in referrers}) != len(referrers):
        raise BundleError(f"{what} lists a referrer twice", _AGAIN)
    reached = {referrer.key for referrer in about(referrers, subjects_of(images))}
    for referrer in referrers:
        if referrer.key not in reached:
            raise BundleError(
                f"{what} lists {referrer.manifest.digest}, which is about {referrer.subject}, and no image is that",
                _AGAIN,
            )


def about(referrers: t.Sequence[Referrer], subjects: t.Iterable[str]) -> list[Referrer]:
    """The referrers of these digests, then the referrers of those, and so on; each once."""
    by_subject: dict[str, list[Referrer]] = {}
    for referrer in referrers:
        by_subject.setdefault(referrer.subject, []).append(referrer)
    found: list[Referrer] = []
    pending = list(dict.fromkeys(subjects))
    # Popped when visited, so that what is about itself is visited once.
    while pending:
        visited = by_subject.pop(pending.pop(0), [])
        found += visited
        pending += [referrer.manifest.digest for referrer in visited]
    return found


def attached_to(referrers: t.Sequence[Referrer], images: t.Sequence[Image]) -> list[Referrer]:
    """The referrers that belong to the images of one name.

    Under a tag of cosign's one belongs to one repository, by its subject to all that have the subject.
    """
    repository = parse_reference(images[0].name).repository
    return [
        referrer
        for referrer in about(referrers, subjects_of(images))
        if not referrer.name or parse_reference(referrer.name).repository == repository
    ]


def subjects_of(images: t.Iterable[Image]) -> list[str]:
    """The digests that something may be about: of each name's index, and of each manifest."""
    return list(dict.fromkeys(digest for image in images for digest in (image.target.digest, image.manifest.digest)))


def _subject_of(name: str, what: str) -> str:
    try:
        reference: Reference | None = parse_reference(name)
    except InputError:
        reference = None
    match = _COSIGN_TAG.fullmatch(reference.tag or "") if reference and str(reference) == name else None
    if not match:
        raise BundleError(f"{what} lies under {name!r}, which is no tag of cosign's", _AGAIN)
    return f"sha256:{match[1]}"
