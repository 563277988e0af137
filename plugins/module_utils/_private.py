# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Where plain bytes of encrypted bundles lie for a while: nobody else can read them, and what a killed run left the next run removes.

Each such directory is in one of Ansible's temporary directories, which Ansible removes at its end, unless it is killed. Whoever uses it holds a lock
there, which ends with the process however that ends.
"""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import typing as t
from contextlib import suppress

_NAME, _LOCK = "airlift-private", "lock"


class PrivateDirectory:
    """A directory of mode 0700 in Ansible's I(temporary) one, in use as long as this lives. Several processes may share it."""

    def __init__(self, temporary: str) -> None:
        self.path = os.path.join(temporary, _NAME)
        self._lock = self._locked()
        # Somebody may have taken it for abandoned just before it was locked.
        while not self._is_there():
            self._lock.close()
            self._lock = self._locked()
        _remove_abandoned(os.path.dirname(temporary))

    def _locked(self) -> t.BinaryIO:
        while True:
            os.makedirs(self.path, mode=0o700, exist_ok=True)
            with suppress(FileNotFoundError):
                lock = open(os.path.join(self.path, _LOCK), "ab")  # noqa: SIM115 - kept for as long as the directory is used
                fcntl.flock(lock, fcntl.LOCK_SH)
                return t.cast(t.BinaryIO, lock)

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._lock.fileno()), os.stat(os.path.join(self.path, _LOCK)))
        except FileNotFoundError:
            return False


def _remove_abandoned(parent: str) -> None:
    """Remove those of processes that are gone, in all temporary directories of Ansible below I(parent)."""
    for path in glob.glob(os.path.join(glob.escape(parent), "*", _NAME, _LOCK)):
        # In use, or just removed by somebody else.
        with suppress(OSError), open(path, "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(os.path.dirname(path))
