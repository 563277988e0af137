# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""A host's record of what was preloaded last: for each engine and image name the bundle, and when that was made.

It is how a bundle is noticed that is older than what the host has. One JSON file of mode 0600, written as a whole after everything else is done.
"""

from __future__ import annotations

import json
import os
import tempfile
import typing as t
from contextlib import suppress

from ansible_collections.airlift.registry.plugins.module_utils._errors import HostError

DEFAULT_RECORD = "/var/lib/airlift/preloaded.json"
_VERSION = 1
_MAX_RECORD = 16 * 1024 * 1024
_KEYS = ("digest", "bundle", "bundle_name", "created")

Entries = dict[str, dict[str, str]]


def read_preloaded(path: str, engine: str) -> Entries:
    """What came to the engine of this address, by image name; raises HostError when the file is damaged."""
    return _read(path).get(engine, {})


def is_writable(path: str) -> bool:
    """Whether this user may replace the record. Nothing is made."""
    directory = os.path.dirname(path)
    while not os.path.exists(directory):
        directory = os.path.dirname(directory)
    return os.path.isdir(directory) and os.access(directory, os.W_OK | os.X_OK)


def note_preloaded(path: str, engine: str, changes: Entries) -> None:
    """Note more of the engine's images. The file is the old one or the new one, whatever happens."""
    engines = _read(path)
    engines.setdefault(engine, {}).update(changes)
    directory = os.path.dirname(path)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    handle, scratch = tempfile.mkstemp(dir=directory, prefix=".preloaded-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump({"version": _VERSION, "engines": engines}, stream, indent=1, sort_keys=True)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(scratch, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(scratch)
        raise


def _read(path: str) -> dict[str, Entries]:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return {}
    with os.fdopen(handle, "rb") as stream:
        data = stream.read(_MAX_RECORD + 1)
    try:
        document = json.loads(data) if len(data) <= _MAX_RECORD else None
    except (ValueError, RecursionError):
        document = None
    engines = document.get("engines") if isinstance(document, dict) and document.get("version") == _VERSION else None
    if not _are_engines(engines):
        raise HostError(
            f"{path} is no record of what was preloaded",
            "Find out what happened to it; then remove it. Without it an older bundle is not noticed once.",
        )
    return t.cast("dict[str, Entries]", engines)


def _are_engines(engines: t.Any) -> bool:
    return isinstance(engines, dict) and all(
        isinstance(images, dict) and all(map(_is_entry, images.values())) for images in engines.values()
    )


def _is_entry(entry: t.Any) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in _KEYS)
