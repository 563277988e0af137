# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Valkey 8.1: Debian's package. (No digest of the upstream image was found in as many places as the other pins were.)"""

from __future__ import annotations

from pathlib import Path

from ..recipe import Recipe

RECIPES = (Recipe("valkey", Path(__file__).parent, "airlift-lab/valkey:8.1", parent="base"),)
