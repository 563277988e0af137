# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Locks on the controller, for modules that look at images on hosts: read here, so that the hosts get no more than they need."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.airlift.registry.plugins.module_utils._bundle import load_bundle
from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError, InputError
from ansible_collections.airlift.registry.plugins.module_utils._lock import Lock, is_lock, read_lock
from ansible_collections.airlift.registry.plugins.module_utils._module import failure, from_os_error
from ansible_collections.airlift.registry.plugins.plugin_utils._controller import as_list, on_controller
from ansible_collections.airlift.registry.plugins.plugin_utils._private import RunDirectory
from ansible_collections.airlift.registry.plugins.plugin_utils._program import run_program


class LockAction(ActionBase):
    """Runs the module C(MODULE) on the host, with what the option C(locks) names on the controller as its C(_locked)."""

    MODULE = ""
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        variables = task_vars or {}
        try:
            locked = [entry for path in as_list(self._task.args.get("locks")) for entry in self._locked(path)]
        except AirliftError as error:
            return self._failed(error, variables)
        except OSError as error:
            return self._failed(from_os_error(error), variables)
        return t.cast(
            "dict[str, t.Any]",
            self._execute_module(
                module_name=self.MODULE,
                module_args={**self._task.args, "_locked": locked},
                task_vars=variables,
                wrap_async=bool(self._task.async_val) and not self._connection.has_native_async,
            ),
        )

    def _locked(self, path: str) -> list[dict[str, str]]:
        return [
            {
                "lock": path,
                **{key: getattr(image, key) for key in ("name", "platform", "digest", "config", "index")},
            }
            for image in self._lock(on_controller(path)).images
        ]

    def _lock(self, path: str) -> Lock:
        if is_lock(path):
            return read_lock(path)
        allowed_signers = self._task.args.get("allowed_signers")
        if not allowed_signers:
            raise InputError(
                f"{path} is no lock file, and allowed_signers does not say who may sign a bundle",
                "Give the bundle.lock.yml of a bundle, or set allowed_signers.",
            )
        of_run = RunDirectory(self._task.args.get("identity"))
        return load_bundle(path, on_controller(allowed_signers), run_program, of_run.unlock).lock

    def _failed(self, error: AirliftError, variables: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        return {**failure(error), "failed": True, "msg": f"{variables['inventory_hostname']}: {error}"}
