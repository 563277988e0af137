# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""C(oci:) and C(oci-archive:) sources: OCI image layouts, every byte as it is there, so that digests survive."""

from __future__ import annotations

import typing as t

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.plugins.module_utils._assemble import assemble, blobs_of
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._choice import choose
from ansible_collections.airlift.registry.plugins.module_utils._image_layout import (
    ImageLayout,
    open_directory,
    open_tar,
)
from ansible_collections.airlift.registry.plugins.module_utils._pack import Packed
from ansible_collections.airlift.registry.plugins.module_utils._pick import choose_one, parse_place
from ansible_collections.airlift.registry.plugins.module_utils._reference import Source
from ansible_collections.airlift.registry.plugins.module_utils._source import Wanted


class LayoutSource:
    """C(oci:) directories and C(oci-archive:) tars, and which image in them."""

    def identify(self, wanted: Wanted) -> str:
        return _find(wanted.source)[1].digest

    def fetch(self, wanted: t.Sequence[Wanted], ids: t.Mapping[Wanted, str], store: BlobStore) -> list[Packed]:
        return [packed for entry in wanted for packed in _fetch_one(entry, ids[entry], store)]


def _fetch_one(wanted: Wanted, source_id: str, store: BlobStore) -> list[Packed]:
    layout, target = _find(wanted.source)
    what = f"The manifest of {wanted.source}"
    choice = choose(layout.document(target, what), wanted.platforms, what)
    for entry in choice.entries:
        _bring(layout, entry, str(wanted.source), store)
    return assemble(wanted, choice, source_id, store)


def _bring(layout: ImageLayout, entry: _oci.IndexEntry, what: str, store: BlobStore) -> None:
    manifest = layout.document(entry.descriptor, f"A manifest of {what}")
    blobs = blobs_of(entry, manifest, f"The manifest of {what}")
    if not store.has(entry.descriptor):
        store.add_blob([manifest], entry.descriptor, what)
    for blob in blobs:
        if not store.has(blob):
            store.add_blob(layout.blob(blob), blob, what)


def _find(source: Source) -> tuple[ImageLayout, _oci.Descriptor]:
    path, pick = parse_place(source.location)
    what = f"OCI layout {path}"
    layout = open_directory(path, what) if source.transport == "oci" else open_tar(path, what)
    return layout, choose_one(layout.candidates(), pick, what)
