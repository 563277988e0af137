# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab host: systemd, sshd, Docker and what the roles expect a site's host to have."""

from __future__ import annotations

from pathlib import Path

from ..recipe import Recipe

RECIPES = (Recipe("host", Path(__file__).parent, "airlift-lab/host:{key}", parent="base"),)
