# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Work that may be silent for long, under the eyes of somebody who knows whether there is still hope."""

from __future__ import annotations

import threading
import typing as t

T = t.TypeVar("T")


def watched(work: t.Callable[[], T], check: t.Callable[[], None], pause: float) -> T:
    """What I(work) returns, or raises. Meanwhile I(check) is called every I(pause) seconds; what it raises ends the wait.

    Then the work is left behind in its thread, which does not keep the process from ending.
    """
    outcome: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(pause)
    while thread.is_alive():
        check()
        thread.join(pause)
    if failed:
        raise failed[0]
    return outcome[0]
