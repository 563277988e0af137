# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""An action plugin on the controller: options of its task, which no module has looked at yet, and the process that it runs in."""

from __future__ import annotations

import os
import select
import signal
import threading
import typing as t

_LOOK = 0.5  # seconds
# What ends a process. Others are not passed on: a second SIGALRM, of a task's time limit, would come when Ansible no longer expects one.
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def as_list(value: t.Any) -> list[str]:
    """A list option as Ansible accepts it: a list, or text with commas."""
    return [part for part in value.split(",") if part] if isinstance(value, str) else list(value or [])


def on_controller(path: str) -> str:
    """A path as the operator means it: from where ansible-playbook was started."""
    return os.path.abspath(os.path.expanduser(os.path.expandvars(path)))


def end_with_ansible() -> None:
    """From now on end this process, with all that it has started, when Ansible is interrupted or killed.

    A worker does not hear that its parent was killed by SIGKILL. And of a signal that one of several threads got, the main thread, which has to handle it,
    knows nothing while it waits in a call.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_follow, args=(os.getppid(), threading.get_ident(), reading), daemon=True).start()


def _follow(parent: int, main: int, signals: int) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while os.getppid() == parent:
        if select.select([signals], [], [], _LOOK)[0] and (number := os.read(signals, 1)[0]) in _ENDS:
            signal.pthread_kill(main, number)
    # Ansible gives each worker a process group of its own. Where it is not so the others are not ours to end.
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGTERM)
