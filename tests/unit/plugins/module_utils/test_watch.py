# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work that is watched: it ends, it fails, or there is no more hope for it."""

from __future__ import annotations

import threading
import typing as t

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._watch import watched

NEVER = 60.0  # seconds; a test that waits so long has failed


def nothing() -> None:
    """All is well."""


def failing(error: BaseException) -> t.Callable[[], t.Any]:
    def fail() -> None:
        raise error

    return fail


def test_work_that_ends_is_not_waited_for() -> None:
    assert watched(lambda: "done", failing(AssertionError("nobody need look")), NEVER) == "done"


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_work_that_fails_fails_here(error: BaseException) -> None:
    with pytest.raises(type(error)) as raised:
        watched(failing(error), nothing, NEVER)
    assert raised.value is error


def test_work_goes_on_as_long_as_all_is_well() -> None:
    seen = threading.Semaphore(0)
    assert watched(lambda: [seen.acquire(timeout=10) for _ in range(3)], seen.release, 0.001) == [True] * 3


def test_without_hope_work_is_left_behind() -> None:
    end = threading.Event()
    with pytest.raises(OSError, match="it hangs"):
        watched(end.wait, failing(OSError("it hangs")), 0.001)
    end.set()
