# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""C(docker://) sources: images of registries, by skopeo, every byte as it was served.

Manifests are asked for first and say what is needed; then skopeo fetches the blobs that are lacking, several images at once.
"""

from __future__ import annotations

import concurrent.futures
import threading
import typing as t
from contextlib import contextmanager

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.plugins.module_utils._assemble import assemble, blobs_of
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore, damaged
from ansible_collections.airlift.registry.plugins.module_utils._choice import choose
from ansible_collections.airlift.registry.plugins.module_utils._pack import Packed
from ansible_collections.airlift.registry.plugins.module_utils._reference import repository_of
from ansible_collections.airlift.registry.plugins.module_utils._skopeo import Skopeo
from ansible_collections.airlift.registry.plugins.module_utils._source import Wanted


class RegistrySource:
    """C(docker://): images of registries, I(parallel) at once."""

    def __init__(self, skopeo: Skopeo, parallel: int) -> None:
        self._skopeo = skopeo
        self._parallel = parallel
        self._documents: dict[Wanted, bytes] = {}

    def identify(self, wanted: Wanted) -> str:
        self._documents[wanted] = data = self._skopeo.manifest(wanted.location)
        asked, found = wanted.source.location.partition("@")[2], _oci.digest_of(data)
        if asked not in ("", found):
            raise damaged(str(wanted.source), asked)
        return found

    def fetch(self, wanted: t.Sequence[Wanted], ids: t.Mapping[Wanted, str], store: BlobStore) -> list[Packed]:
        choices = {
            entry: choose(self._documents[entry], entry.platforms, f"The manifest of {entry.source}")
            for entry in wanted
        }
        # Under one digest there is one image, whatever its repository.
        pulls = {
            found.descriptor.digest: (entry, found) for entry, choice in choices.items() for found in choice.entries
        }
        claims = _Claims(store)
        with concurrent.futures.ThreadPoolExecutor(self._parallel) as pool:
            jobs = [pool.submit(self._pull, *pull, store, claims) for pull in pulls.values()]
            try:
                for job in jobs:
                    job.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return [packed for entry in wanted for packed in assemble(entry, choices[entry], ids[entry], store)]

    def _pull(self, wanted: Wanted, entry: _oci.IndexEntry, store: BlobStore, claims: _Claims) -> None:
        location = f"{repository_of(wanted.source.location)}@{entry.descriptor.digest}"
        self._bring_manifest(wanted, location, entry.descriptor, store)
        blobs = blobs_of(entry, store.read(entry.descriptor, location), f"Manifest docker://{location}")
        with claims.hold([blob for blob in blobs if not store.has(blob)]) as missing:
            is_docker = entry.descriptor.media_type == _oci.DOCKER_MANIFEST
            bring_blobs(self._skopeo, location, blobs[0] if is_docker else None, missing, store)

    def _bring_manifest(self, wanted: Wanted, location: str, manifest: _oci.Descriptor, store: BlobStore) -> None:
        if not store.has(manifest):
            top = self._documents[wanted]
            data = top if _oci.digest_of(top) == manifest.digest else self._skopeo.manifest(location)
            store.add_blob([data], manifest, f"docker://{location}")


def bring_blobs(
    skopeo: Skopeo,
    location: str,
    docker_config: _oci.Descriptor | None,
    missing: t.Sequence[_oci.Descriptor],
    store: BlobStore,
) -> None:
    """Fetch I(missing), which the manifest at I(location) names; raises InputError when one is not what it says.

    I(docker_config) is the config of a manifest of Docker's type, which skopeo would replace by one of its own.
    """
    if docker_config and docker_config in missing:
        store.add_blob([skopeo.config(location)], docker_config, f"docker://{location}")
    if any(not store.is_known(blob) for blob in missing):
        skopeo.pull(location, max(blob.size for blob in missing), store.algorithms)
    for blob in missing:
        # skopeo gives a blob its name after it has compared the digest of what it read, so a layer is not read again.
        if not store.has(blob, is_verified=True):
            raise damaged(f"docker://{location}", blob.digest)


class _Claims:
    """Who fetches which blob, so that images that share one wait for it instead of fetching it again."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self._changed = threading.Condition()
        self._taken: set[str] = set()

    @contextmanager
    def hold(self, blobs: t.Sequence[_oci.Descriptor]) -> t.Iterator[list[_oci.Descriptor]]:
        """Wait until nobody fetches any of the blobs; those that are lacking then."""
        with self._changed:
            self._changed.wait_for(lambda: self._taken.isdisjoint(_digests(self._lacking(blobs))))
            missing = self._lacking(blobs)
            self._taken |= _digests(missing)
        try:
            yield missing
        finally:
            with self._changed:
                self._taken -= _digests(missing)
                self._changed.notify_all()

    def _lacking(self, blobs: t.Sequence[_oci.Descriptor]) -> list[_oci.Descriptor]:
        return [blob for blob in blobs if not self._store.is_known(blob)]


def _digests(blobs: t.Iterable[_oci.Descriptor]) -> set[str]:
    return {blob.digest for blob in blobs}
