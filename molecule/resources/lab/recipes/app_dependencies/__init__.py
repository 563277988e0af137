# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the example application stands on: a layer that its versions share."""

from __future__ import annotations

from pathlib import Path

from ..recipe import Recipe

RECIPES = (Recipe("app_dependencies", Path(__file__).parent, "airlift-lab/app-dependencies:{key}", parent="base"),)
