# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy 3.0: upstream's image, or Debian's package laid out as that one is."""

from __future__ import annotations

from pathlib import Path

from ..recipe import Recipe

DIGEST = "sha256:56b887da77428b7a6621e59e480cdbd330cc805c22d3cedb66ceea76ffdea2c6"

RECIPES = (
    Recipe(
        "haproxy",
        Path(__file__).parent,
        "airlift-lab/haproxy:3.0",
        parent="base",
        upstream=f"docker.io/library/haproxy:3.0-alpine@{DIGEST}",
    ),
)
