# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The files of a bundle, in a directory or in one uncompressed tar (also one in parts, or encrypted): names, sizes and byte ranges.

Nothing is ever extracted to a path that the bundle chose: a name is one of a fixed set or C(blobs/sha256/<64 hex>),
it stands for a regular file, and it occurs once. Everything else is refused before a byte of it is read.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import stat
import tarfile
import typing as t
from tarfile import GNUTYPE_SPARSE, ReadError, TarInfo

from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError, InputError
from ansible_collections.airlift.registry.plugins.module_utils._medium import Medium, Opener, find_medium
from ansible_collections.airlift.registry.plugins.module_utils._reference import hex_of

LAYOUT = "oci-layout"
README = "README.txt"
INDEX = "index.json"
DOCKER_MANIFEST = "manifest.json"
LOCK = "bundle.lock.yml"
DELTAS = "deltas.json"
REFERRERS = "referrers.json"
SUMS = "SHA256SUMS"
SIGNATURE = "SHA256SUMS.sig"

# Decrypts what stands for a bundle's tar; how the plain tar is opened then.
Unlock = t.Callable[[Medium], Opener]

# The order of the tar: a reader has all that it needs for a plan before the first layer.
HEAD = (LAYOUT, README, INDEX, LOCK, DELTAS, REFERRERS, SUMS, SIGNATURE, DOCKER_MANIFEST)
OPTIONAL = (DELTAS, REFERRERS)
BLOBS = "blobs/sha256/"
CHUNK = 1024 * 1024
MAX_FILES = 65_536  # of a bundle or an archive; names alone must not fill the memory
MAX_SMALL = 8 * 1024 * 1024  # bytes of a file that is no blob: the checksums of as many files as there may be

_MAX_HEADER = 64 * 1024  # of a tar's extended headers, which tarfile reads as a whole
_MAX_SIZE = 1 << 50  # bytes of one file: what no disk has, and every file system can still be asked for
_BLOB = re.compile(r"blobs/sha256/[0-9a-f]{64}")
_DIRECTORIES = ("", ".", "blobs", "blobs/sha256")
_AGAIN = "Copy the bundle again from where it was made, or make it anew."


def blob_name(digest: str) -> str:
    """Where the blob of a digest is (image layout specification, "Blobs")."""
    return BLOBS + hex_of(digest)


class Member(TarInfo):
    """A tar member whose header can neither fill the memory nor lead back to where the reader was."""

    def _proc_member(self, tarfile: tarfile.TarFile) -> tarfile.TarInfo:
        # The entry point that the library leaves to subclasses; of a file only the place is noted there.
        if not self.isreg() and not 0 <= self.size <= _MAX_HEADER:
            raise ReadError(f"it has a header of {self.size} bytes")
        # No engine and no bundle has sparse files, and their maps may be longer than the memory.
        if self.type == GNUTYPE_SPARSE:
            raise ReadError("it has a sparse file")
        found = t.cast(TarInfo, t.cast(t.Any, super())._proc_member(tarfile))
        if not 0 <= found.size <= _MAX_SIZE:
            raise ReadError(f"it has a file of {str(found.size)[:40]} bytes")
        return found

    def _no_sparse(self, *_arguments: t.Any) -> t.NoReturn:
        raise ReadError("it has a sparse file")

    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _no_sparse


# What tarfile raises for headers that it cannot make sense of.
TAR_ERRORS = (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError)


def tar_members(archive: tarfile.TarFile) -> t.Iterator[tarfile.TarInfo]:
    """The members one by one, without keeping them; raises one of TAR_ERRORS, also for more than MAX_FILES of them."""
    for number, member in enumerate(iter(archive.next, None)):
        if number >= MAX_FILES:
            raise ReadError(f"it has more than {MAX_FILES} files")
        t.cast(t.Any, archive).members.clear()
        yield member


class Files:
    """The files of one bundle. Subclasses say where the bytes are."""

    path: str

    def sizes(self) -> dict[str, int]:
        """Every file's name and its size in bytes."""
        raise NotImplementedError

    def open(self, name: str, offset: int = 0) -> t.BinaryIO:
        """The file that holds I(name), positioned at I(offset) into it. It may go on after the end of I(name)."""
        raise NotImplementedError

    def chunks(self, name: str, offset: int = 0, length: int | None = None) -> t.Iterator[bytes]:
        """I(length) bytes of a file from I(offset) on (default: to its end), a chunk at a time."""
        left = self._size(name) - offset if length is None else length
        with self.open(name, offset) as stream:
            while left > 0:
                chunk = stream.read(min(CHUNK, left))
                if not chunk:
                    raise BundleError(f"Bundle {self.path} ends in the middle of {name}", _AGAIN)
                left -= len(chunk)
                yield chunk

    def read(self, name: str, limit: int) -> bytes:
        """A small file as a whole; raises BundleError when it is missing or larger than I(limit)."""
        self.check_size(name, limit)
        return b"".join(self.chunks(name))

    def check_size(self, name: str, limit: int) -> None:
        """Raise BundleError when a file is missing or larger than I(limit)."""
        if self._size(name) > limit:
            raise BundleError(f"{name} in bundle {self.path} is larger than {limit} bytes", _AGAIN)

    def digest(self, name: str) -> str:
        """The sha256 of a file, as 64 hexadecimal digits."""
        checksum = hashlib.sha256()
        for chunk in self.chunks(name):
            checksum.update(chunk)
        return checksum.hexdigest()

    def _size(self, name: str) -> int:
        try:
            return self.sizes()[name]
        except KeyError:
            raise BundleError(f"Bundle {self.path} has no {name}", _AGAIN) from None


