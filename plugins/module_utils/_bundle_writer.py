# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Making a bundle: everything happens in a work directory, and renames put what is finished in place."""

from __future__ import annotations

import fcntl
import os
import shutil
import typing as t
from contextlib import contextmanager

from ansible_collections.airlift.registry.plugins.module_utils import _layout, _pack, _signature
from ansible_collections.airlift.registry.plugins.module_utils._bases import NO_BASES, Bases
from ansible_collections.airlift.registry.plugins.module_utils._blobs import BlobStore
from ansible_collections.airlift.registry.plugins.module_utils._bundle import format_sums
from ansible_collections.airlift.registry.plugins.module_utils._deltas import NO_DELTAS, Deltas
from ansible_collections.airlift.registry.plugins.module_utils._errors import HostError, InputError
from ansible_collections.airlift.registry.plugins.module_utils._form import PLAIN, Form, strangers
from ansible_collections.airlift.registry.plugins.module_utils._lock import LockedOption
from ansible_collections.airlift.registry.plugins.module_utils._placing import place_tar
from ansible_collections.airlift.registry.plugins.module_utils._referrers import Referrer


@contextmanager
def work_directory(path: str, elsewhere: str = "") -> t.Iterator[str]:
    """A directory beside I(path) or I(elsewhere), for one process at a time, with the finished blobs that an earlier run left, if any.

    It is gone after success. After an error its blobs stay for the next run.
    """
    parent, name = os.path.split(os.path.abspath(path))
    if not os.path.isdir(parent):
        raise InputError(f"There is no directory {parent} for the bundle", "Make it first, or correct the path.")
    if elsewhere and not os.path.isdir(elsewhere):
        raise InputError(f"There is no directory {elsewhere} to work in", "Make it first, or correct work_path.")
    work = os.path.join(elsewhere or parent, f".{name}.partial")
    os.makedirs(work, exist_ok=True)
    handle = os.open(work, os.O_RDONLY)
    try:
        _lock(handle, path)
        _keep_blobs(work)
        try:
            yield work
        except BaseException:
            _keep_blobs(work)
            if not _has_blobs(work):
                shutil.rmtree(work, ignore_errors=True)
            raise
        shutil.rmtree(work, ignore_errors=True)
    finally:
        os.close(handle)


def check_replaceable(path: str, form: Form = PLAIN) -> None:
    """Raise InputError when there is something where the bundle shall be that is not a bundle, so that it is never overwritten."""
    if os.path.isdir(path):
        # Image layouts of other tools have no lock.
        others = [] if not os.listdir(path) or os.path.exists(os.path.join(path, _layout.LOCK)) else [path]
    else:
        others = strangers(path, form)
    for file in others:
        raise InputError(
            f"{file} exists and is not a bundle", "Choose another path, or move it away; it was not touched."
        )


def write_bundle(
    store: BlobStore,
    packed: t.Sequence[_pack.Packed],
    path: str,
    signing_key: str,
    run: _signature.Run,
    options: t.Sequence[LockedOption] = (),
    bases: Bases = NO_BASES,
    deltas: Deltas = NO_DELTAS,
    form: Form = PLAIN,
    referrers: t.Sequence[Referrer] = (),
) -> None:
    """Finish the bundle whose blobs are in I(store) and put it at I(path), a tar if that ends in C(.tar). I(options) are for the lock."""
    work = store.root
    store.remove_unused()
    for name, content in _pack.documents(packed, options, bases, deltas, referrers).items():
        with open(os.path.join(work, name), "wb") as target:
            target.write(content)
    _write_sums(work)
    _signature.sign(os.path.join(work, _layout.SUMS), signing_key, run)
    _set_modes(work)
    if path.endswith(".tar"):
        files = _layout.DirectoryFiles(work)
        place_tar(files, _tar_names(files, packed, referrers), path, form, run)
    else:
        _place_directory(work, path)


def _write_sums(work: str) -> None:
    files = _layout.DirectoryFiles(work)
    # A blob's name is the digest that was computed while it was written.
    sums = {
        name: name[len(_layout.BLOBS) :] if name.startswith(_layout.BLOBS) else files.digest(name)
        for name in files.sizes()
    }
    with open(os.path.join(work, _layout.SUMS), "wb") as target:
        target.write(format_sums(sums))


def _set_modes(work: str) -> None:
    for directory, _directories, names in os.walk(work):
        os.chmod(directory, 0o755)
        for name in names:
            os.chmod(os.path.join(directory, name), 0o644)


def _tar_names(files: _layout.Files, packed: t.Sequence[_pack.Packed], referrers: t.Sequence[Referrer]) -> list[str]:
    images = [entry.image for entry in packed]
    documents = {_layout.blob_name(blob.digest) for image in images for blob in (image.manifest, image.config)}
    documents |= {_layout.blob_name(referrer.manifest.digest) for referrer in referrers}
    return _layout.tar_order(files.sizes(), documents)


def _place_directory(work: str, path: str) -> None:
    finished, old = f"{work}.new", f"{work}.old"
    for leftover in (finished, old):
        shutil.rmtree(leftover, ignore_errors=True)
    os.makedirs(finished)
    for name in os.listdir(work):
        os.rename(os.path.join(work, name), os.path.join(finished, name))
    if os.path.isdir(path):
        os.rename(path, old)
    os.rename(finished, path)
    shutil.rmtree(old, ignore_errors=True)


def _lock(handle: int, path: str) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise HostError(f"Another run is making {path}", "Wait until it is done, then run this again.") from error


def _keep_blobs(directory: str) -> None:
    """Remove all but the blobs. What is named as a blob is finished, because it got its name last."""
    for entry in os.scandir(directory):
        if entry.name == _layout.BLOBS.partition("/")[0]:
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


def _has_blobs(directory: str) -> bool:
    blobs = os.path.join(directory, _layout.BLOBS)
    return os.path.isdir(blobs) and bool(os.listdir(blobs))
