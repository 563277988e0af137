# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""A program in the middle of a stream: one thread feeds it, one takes what it makes, and nothing lies on a disk between them.

A Run hands its input over as a whole and keeps the output in memory. So the program gets the ends of two pipes of this process,
which the shell opens for it under /proc (proc(5)).
"""

from __future__ import annotations

import concurrent.futures
import os
import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._signature import Run

_CHUNK = 1024 * 1024
_REDIRECT = 'source=$1 target=$2; shift 2; exec "$@" <"$source" >"$target"'


def pipe_through(
    program: t.Sequence[str],
    feed: t.Callable[[t.BinaryIO], None],
    take: t.Callable[[t.BinaryIO], None],
    run: Run,
) -> tuple[int, str]:
    """Run I(program) with what I(feed) writes as its input, and give its output to I(take): exit code, and what it complained of.

    What feed or take raise is raised here, after the program has ended.
    """
    source, feeder = os.pipe()
    taker, target = os.pipe()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        taking = pool.submit(_with, take, taker, "rb")
        feeding = pool.submit(_with, feed, feeder, "wb")
        ends = [f"/proc/{os.getpid()}/fd/{end}" for end in (source, target)]
        try:
            code, _out, err = run(["sh", "-c", _REDIRECT, "sh", *ends, *program], None)
        finally:
            # Whoever is still writing or reading learns now that the program is gone.
            os.close(source)
            os.close(target)
    taking.result()
    # A program that failed may not have read everything; then what it says is the reason.
    if code == 0 or not isinstance(feeding.exception(), BrokenPipeError):
        feeding.result()
    return code, err


def copy(source: t.BinaryIO, target: t.BinaryIO) -> None:
    """Copy a stream to its end."""
    while chunk := source.read(_CHUNK):
        target.write(chunk)


def _with(work: t.Callable[[t.BinaryIO], None], handle: int, mode: str) -> None:
    with t.cast(t.BinaryIO, open(handle, mode)) as stream:
        work(stream)
