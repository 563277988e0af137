# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What the controller makes once for all hosts of a run: the plain bytes of encrypted bundles, layers restored from deltas, and how far each host is."""

from __future__ import annotations

import os

from ansible import constants

from ansible_collections.airlift.registry.plugins.module_utils._encryption import decrypted_once
from ansible_collections.airlift.registry.plugins.module_utils._medium import Medium, Opener
from ansible_collections.airlift.registry.plugins.module_utils._private import PrivateDirectory
from ansible_collections.airlift.registry.plugins.module_utils._restore import Restorer
from ansible_collections.airlift.registry.plugins.plugin_utils._controller import on_controller
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program


class RunDirectory:
    """Lies in the directory that Ansible makes for a run and removes at its end; all hosts of the run share it."""

    def __init__(self, identity: str | None) -> None:
        self._identity = on_controller(identity) if identity else ""
        self._private = PrivateDirectory(constants.DEFAULT_LOCAL_TMP)

    def unlock(self, medium: Medium) -> Opener:
        """Decrypt a bundle, once for all hosts."""
        return decrypted_once(medium, self._identity, self._private.path, run_program)

    def place(self, name: str) -> str:
        """The path of a file of this I(name) that all hosts share."""
        return os.path.join(self._private.path, name)

    def restorer(self) -> Restorer:
        """Restores a layer once for all hosts."""
        return Restorer(self.place("restored"), run_program)
