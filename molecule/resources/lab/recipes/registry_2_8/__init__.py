# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CNCF Distribution 2.8: Debian's package, for sites that have not gone to 3 yet."""

from __future__ import annotations

from pathlib import Path

from ..recipe import Recipe

RECIPES = (Recipe("registry-2.8", Path(__file__).parent, "airlift-lab/registry:2.8.3", parent="base"),)
