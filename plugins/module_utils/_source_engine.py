# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""C(docker-daemon:) sources: images of a container engine."""

from __future__ import annotations

import threading
import typing as t

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._bundle import Bundle
from ansible_collections.airlift.registry.plugins.module_utils._docker_archive import SavedImage, read_archive
from ansible_collections.airlift.registry.plugins.module_utils._engine import Engine
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._layout import blob_name
from ansible_collections.airlift.registry.plugins.module_utils._pack import Packed
from ansible_collections.airlift.registry.plugins.module_utils._pick import Pick
from ansible_collections.airlift.registry.plugins.module_utils._source import Wanted
from ansible_collections.airlift.registry.plugins.module_utils._source_archive import find_saved, pack_saved


class DaemonSource:
    """C(docker-daemon:): images of an engine, all saved in one stream, so that a layer they share is compressed once.

    One that I(bases) have under another name is not saved: its ID tells its config, and that the layers.
    """

    def __init__(self, connect: t.Callable[[], Engine], bases: t.Callable[[], t.Sequence[Bundle]] = list) -> None:
        self._connect = connect
        self._bases = bases
        self._lock = threading.Lock()  # the Docker SDK is not made for threads

    def identify(self, wanted: Wanted) -> str:
        with self._lock:
            engine = self._connect()
            image = engine.inspect(wanted.source.location)
        if image is None:
            raise InputError(
                f"The engine at {engine.host} has no image {wanted.source.location}",
                "Check the name with docker images, build or pull it first.",
            )
        return str(image["id"])

    def fetch(self, wanted: t.Sequence[Wanted], ids: t.Mapping[Wanted, str], store: BlobStore) -> list[Packed]:
        known = {image_id: self._in_bases(image_id, store) for image_id in {ids[entry] for entry in wanted}}
        names = sorted({entry.source.location for entry in wanted if known[ids[entry]] is None})
        what = f"docker save {' '.join(names)}"
        saved: list[SavedImage] = []
        if names:
            with self._connect().save(names) as stream:
                saved = read_archive(stream, store, what)
        return [
            pack_saved(
                entry,
                ids[entry],
                known[ids[entry]] or find_saved(saved, Pick(entry.source.location, ids[entry]), what),
                store,
            )
            for entry in wanted
        ]

    def _in_bases(self, image_id: str, store: BlobStore) -> SavedImage | None:
        """The image as it would be saved, if a base has its config and something stands for each of its layers.

        The containerd store's IDs are of manifests, which are no configs.
        """
        for bundle in self._bases():
            if any(image.config.digest == image_id for image in bundle.images):
                config = bundle.files.read(blob_name(image_id), _oci.MAX_DOCUMENT)
                layers = store.stand_ins(_oci.parse_config(config, f"The config {image_id}").diff_ids)
                return None if layers is None else SavedImage(config, layers, ())
        return None
