# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The Docker SDK: that of the host's Python, or of wheels that were brought along into a place of our own.

A wheel of pure Python is a zip archive that Python imports from (PEP 427), so nothing is unpacked and nothing installed.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import stat
import sys
import typing as t

PLACE = "/var/lib/airlift/python"  # where the playbook prepare puts them


def wheels(place: str) -> list[str]:
    """The wheels in a directory. None when somebody besides root and our own user could have put anything there."""
    try:
        names = sorted(name for name in os.listdir(place) if name.endswith(".whl"))
        paths = [os.path.join(place, name) for name in names]
        return paths if all(is_ours(path) for path in (os.path.dirname(place), place, *paths)) else []
    except OSError:
        return []


def is_ours(path: str) -> bool:
    """Whether nobody besides root and our own user could have changed what is at a path."""
    status = os.lstat(path)
    # A link's own mode says nothing, and where it leads is not looked at.
    return status.st_uid in (0, os.geteuid()) and not stat.S_ISLNK(status.st_mode) and not status.st_mode & 0o022


def find(place: str) -> tuple[t.Any, t.Any, str | None]:
    """The packages C(docker) and C(urllib3); or nothing, and why.

    When Python has no SDK of its own, the wheels go first, all of them: they fit each other, and need not fit an older requests.
    """
    if not all(importlib.util.find_spec(name) for name in ("docker", "requests")):
        sys.path[:0] = wheels(place)
        importlib.invalidate_caches()
    try:
        importlib.import_module("docker.errors")
        importlib.import_module("urllib3.exceptions")
    except ImportError as error:
        return None, None, str(error)
    return sys.modules["docker"], sys.modules["urllib3"], None


docker, urllib3, SDK_ERROR = find(PLACE)