class DirectoryFiles(Files):
    """A bundle that is a directory."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._sizes = dict(itertools.islice(self._walk(""), MAX_FILES + 1))
        if len(self._sizes) > MAX_FILES:
            raise BundleError(f"Bundle {path} has more than {MAX_FILES} files", _AGAIN)

    def sizes(self) -> dict[str, int]:
        return self._sizes

    def open(self, name: str, offset: int = 0) -> t.BinaryIO:
        stream = open(os.path.join(self.path, name), "rb")  # noqa: SIM115 - the caller closes it
        stream.seek(offset)
        return stream

    def _walk(self, prefix: str) -> t.Iterator[tuple[str, int]]:
        with os.scandir(os.path.join(self.path, prefix)) as entries:
            for entry in sorted(entries, key=lambda found: found.name):
                name = prefix + entry.name
                if entry.is_dir(follow_symlinks=False) and name in _DIRECTORIES:
                    yield from self._walk(f"{name}/")
                else:
                    status = entry.stat(follow_symlinks=False)
                    _check_entry(self.path, name, stat.S_ISREG(status.st_mode))
                    yield name, status.st_size


class TarFiles(Files):
    """A bundle that is one uncompressed tar: the headers are read once, the content where it lies."""

    def __init__(self, path: str, opener: Opener) -> None:
        self.path = path
        self._opener = opener
        self._places: dict[str, tuple[int, int]] = {}
        try:
            with opener() as stream, tarfile.open(fileobj=stream, mode="r:", tarinfo=Member) as archive:
                for member in tar_members(archive):
                    self._add(member)
        except TAR_ERRORS as error:
            raise BundleError(f"Bundle {path} is no tar, or is damaged ({error})", _AGAIN) from error

    def sizes(self) -> dict[str, int]:
        return {name: size for name, (offset, size) in self._places.items()}

    def open(self, name: str, offset: int = 0) -> t.BinaryIO:
        stream = self._opener()
        stream.seek(self._places[name][0] + offset)
        return stream

    def _add(self, member: tarfile.TarInfo) -> None:
        name = member.name.removeprefix("./")
        if member.isdir() and name in _DIRECTORIES:
            return
        _check_entry(self.path, name, member.isreg())
        if name in self._places:
            raise BundleError(f"Bundle {self.path} has {name} twice", _AGAIN)
        self._places[name] = (member.offset_data, member.size)


def open_files(path: str, unlock: Unlock | None = None) -> Files:
    """The files of the bundle at I(path); raises InputError or BundleError. An encrypted one needs I(unlock)."""
    if os.path.isdir(path):
        return DirectoryFiles(path)
    medium = find_medium(path)
    if medium and not medium.is_encrypted:
        return TarFiles(medium.path, medium.open)
    if medium and unlock:
        return TarFiles(medium.path, unlock(medium))
    if medium:
        raise InputError(
            f"Bundle {medium.path} is encrypted", f"Decrypt it first: age --decrypt -i KEY -o {path} {medium.path}"
        )
    raise InputError(f"There is no bundle at {path}", "Check the path; it is looked for on the host that runs Ansible.")


def tar_order(names: t.Iterable[str], documents: t.Collection[str]) -> list[str]:
    """The names in the order of the tar: the head, the I(documents) (manifests and configs), the layers."""
    rank = {name: number for number, name in enumerate(HEAD)}
    return sorted(names, key=lambda name: (rank.get(name, len(HEAD)), name not in documents, name))


def tar_member(name: str, size: int) -> tarfile.TarInfo:
    """A tar member that is the same whoever makes it, and whenever."""
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o644
    return member


def write_tar(files: Files, names: t.Iterable[str], target: t.BinaryIO) -> None:
    """Write the named files as one uncompressed tar."""
    # By default tarfile copies 16 KiB at a time, which takes three times as long.
    with tarfile.TarFile(fileobj=target, mode="w", format=tarfile.GNU_FORMAT, copybufsize=CHUNK) as archive:
        for name in names:
            with files.open(name) as stream:
                archive.addfile(tar_member(name, files.sizes()[name]), stream)


def _check_entry(path: str, name: str, is_regular: bool) -> None:
    if name not in HEAD and not _BLOB.fullmatch(name):
        raise BundleError(
            f"Bundle {path} holds {name[:200]!r}, which is no file of a bundle",
            "Don't use it; ask whoever made it for another copy.",
        )
    if not is_regular:
        raise BundleError(
            f"{name} in bundle {path} is a link or a special file",
            "Don't use it; ask whoever made it for another copy.",
        )
