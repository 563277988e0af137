# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the fleet's report on the controller, from what the hosts' variables hold. No host is asked, and no connection opened."""

from __future__ import annotations

import datetime
import json
import os
import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError
from ansible_collections.airlift.registry.plugins.module_utils._fleet import DRIFT, PRELOAD, Answers, fleet_document
from ansible_collections.airlift.registry.plugins.module_utils._module import failure, from_os_error
from ansible_collections.airlift.registry.plugins.plugin_utils._controller import on_controller
from ansible_collections.airlift.registry.plugins.plugin_utils._fleet_page import fleet_page
from ansible_collections.airlift.registry.plugins.plugin_utils._whole_file import read_if_there, write_whole

_ARGUMENTS = {
    "path": {"type": "path", "required": True},
    "hosts": {"type": "list", "elements": "str"},
    "result": {"type": "str", "default": "preload_result"},
    "asked": {"type": "str", "default": ""},
    "drift": {"type": "str", "default": ""},
    "bundles": {"type": "list", "elements": "str", "default": []},
}


class ActionModule(ActionBase):
    """Gather, make, and write what differs."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(argument_spec=_ARGUMENTS)
        try:
            return self._report(arguments, task_vars or {})
        except AirliftError as error:
            return {**failure(error), "failed": True}
        except OSError as error:
            return {**failure(from_os_error(error)), "failed": True}

    def _report(self, arguments: t.Mapping[str, t.Any], variables: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        hosts = arguments["hosts"] if arguments["hosts"] is not None else variables["ansible_play_hosts_all"]
        answers = [self._answers(host, arguments, variables["hostvars"]) for host in hosts]
        document = fleet_document(DRIFT if arguments["drift"] else PRELOAD, answers, arguments["bundles"])
        path = on_controller(arguments["path"])
        before = _read_document(os.path.join(path, "fleet.json"))
        written = _written(before, document)
        files = {
            "fleet.json": (json.dumps({**document, "written": written}, indent=1) + "\n").encode(),
            # Half a character, which JSON can have and UTF-8 cannot, may stand in a message.
            "index.html": fleet_page(document, written).encode(errors="replace"),
        }
        changed = [name for name, data in files.items() if read_if_there(os.path.join(path, name)) != data]
        if not self._task.check_mode:
            os.makedirs(path, mode=0o755, exist_ok=True)
            for name in changed:
                write_whole(os.path.join(path, name), files[name])
        return {
            "changed": bool(changed),
            "path": path,
            "files": sorted(files),
            "totals": document["totals"],
            "diff": {"before": _summary(before), "after": _summary(document)},
        }

    def _answers(self, host: str, arguments: t.Mapping[str, t.Any], hostvars: t.Any) -> Answers:
        variables = hostvars.raw_get(host)
        asked = variables.get(arguments["asked"]) or {}
        return Answers(
            host,
            variables.get(arguments["result"]) or {},
            asked,
            variables.get(arguments["drift"]) or {},
            is_begun=bool(asked) if arguments["asked"] else not self._task.check_mode,
        )


def _read_document(path: str) -> dict[str, t.Any] | None:
    """The report that is there; None when there is none, or another thing."""
    text = read_if_there(path)
    if text is None:
        return None
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _written(before: t.Mapping[str, t.Any] | None, document: t.Mapping[str, t.Any]) -> str:
    """When the report became what it is: as noted, unless something differs."""
    if before and isinstance(before.get("written"), str) and {**document, "written": before["written"]} == before:
        return t.cast(str, before["written"])
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _summary(document: t.Mapping[str, t.Any] | None) -> dict[str, t.Any]:
    """For the diff: what the hosts' states are."""
    try:
        return {host["host"]: host["state"] for host in document["hosts"]} if document else {}
    except (KeyError, TypeError):
        return {}
