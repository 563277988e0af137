# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""How fast blobs came to this host last: one number, in bytes per second, in a file beside the record of what was preloaded."""

from __future__ import annotations

import os
import tempfile

_MAX_DIGITS = 15


def read_link_speed(record: str) -> int:
    """The speed that was noted beside this record; 0 when there is none that can be."""
    try:
        handle = os.open(_path(record), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return 0
    with os.fdopen(handle, "rb") as stream:
        text = stream.read(_MAX_DIGITS + 2).strip()
    return int(text) if text.isdigit() and len(text) <= _MAX_DIGITS else 0


def note_link_speed(record: str, speed: int) -> None:
    """Note a speed. The file is the old one or the new one, whatever happens."""
    directory = os.path.dirname(record)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory, prefix=".link-") as scratch:
        path = os.path.join(scratch, "speed")
        with open(path, "w", encoding="ascii") as stream:
            stream.write(f"{speed}\n")
        os.replace(path, _path(record))


def _path(record: str) -> str:
    return f"{record}.link"
