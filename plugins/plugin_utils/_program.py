# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Programs on the controller, for action plugins, which have no module to run them with."""

from __future__ import annotations

import subprocess
import typing as t


def run_program(args: t.Sequence[str], data: bytes | None) -> tuple[int, str, str]:
    """A Run as _signature wants it; a program that is missing answers 127, as a shell says it."""
    try:
        answer = subprocess.run(list(args), input=data or b"", capture_output=True, check=False)
    except FileNotFoundError as error:
        return 127, "", str(error)
    return answer.returncode, answer.stdout.decode(errors="replace"), answer.stderr.decode(errors="replace")
