# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the lab keeps what it makes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def cache_root(environment: Mapping[str, str] = os.environ) -> Path:
    """What is dear to make and is made once per machine."""
    return _root(environment, "AIRLIFT_CACHE", "XDG_CACHE_HOME", ".cache") / "airlift-registry"


def state_root(environment: Mapping[str, str] = os.environ) -> Path:
    """What is known of the labs that are up."""
    return _root(environment, "AIRLIFT_LAB_STATE", "XDG_STATE_HOME", ".local/state") / "airlift-lab"


def _root(environment: Mapping[str, str], own: str, standard: str, fallback: str) -> Path:
    named = environment.get(own) or environment.get(standard)
    return Path(named) if named else Path(environment.get("HOME") or "/root") / fallback
