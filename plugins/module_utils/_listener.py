# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""A module that ends when nobody waits for its answer any more: Ansible was interrupted or killed, or the connection is gone.

A host is not told of that. But whoever waits holds the other end of the module's output, be that a pipe, a socket of sshd, or a terminal, and
poll(2) tells when that is closed, without a byte being written.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
import typing as t
from pathlib import Path

_OUTPUT = 1
_GRACE = 2.0  # seconds to put things in order
_CODE = 1


def end_when_nobody_listens() -> None:
    """To be called in the main thread. From now on it gets a SystemExit when nobody listens, or the process is told to end; and after two seconds it is ended.

    Programs that it has started end at once.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    threading.Thread(target=_listen, args=(threading.get_ident(),), daemon=True).start()


def _listen(main: int) -> None:
    poll = select.poll()
    # No event is asked for: what comes is that the other end is closed.
    poll.register(_OUTPUT, 0)
    poll.poll()
    # To the thread, since what another one gets does not wake it from a call.
    signal.pthread_kill(main, signal.SIGTERM)


def _stop(_signal: int, _frame: t.Any) -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _kill_children()
    threading.Thread(target=_end, daemon=True).start()
    raise SystemExit(_CODE)


def _end() -> None:
    """What the main thread waits for at its exit may take longer than anybody wants."""
    time.sleep(_GRACE)
    _kill_children()
    os.kill(os.getpid(), signal.SIGKILL)


def _kill_children() -> None:
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it may have ended meanwhile
            # proc(5): the name, in brackets, may have any byte in it; the parent is the second field after it.
            if int(status.read_bytes().rpartition(b")")[2].split()[1]) == os.getpid():
                os.kill(int(status.parent.name), signal.SIGKILL)
