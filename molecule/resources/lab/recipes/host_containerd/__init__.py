# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab host whose Docker engine keeps images in containerd's store."""

from __future__ import annotations

from pathlib import Path

from ..recipe import Recipe

NAME = "host-docker-28.5-containerd"

RECIPES = (Recipe(NAME, Path(__file__).parent, f"airlift-lab/{NAME}:{{key}}", parent="host-docker-28.5"),)
