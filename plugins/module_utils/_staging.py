# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Staging: the directory on a host where blobs arrive, are verified, and wait to be loaded.

A file is named by the hexadecimal digest of what it shall become, and grows from its start. So its size says where to go
on, and its content is believed only after it has been hashed.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import typing as t
from contextlib import suppress

from ansible_collections.airlift.registry.plugins.module_utils._errors import HostError
from ansible_collections.airlift.registry.plugins.module_utils._layout import CHUNK
from ansible_collections.airlift.registry.plugins.module_utils._reference import hex_of

DEFAULT_PATH = "/var/lib/airlift/staging"

_BLOB = re.compile(r"[0-9a-f]{64}")


class Staging:
    """The staging directory at I(path); it need not exist yet."""

    def __init__(self, path: str) -> None:
        self.path = path

    @property
    def work(self) -> str:
        """The directory for what is half-done, which only who holds the lock of staging may use."""
        return os.path.join(self.path, "work")

    def check(self) -> None:
        """Raise HostError when the directory is there and others have, or may have, put something into it.

        Who may write there can leave a link where a layer is going to be written, to any file that this user may overwrite.
        """
        try:
            status = os.lstat(self.path)
        except FileNotFoundError:
            return
        if (
            stat.S_ISDIR(status.st_mode)
            and status.st_uid == os.geteuid()
            and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        ):
            return
        raise HostError(
            f"The staging directory {self.path} is not only this user's: it is a link, belongs to another user, or others may write to it",
            "Remove it, or name another directory with staging_path; nothing was changed.",
        )

    def blobs(self) -> dict[str, int]:
        """The bytes that are there of each blob, by digest."""
        try:
            with os.scandir(self.path) as entries:
                return {f"sha256:{entry.name}": entry.stat().st_size for entry in entries if _is_blob(entry)}
        except FileNotFoundError:
            return {}

    def file_of(self, digest: str) -> str:
        """Where a blob is, or will be."""
        return os.path.join(self.path, hex_of(digest))

    def verify(self, digest: str, image: str) -> None:
        """Raise HostError unless the blob is here and has its digest; a damaged one is removed, so that it is sent again."""
        path = self.file_of(digest)
        checksum = hashlib.sha256()
        try:
            with open(path, "rb") as stream:
                while chunk := stream.read(CHUNK):
                    checksum.update(chunk)
        except FileNotFoundError:
            raise HostError(
                f"{path}, a layer of {image}, is not in staging", "Run this again; it will be sent."
            ) from None
        if f"sha256:{checksum.hexdigest()}" != digest:
            os.unlink(path)
            raise HostError(
                f"{path}, a layer of {image}, arrived damaged: its sha256 is {checksum.hexdigest()}",
                "It was removed and the next run sends it again; if that fails too, verify the bundle with airlift.registry.bundle_verify.",
            )

    def remove(self, digests: t.Iterable[str]) -> None:
        """Remove blobs that are no longer needed, and the directory when it is empty then."""
        for digest in digests:
            if os.path.exists(self.file_of(digest)):
                os.unlink(self.file_of(digest))
        # It may be a mount point, and another run may just have begun to fill it.
        with suppress(OSError):
            os.rmdir(self.path)


def disk(staging_path: str, engine_path: str) -> dict[str, t.Any]:
    """Free bytes where staging and the engine keep their data, and whether they share a file system.

    C(engine_inodes) is nothing on a file system that makes inodes as it needs them. C(read_only) are the directories, of both, on file systems that
    take no writes at all; C(staging_writable) is whether this user may write there.
    """
    staging, engine = _existing(staging_path), _existing(engine_path)
    return {
        "staging_path": staging_path,
        "staging_free": _free(staging),
        "engine_path": engine_path,
        "engine_free": _free(engine),
        "engine_inodes": _free_inodes(engine),
        "read_only": [path for path in dict.fromkeys([staging, engine]) if os.statvfs(path).f_flag & os.ST_RDONLY],
        "staging_writable": os.access(staging, os.W_OK | os.X_OK),
        "shared": os.stat(staging).st_dev == os.stat(engine).st_dev,
    }


def _is_blob(entry: os.DirEntry[str]) -> bool:
    return _BLOB.fullmatch(entry.name) is not None and entry.is_file(follow_symlinks=False)


def _existing(path: str) -> str:
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def _free(path: str) -> int:
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def _free_inodes(path: str) -> int | None:
    status = os.statvfs(path)
    return status.f_favail if status.f_files else None
