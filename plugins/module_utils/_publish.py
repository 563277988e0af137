# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Publishing to one registry: what it lacks, sending that, and asking again.

Images and referrers go by skopeo, which sends the blobs too; indexes are small documents without blobs and go by the distribution API.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils import _layout, _oci
from ansible_collections.airlift.registry.plugins.module_utils._bundle import Bundle, verify_file
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError, RegistryError
from ansible_collections.airlift.registry.plugins.module_utils._pool import Need, Pool
from ansible_collections.airlift.registry.plugins.module_utils._publication import Item, Publication
from ansible_collections.airlift.registry.plugins.module_utils._reference import hex_of
from ansible_collections.airlift.registry.plugins.module_utils._referrers import Referrer, fallback_tag
from ansible_collections.airlift.registry.plugins.module_utils._registry import Registry
from ansible_collections.airlift.registry.plugins.module_utils._skopeo import Skopeo


@dataclass(frozen=True)
class Plan:
    """What a registry lacks of one publication. C(before) is the digest that the name has there; C(missing) are sizes by digest."""

    before: str | None
    lacking: tuple[Item, ...]
    missing: t.Mapping[str, int]


def make_plan(registry: Registry, publication: Publication) -> Plan:
    """Ask the registry what it has."""
    repository = publication.repository
    before = registry.manifest_digest(repository, publication.tag)
    lacking = tuple(item for item in publication.items if not _has(registry, repository, item))
    blobs = {blob.digest: blob.size for item in lacking for blob in item.blobs}
    missing = {digest: size for digest, size in blobs.items() if not registry.has_blob(repository, digest)}
    return Plan(before, lacking, missing)


def needs(publication: Publication, plan: Plan) -> list[Need]:
    """The layers that must come from another bundle than the one with the manifest."""
    return [
        Need(publication.name, blob.digest)
        for item in plan.lacking
        for blob in item.blobs
        if blob.digest in plan.missing and not _holds(item.bundle, blob.digest)
    ]


def send(registry: Registry, skopeo: Skopeo, publication: Publication, plan: Plan, pool: Pool, work: str) -> None:
    """Send what is lacking; raises RegistryError unless all of it is there afterwards. I(work) is a directory for big files."""
    repository = publication.repository
    for item in plan.lacking:
        if item.manifest.media_type in _oci.INDEX_TYPES:
            reference = item.tag or item.manifest.digest
            registry.put_manifest(repository, reference, item.document, item.manifest.media_type)
            continue
        with _directory_with(item, plan.missing, pool, work) as directory:
            skopeo.push(directory, f"{registry.host}/{repository}{item.place}")
        if item.referrer and not item.tag:
            _list(registry, repository, item.referrer)
    for item in plan.lacking:
        if not _has(registry, repository, item):
            raise RegistryError(
                f"{registry.host}/{repository}{item.place} is not {item.manifest.digest} after the upload, or is not listed",
                "Check whether somebody else pushes there, and run this again.",
            )


def _has(registry: Registry, repository: str, item: Item) -> bool:
    found = registry.manifest_digest(repository, item.tag or item.manifest.digest)
    if item.referrer and item.tag and found and found != item.manifest.digest:
        return _covers(registry, repository, item)
    if found != item.manifest.digest or not item.referrer or item.tag:
        return found == item.manifest.digest
    entries, _has_api = _listing(registry, repository, item.referrer.subject)
    return any(entry.get("digest") == item.manifest.digest for entry in entries)


def _listing(registry: Registry, repository: str, subject: str) -> tuple[list[dict[str, t.Any]], bool]:
    """What the registry lists as referrers of a digest, and whether it has an API for that."""
    entries = registry.referrers(repository, subject)
    return (entries, True) if entries is not None else (registry.referrers_by_tag(repository, subject), False)


def _list(registry: Registry, repository: str, referrer: Referrer) -> None:
    """Add a referrer that was pushed to the index that takes the place of an API; what others have there stays."""
    entries, has_api = _listing(registry, repository, referrer.subject)
    if has_api or any(entry.get("digest") == referrer.manifest.digest for entry in entries):
        return
    index = {"schemaVersion": 2, "mediaType": _oci.OCI_INDEX, "manifests": [*entries, referrer.to_json()]}
    tag = fallback_tag(referrer.subject)
    registry.put_manifest(repository, tag, _oci.canonical_json(index), _oci.OCI_INDEX)


def _covers(registry: Registry, repository: str, item: Item) -> bool:
    """Whether the manifest under a tag of cosign's has all that ours has; raises RegistryError when it has what would be lost."""
    what = f"{registry.host}/{repository}{item.place}"
    ours = _layers(item.document, what)
    try:
        theirs = _layers(registry.manifest(repository, item.tag) or b"", what)
    except BundleError as error:
        raise RegistryError(error.problem, "Look what lies under that tag; it was not touched.") from error
    if theirs > ours or theirs == ours:
        return True
    if ours > theirs:
        return False
    raise RegistryError(
        f"{what} has signatures that the bundle has not, and they would be lost",
        "Remove that tag, publish again, and let whoever signed there sign again; it was not touched.",
    )


def _layers(data: bytes, what: str) -> set[bytes]:
    """Each layer is one signature: the descriptor carries it, the blob is what was signed."""
    return {_oci.canonical_json(layer) for layer in _oci.parse_document(data, what).get("layers") or ()}


def _holds(bundle: Bundle, digest: str) -> bool:
    return _layout.blob_name(digest) in bundle.files.sizes()


@contextmanager
def _directory_with(item: Item, missing: t.Collection[str], pool: Pool, work: str) -> t.Iterator[str]:
    """What skopeo calls a directory image: the manifest, and the blobs that it will send, each of them verified.

    An image layout would do for OCI manifests; skopeo before 1.14 does not find those of Docker's type in one.
    """
    # The config comes first; skopeo reads it even if the registry has it.
    config, *layers = [blob.digest for blob in item.blobs]
    directory = tempfile.mkdtemp(dir=work)
    try:
        with open(os.path.join(directory, "version"), "w", encoding="utf-8") as target:
            target.write("Directory Transport Version: 1.1\n")
        with open(os.path.join(directory, "manifest.json"), "wb") as document:
            document.write(item.document)
        for digest in [config, *(digest for digest in layers if digest in missing)]:
            bundle = item.bundle if _holds(item.bundle, digest) else pool.home(digest)
            verify_file(bundle.files, bundle.sums, _layout.blob_name(digest))
            _provide(bundle.files, _layout.blob_name(digest), os.path.join(directory, hex_of(digest)))
        yield directory
    finally:
        shutil.rmtree(directory)


def _provide(files: _layout.Files, name: str, path: str) -> None:
    """Put a file of the bundle at I(path): a link where it is a file already."""
    if isinstance(files, _layout.DirectoryFiles):
        os.symlink(os.path.join(os.path.abspath(files.path), name), path)
        return
    with open(path, "wb") as target:
        for chunk in files.chunks(name):
            target.write(chunk)
