# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documents whose commands are run: README and guides."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path


def blocks(text: str, language: str) -> list[str]:
    """A document's code blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[str]:
    """The commands of a document's console blocks, in order."""
    return [line[2:] for block in blocks(text, "console") for line in block.splitlines() if line.startswith("$ ")]


def run(command: str, directory: Path) -> str:
    """Run a command where the reader stands; what it said."""
    answer = subprocess.run(
        ["bash", "-c", command],
        cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert answer.returncode == 0, f"{command}\n{answer.stdout[-6000:]}"
    return answer.stdout
