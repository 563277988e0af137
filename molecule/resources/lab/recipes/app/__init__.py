# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example application: two versions, equal but for a few files of the top layer."""

from __future__ import annotations

import os
import random
from pathlib import Path

from ..recipe import Recipe, Workshop

HERE = Path(__file__).parent
MODULES = 160
LINES = 220
# The modules that a release touches.
CHANGED = (7, 31, 88, 120)
WORDS = (HERE / "words.txt").read_text(encoding="utf-8").split()
MTIME = 1_750_000_000


def prepare(workshop: Workshop) -> None:
    """Write the application: the same bytes on every machine."""
    version = workshop.arguments["VERSION"]
    top = workshop.context / "app"
    top.mkdir()
    (top / "__main__.py").write_text(f'print("app {version}")\n', encoding="utf-8")
    for number in range(MODULES):
        (top / f"module_{number:03}.py").write_text(module_text(number, version), encoding="utf-8")
    for path in [*top.iterdir(), top]:
        os.utime(path, (MTIME, MTIME))


def module_text(number: int, version: str) -> str:
    """Code-like text that compresses about as code does; only CHANGED modules depend on the version."""
    seed = f"{number} {version}" if number in CHANGED else str(number)
    source = random.Random(seed)
    return "".join(
        f"def {source.choice(WORDS)}_{line}({source.choice(WORDS)}): return {source.choice(WORDS)!r}, {source.getrandbits(24)}\n"
        for line in range(LINES)
    )


def _recipe(name: str, version: str) -> Recipe:
    return Recipe(
        name,
        HERE,
        f"airlift-lab/app:{version}",
        parent="app_dependencies",
        arguments={"VERSION": version},
        prepare=prepare,
    )


RECIPES = (_recipe("app1", "v1"), _recipe("app2", "v2"))
