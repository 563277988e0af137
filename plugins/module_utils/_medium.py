# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What stands for a bundle's tar on the medium: the tar itself or C(NAME.tar.age), each as one file or in parts."""

from __future__ import annotations

import functools
import os
import re
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass

from ansible_collections.airlift.registry.plugins.module_utils import _parts
from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError, InputError

ENCRYPTED_SUFFIX = ".age"
ENCRYPTED_MAGIC = b"age-encryption.org/v1\n"  # the first line of an age file (age specification, "Header")

# How a stream of bytes is opened; each call gives a stream of its own.
Opener = t.Callable[[], t.BinaryIO]


@dataclass(frozen=True)
class Medium:
    """What was found for a bundle: I(path) is the tar's, or that of the encrypted file; neither exists if there are I(parts)."""

    path: str
    open: Opener
    size: int
    parts: _parts.Parts | None

    @property
    def files(self) -> tuple[str, ...]:
        """The paths of the files that are there."""
        return self.parts.paths if self.parts else (self.path,)

    @property
    def is_encrypted(self) -> bool:
        with self.open() as stream:
            return stream.read(len(ENCRYPTED_MAGIC)) == ENCRYPTED_MAGIC

    def problems(self) -> list[BundleError]:
        """Which parts are damaged or swapped; all of them are read."""
        return self.parts.problems() if self.parts else []


def find_medium(path: str) -> Medium | None:
    """What stands for the tar at I(path), None when nothing does; raises BundleError when parts are lost."""
    for candidate in (path, path + ENCRYPTED_SUFFIX):
        if os.path.isfile(candidate):
            _refuse_one_part(candidate)
            return Medium(candidate, functools.partial(_open_file, candidate), os.path.getsize(candidate), None)
        parts = _parts.find_parts(candidate)
        if parts:
            return Medium(candidate, parts.open, sum(parts.sizes), parts)
    return None


def base_path(path: str) -> str:
    """The name that all files have in common which stand for the tar at I(path), parts and parity: C(NAME.tar) or C(NAME.tar.age)."""
    for candidate in (path, path + ENCRYPTED_SUFFIX):
        fixed = (candidate, candidate + _parts.SUMS_SUFFIX, f"{candidate}.par2")
        if any(os.path.lexists(name) for name in fixed) or _parts.existing(candidate):
            return candidate
    return path


@contextmanager
def naming_parts(path: str) -> t.Iterator[None]:
    """When what is done here finds the bundle at I(path) damaged, say which of its parts is to blame."""
    try:
        yield
    except BundleError as error:
        medium = None if os.path.isdir(path) else find_medium(path)
        for problem in medium.problems() if medium else ():
            raise problem from error
        raise


def _open_file(path: str) -> t.BinaryIO:
    return open(path, "rb")  # the caller closes it


def _refuse_one_part(path: str) -> None:
    match = re.fullmatch(r"(.+)\.[0-9]{3}", path)
    if match and os.path.exists(match[1] + _parts.SUMS_SUFFIX):
        raise InputError(f"{path} is one part of a bundle", f"Give the bundle's own path, {match[1]}.")
