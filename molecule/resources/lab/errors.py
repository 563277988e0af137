# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error that the lab raises on purpose."""

from __future__ import annotations


class LabError(Exception):
    """Something failed: the message says what, and what to do next."""
