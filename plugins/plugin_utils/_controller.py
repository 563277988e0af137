# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Options of tasks as an action plugin finds them, which no module has looked at yet."""

from __future__ import annotations

import os
import typing as t


def as_list(value: t.Any) -> list[str]:
    """A list option as Ansible accepts it: a list, or text with commas."""
    return [part for part in value.split(",") if part] if isinstance(value, str) else list(value or [])


def on_controller(path: str) -> str:
    """A path as the operator means it: from where ansible-playbook was started."""
    return os.path.abspath(os.path.expanduser(os.path.expandvars(path)))
