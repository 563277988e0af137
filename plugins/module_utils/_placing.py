# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Writing the tar of a bundle in its form, and putting the files in place so that nothing half-done is ever taken for a bundle."""

from __future__ import annotations

import os
import shutil
import typing as t
from contextlib import contextmanager

from ansible_collections.airlift.registry.plugins.module_utils import _layout, _parity, _parts
from ansible_collections.airlift.registry.plugins.module_utils._encryption import encrypt
from ansible_collections.airlift.registry.plugins.module_utils._form import (
    RECORD_SUFFIX,
    Form,
    files_of_bundle,
    parity_files,
    parity_layout,
)
from ansible_collections.airlift.registry.plugins.module_utils._medium import ENCRYPTED_SUFFIX
from ansible_collections.airlift.registry.plugins.module_utils._parity import PARITY_SUFFIX
from ansible_collections.airlift.registry.plugins.module_utils._signature import Run


def place_tar(files: _layout.Files, names: t.Sequence[str], path: str, form: Form, run: Run) -> None:
    """Write the named files as the tar at I(path), in this form. What was there in another form is removed when this is whole."""
    with _directory_beside(path) as directory:
        base = os.path.join(directory, os.path.basename(form.base(path)))
        with _sink(base, form) as sink:
            if form.recipients:
                encrypt(
                    lambda pipe: _layout.write_tar(files, names, t.cast(t.BinaryIO, _Counted(pipe))),
                    sink,
                    form.recipients,
                    run,
                )
            else:
                _layout.write_tar(files, names, sink)
        if isinstance(sink, _parts.PartWriter):
            sink.write_sums()
        if form.parity:
            _parity.create(base, parity_files(base), parity_layout(base, form.parity), run)
        _put_in_place(directory, path, form)


class _Counted:
    """A pipe as tarfile wants to write to it, which asks where it is."""

    def __init__(self, pipe: t.BinaryIO) -> None:
        self._pipe = pipe
        self._position = 0

    def write(self, data: bytes) -> int:
        self._position += self._pipe.write(data)
        return len(data)

    def tell(self) -> int:
        return self._position


@contextmanager
def _directory_beside(path: str) -> t.Iterator[str]:
    """An empty directory on the disk of I(path), which is gone afterwards."""
    parent, name = os.path.split(os.path.abspath(path))
    directory = os.path.join(parent, f".{name}.new")
    shutil.rmtree(directory, ignore_errors=True)
    os.mkdir(directory)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _sink(base: str, form: Form) -> t.Iterator[t.BinaryIO]:
    """Where the bytes go: one file or parts."""
    if form.part_size:
        with _parts.PartWriter(base, form.part_size) as writer:
            yield t.cast(t.BinaryIO, writer)
        return
    with open(base, "wb") as target:
        yield target
        target.flush()
        os.fsync(target.fileno())


def _put_in_place(directory: str, path: str, form: Form) -> None:
    """Move the finished files to where they belong.

    Parts without their list are no bundle, so the list goes first and comes last. Parity of what was there must never meet what is new.
    A whole tar that is there stays until the new bundle is.
    """
    whole = (path, path + ENCRYPTED_SUFFIX)
    old = sorted(files_of_bundle(path), key=_order)
    early = [
        file for file in old if file not in whole and (form.part_size or file.endswith((PARITY_SUFFIX, RECORD_SUFFIX)))
    ]
    for file in reversed(early):
        os.unlink(file)
    new = {name: os.path.join(os.path.dirname(path), name) for name in sorted(os.listdir(directory), key=_order)}
    for name, file in new.items():
        os.rename(os.path.join(directory, name), file)
    for file in reversed(old):
        if file not in new.values() and file not in early:
            os.unlink(file)


def _order(file: str) -> tuple[bool, str]:
    return file.endswith(_parts.SUMS_SUFFIX), file
