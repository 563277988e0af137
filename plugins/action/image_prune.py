# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of image_prune: it reads the locks. The host's half is the module of the same name."""

from __future__ import annotations

from ansible_collections.airlift.registry.plugins.plugin_utils._locks import LockAction


class ActionModule(LockAction):
    """Hand over what the locks name."""

    MODULE = "airlift.registry.image_prune"
