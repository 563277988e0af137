# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The docker archive, which C(docker save) writes: a stream in, images with compressed layers out.

All its layouts are read: the legacy one (C(<id>/layer.tar), with links between equal layers), the one of Docker 25 and later
(C(blobs/sha256)), podman's and skopeo's (C(<hex>.tar), with links to it), and those of crane, kaniko and jib (C(<hex>.tar.gz), and a
config called C(sha256:<hex>) or C(config.json)). Layers are compressed as they pass, so the archive is never stored.
"""

from __future__ import annotations

import posixpath
import re
import tarfile
import typing as t
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils import _oci
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError, InputError
from ansible_collections.airlift.registry.plugins.module_utils._image import Layer
from ansible_collections.airlift.registry.plugins.module_utils._layout import CHUNK, TAR_ERRORS, Member, tar_members
from ansible_collections.airlift.registry.plugins.module_utils._reference import normalize
from ansible_collections.airlift.registry.plugins.module_utils._uncompress import Peeked, Reader, uncompressed

_MAX_DOCUMENTS = 16 * 1024 * 1024  # of all small files together, so that an archive cannot fill the memory
_MAX_HOPS = 16  # from link to link; docker save links equal layers to the first of them
_MEMBER = re.compile(
    r"(?:manifest\.json|repositories|index\.json|oci-layout|config\.json|blobs(?:/sha256(?:/[0-9a-f]{64})?)?"
    r"|sha256:[0-9a-f]{64}|(?:sha256:)?[0-9a-f]{64}\.tar\.gz|[0-9a-f]{64}(?:\.json|\.tar|/(?:VERSION|json|layer\.tar))?)"
)
_SAVE_AGAIN = "Write the archive again with docker save."


@dataclass(frozen=True)
class SavedImage:
    """One image of an archive; I(tags) are full references."""

    config: bytes
    layers: tuple[Layer, ...]
    tags: tuple[str, ...]


def read_archive(stream: Reader, store: BlobStore, what: str) -> list[SavedImage]:
    """Read an archive to its end and store its layers; I(what) names it in errors (InputError)."""
    contents = _Contents(what)
    try:
        source = t.cast(t.Any, uncompressed(stream, what))
        # By default tarfile asks for 10 KiB at a time, which costs more than all checksums.
        with tarfile.open(fileobj=source, mode="r|", bufsize=CHUNK, tarinfo=Member) as archive:
            for member in tar_members(archive):
                contents.add(archive, member, store)
    except TAR_ERRORS as error:
        raise InputError(f"{what} is no archive, or is cut short ({error})", _SAVE_AGAIN) from error
    return contents.images()


class _Contents:
    """What has been seen of an archive: its layers by name, its documents by name, its links."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._layers: dict[str, Layer] = {}
        self._documents: dict[str, bytes] = {}
        self._links: dict[str, str] = {}
        self._room = _MAX_DOCUMENTS

    def add(self, archive: tarfile.TarFile, member: tarfile.TarInfo, store: BlobStore) -> None:
        name = posixpath.normpath(member.name)
        if name != "." and not _MEMBER.fullmatch(name):
            raise self._no_image(member.name)
        if member.issym():
            self._links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
        elif member.islnk():
            self._links[name] = posixpath.normpath(member.linkname)
        elif member.isreg():
            self._add_file(name, member.size, t.cast(t.IO[bytes], archive.extractfile(member)), store)
        elif not member.isdir():
            raise InputError(f"{self._what} holds a special file, {name}", _SAVE_AGAIN)

    def images(self) -> list[SavedImage]:
        if "manifest.json" not in self._documents:
            raise InputError(f"{self._what} has no manifest.json, so it is cut short or no docker archive", _SAVE_AGAIN)
        try:
            entries = _oci.parse_json(self._documents["manifest.json"], f"manifest.json of {self._what}")
            return [self._image(entry) for entry in entries]
        except AirliftError:
            raise
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"manifest.json of {self._what} cannot be understood ({error!r})", _SAVE_AGAIN) from error

    def _add_file(self, name: str, size: int, content: t.IO[bytes], store: BlobStore) -> None:
        # A blob's name does not say what it is: JSON begins with a brace or a bracket, no tar and no gzip does.
        head = Peeked(content, 1)
        if size <= _oci.MAX_DOCUMENT and (head.head in (b"{", b"[") or not _may_be_layer(name)):
            self._room -= size
            if self._room < 0:
                raise InputError(f"{self._what} holds more than {_MAX_DOCUMENTS} bytes of documents", _SAVE_AGAIN)
            self._documents[name] = head.read(size)
        elif size:
            self._layers[name] = store.add_layer(head, f"{name} in {self._what}")

    def _image(self, entry: dict[str, t.Any]) -> SavedImage:
        config = self._documents[self._resolve(entry["Config"], self._documents)]
        layers = tuple(self._layers[self._resolve(name, self._layers)] for name in entry["Layers"])
        diff_ids = _oci.parse_config(config, f"The config {entry['Config']} in {self._what}").diff_ids
        if diff_ids != tuple(layer.diff_id for layer in layers):
            raise InputError(f"The layers in {self._what} are not those that {entry['Config']} names", _SAVE_AGAIN)
        return SavedImage(config, layers, tuple(normalize(tag) for tag in entry.get("RepoTags") or ()))

    def _resolve(self, name: str, files: t.Mapping[str, t.Any]) -> str:
        for _hop in range(_MAX_HOPS):
            if name in files:
                return name
            name = self._links.get(name, name)
        raise InputError(f"{self._what} lacks {name}, which its manifest.json names", _SAVE_AGAIN)

    def _no_image(self, name: str) -> InputError:
        return InputError(
            f"{self._what} is no image: it holds {name[:200]!r}, so it is the file system of a container, as docker export writes it",
            "Save the image instead (docker save), or make one of this file (docker import) and save that.",
        )


def _may_be_layer(name: str) -> bool:
    return name.startswith("blobs/") or name.endswith((".tar", ".tar.gz"))
