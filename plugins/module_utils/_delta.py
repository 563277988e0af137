# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Deltas by xdelta3 (VCDIFF, RFC 3284): files in, files out, and limits that the operating system keeps.

What a delta says is not believed: memory and the size of the output are limited from outside by prlimit(1), the programs
that xdelta3 would run for compressed files are switched off, and what came out is compared with its digest by the caller.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._errors import BundleError, HostError
from ansible_collections.airlift.registry.plugins.module_utils._signature import Run

TOOL = "xdelta3"
MEMORY = 128 * 1024 * 1024  # bytes of address space to apply a delta, whatever the layer's size

_MEMORY_TO_MAKE = 384 * 1024 * 1024
# How far content may move between two layers and still be found, and what is compressed at a time.
_WINDOWS = ("-B", str(64 * 1024 * 1024), "-W", str(8 * 1024 * 1024))
_QUIET = ("-q", "-f", "-D")


def encode(base: str, target: str, delta: str, run: Run) -> None:
    """Write the delta from the file at I(base) to the one at I(target). The same files make the same delta."""
    # -A without text: no file names in the delta.
    args = [TOOL, "-e", *_QUIET, "-A", "-6", "-S", "lzma", *_WINDOWS, "-s", base, target, delta]
    code, out = _limited(_MEMORY_TO_MAKE, None, args, run)
    if code != 0:
        raise HostError(f"xdelta3 could not make {delta}: {out}", "Make room on the disk, or set deltas to none.")


def apply(base: str, delta: str, target: str, size: int, run: Run, memory: int = MEMORY, tool: str = "") -> None:
    """Write the layer of I(size) bytes that the delta makes of the file at I(base); raises BundleError when it makes none.

    No byte more than I(size) is written, and no more than I(memory) bytes of address space are used.
    """
    _check_room(os.path.dirname(target), size)
    args = [tool or TOOL, "-d", *_QUIET, "-R", *_WINDOWS, "-s", base, delta, target]
    code, out = _limited(memory, size, args, run)
    if code != 0 or os.path.getsize(target) != size:
        raise BundleError(
            f"Delta {delta} does not make a layer of {size} bytes of its base ({out or f'xdelta3 ended with {code}'})",
            "It is damaged or belongs to another base. Use a bundle that has the full layer.",
        )


def _limited(memory: int, size: int | None, args: t.Sequence[str], run: Run) -> tuple[int, str]:
    """Run xdelta3 with limits of bytes; its exit code and the last thing that it said."""
    limits = [f"--as={memory}", "--core=0", *([f"--fsize={size}"] if size is not None else [])]
    code, out, err = run(["prlimit", *limits, "--", *args], None)
    if code == 127:
        raise HostError(
            "xdelta3 or prlimit is not installed where it is needed",
            "Install them: apt-get install xdelta3 util-linux.",
        )
    lines = (err or out).strip().splitlines()
    return code, lines[-1] if lines else ""


def _check_room(directory: str, size: int) -> None:
    status = os.statvfs(directory or ".")
    free = status.f_bavail * status.f_frsize
    if free < size:
        raise HostError(
            f"{directory} has {free} bytes free, and a layer that is restored from a delta needs {size}",
            "Make room there, or use a bundle that has the full layer.",
        )
