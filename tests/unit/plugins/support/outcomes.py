# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What came of something: its result, or the error with which it was refused."""

from __future__ import annotations

import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError

T = t.TypeVar("T")


def outcome(work: t.Callable[[], T], kind: type[AirliftError] = AirliftError) -> T | AirliftError:
    """The result, or an error of this kind that says what to do; any other exception is let through."""
    try:
        return work()
    except kind as error:
        if not (error.problem and error.next_step):
            raise
        return error
