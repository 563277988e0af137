# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""C(docker-archive:) sources, and what they have in common with those of engines: both are what C(docker save) writes."""

from __future__ import annotations

import hashlib
import os
import typing as t

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._docker_archive import SavedImage, read_archive
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._image import Image
from ansible_collections.airlift.registry.plugins.module_utils._layout import CHUNK
from ansible_collections.airlift.registry.plugins.module_utils._pack import Packed
from ansible_collections.airlift.registry.plugins.module_utils._pick import Candidate, Pick, choose_one, parse_place
from ansible_collections.airlift.registry.plugins.module_utils._source import Wanted


class ArchiveSource:
    """C(docker-archive:): files that docker save wrote, or another tool in its format, compressed or not."""

    def identify(self, wanted: Wanted) -> str:
        path, _pick = parse_place(wanted.source.location)
        if not os.path.isfile(path):
            raise InputError(
                f"There is no docker archive at {path}",
                "Check the path; it is looked for on the host that runs Ansible.",
            )
        with open(path, "rb") as stream:
            return _digest_of_stream(stream)

    def fetch(self, wanted: t.Sequence[Wanted], ids: t.Mapping[Wanted, str], store: BlobStore) -> list[Packed]:
        packed = []
        places = {entry: parse_place(entry.source.location) for entry in wanted}
        for path in sorted({path for path, _pick in places.values()}):
            what = f"Docker archive {path}"
            with open(path, "rb") as stream:
                saved = read_archive(stream, store, what)
            for entry in wanted:
                if places[entry][0] == path:
                    packed.append(pack_saved(entry, ids[entry], find_saved(saved, places[entry][1], what), store))
        return packed


def pack_saved(wanted: Wanted, source_id: str, saved: SavedImage, store: BlobStore) -> Packed:
    """An image of an archive, whose manifest is made here because it had none."""
    config = _oci.parse_config(saved.config, f"The config of {wanted.source}")
    descriptor = store.add_document(saved.config, _oci.OCI_CONFIG)
    manifest = store.add_document(
        _oci.image_manifest(descriptor, [layer.blob for layer in saved.layers]), _oci.OCI_MANIFEST
    )
    image = Image(wanted.name, manifest, descriptor, config.platform, config.created, saved.layers)
    return Packed(image, str(wanted.source), source_id, is_made_here=True)


def find_saved(saved: t.Sequence[SavedImage], pick: Pick, what: str) -> SavedImage:
    """The image of an archive that is meant; raises InputError."""
    return choose_one([Candidate(image, image.tags, (_oci.digest_of(image.config),)) for image in saved], pick, what)


def _digest_of_stream(stream: t.BinaryIO) -> str:
    checksum = hashlib.sha256()
    while chunk := stream.read(CHUNK):
        checksum.update(chunk)
    return f"sha256:{checksum.hexdigest()}"
