# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's HAProxy, laid out as the upstream image is."""

from __future__ import annotations

from pathlib import Path

from ..recipe import Recipe

RECIPES = (Recipe("haproxy", Path(__file__).parent, "airlift-lab/haproxy:3.0", parent="base"),)
