# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""OCI image layouts that other tools made, directories or tars: what they name, and blobs by digest (image layout specification).

Unlike a bundle, a layout may hold files of any kind; those that nothing in it points to are not looked at. Paths are made of digests,
never taken from a document, and must be regular files. Whatever is read is compared with its digest before it is believed.
"""

from __future__ import annotations

import os
import stat
import tarfile
import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.plugins.module_utils._bundle import NAME_ANNOTATION
from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._layout import BLOBS, CHUNK, INDEX, Member, blob_name
from ansible_collections.airlift.registry.plugins.module_utils._pick import Candidate

_AGAIN = "Write the layout again with the tool that made it."


@dataclass(frozen=True)
class _Place:
    """Where the bytes of a file are, in bytes."""

    path: str
    offset: int
    size: int


class ImageLayout:
    """A layout. I(find) says where a file of it is, if there is one."""

    def __init__(self, what: str, find: t.Callable[[str], _Place | None]) -> None:
        self.what = what
        self._find = find

    def candidates(self) -> list[Candidate[_oci.Descriptor]]:
        """What its index lists: indexes and manifests, with their names; raises InputError or BundleError."""
        what = f"{INDEX} of {self.what}"
        entries = _oci.parse_document(b"".join(self._chunks(INDEX, _oci.MAX_DOCUMENT + 1)), what).get("manifests")
        if not isinstance(entries, list):
            raise InputError(f"{what} lists no manifests", _AGAIN)
        return [_candidate(entry, f"Entry {number} of {what}") for number, entry in enumerate(entries)]

    def document(self, blob: _oci.Descriptor, what: str) -> bytes:
        """A manifest or an index; raises InputError when it is not what its descriptor says."""
        data = b"".join(self._chunks(blob_name(blob.digest), _oci.MAX_DOCUMENT + 1))
        if _oci.digest_of(data) != blob.digest:
            raise InputError(
                f"{what} is not {blob.digest}, as {self.what} says, or is larger than any document", _AGAIN
            )
        return data

    def blob(self, blob: _oci.Descriptor) -> t.Iterator[bytes]:
        """The bytes of a blob, which are not verified yet."""
        return self._chunks(blob_name(blob.digest), blob.size + 1)

    def _chunks(self, name: str, limit: int) -> t.Iterator[bytes]:
        place = self._find(name)
        if place is None:
            raise InputError(f"{self.what} has no file {name}", _AGAIN)
        left = min(place.size, limit)
        with open(place.path, "rb") as stream:
            stream.seek(place.offset)
            while left > 0 and (chunk := stream.read(min(CHUNK, left))):
                left -= len(chunk)
                yield chunk


def open_directory(path: str, what: str) -> ImageLayout:
    """The layout in a directory; raises InputError when there is none."""
    if not os.path.isdir(path):
        raise InputError(f"There is no directory {path} with an OCI layout", _look(path))

    def find(name: str) -> _Place | None:
        file = os.path.join(path, name)
        try:
            status = os.lstat(file)
        except FileNotFoundError:
            return None
        return _Place(file, 0, status.st_size) if stat.S_ISREG(status.st_mode) else None

    return ImageLayout(what, find)


def open_tar(path: str, what: str) -> ImageLayout:
    """The layout in a tar that is not compressed; raises InputError when it is none."""
    if not os.path.isfile(path):
        raise InputError(f"There is no file {path} with an OCI layout", _look(path))
    places: dict[str, _Place] = {}
    try:
        with tarfile.open(path, "r:", tarinfo=Member) as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                if member.isreg() and (name == INDEX or name.startswith(BLOBS)):
                    places.setdefault(name, _Place(path, member.offset_data, member.size))
    except (tarfile.TarError, EOFError) as error:
        raise InputError(
            f"{what} is no tar, or is cut short ({error})",
            "If it is compressed, decompress it first; else write it again.",
        ) from error
    return ImageLayout(what, places.get)


def _candidate(entry: t.Any, what: str) -> Candidate[_oci.Descriptor]:
    descriptor = _oci.parse_descriptor(entry, what)
    annotations = entry.get("annotations")
    named = annotations if isinstance(annotations, dict) else {}
    names = [named[key] for key in (_oci.REF_ANNOTATION, NAME_ANNOTATION) if isinstance(named.get(key), str)]
    return Candidate(descriptor, tuple(dict.fromkeys(names)), (descriptor.digest,))


def _look(path: str) -> str:
    other = "oci-archive:" if os.path.isfile(path) else "oci:" if os.path.isdir(path) else ""
    return f"Write {other}{path}." if other else "Check the path; it is looked for on the host that runs Ansible."
