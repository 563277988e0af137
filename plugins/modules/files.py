#!/usr/bin/python
# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: files
short_description: Write the files of a configuration together
version_added: 1.0.0
author:
  - The airlift.registry authors (@airlift)
description:
  - Makes directories, and writes files whose content is given, in one round trip for all of them.
  - All that differs is first written beside its place, and looked at by I(validate).
  - A disk that is full or a command that refuses leaves every file as it was.
extends_documentation_fragment:
  - airlift.registry._attributes
attributes:
  check_mode:
    support: full
    details: The command of I(validate) is not run.
  diff_mode:
    support: full
    details: Of a secret is shown only that it differs.
  idempotent:
    support: full
options:
  directories:
    description: Directories to make before, in this order.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where. What lacks above it is made too.
        type: path
        required: true
      mode:
        description: Its rights, as V("0700").
        type: str
        default: "0700"
  files:
    description: The files.
    type: list
    elements: dict
    required: true
    suboptions:
      dest:
        description: Where. Its directory must be there, or be one of I(directories).
        type: path
        required: true
      content:
        description: What is in it. Either this or I(files[].secret) must be given.
        type: str
      secret:
        description: What is in it, when neither output nor diff nor the host's log may show that.
        type: str
      mode:
        description: Its rights, as V("0644").
        type: str
        default: "0600"
  owner:
    description: Whose the directories and files are.
    type: str
    default: root
  group:
    description: Whose group the directories and files have.
    type: str
    default: root
  validate:
    description:
      - A command that has to end with code 0 before anything changes, as V(mydaemon --check --root %s).
      - For C(%s) it gets a directory in which all of I(files) are found as below C(/). It is not run when no file differs.
    type: str
    default: ""
seealso:
  - module: ansible.builtin.copy
  - module: ansible.builtin.template
"""

EXAMPLES = r"""
- name: Write the configuration
  airlift.registry.files:
    directories:
      - {path: /etc/mydaemon}
    files:
      - {dest: /etc/mydaemon/mydaemon.conf, content: "{{ lookup('ansible.builtin.template', 'mydaemon.conf.j2') }}", mode: "0644"}
      - {dest: /etc/mydaemon/token, secret: "{{ vault_token }}"}
    validate: mydaemon --check --config %s/etc/mydaemon/mydaemon.conf
"""

RETURN = r"""
changed_files:
  description: Files and directories that were changed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/mydaemon/token]
problem:
  description: What is wrong, on failure.
  returned: failure
  type: str
  sample: "/etc/mydaemon is no directory"
next_step:
  description: What to do about it, on failure.
  returned: failure
  type: str
  sample: Make it, or name it in directories.
"""

import os
import shutil
import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airlift.registry.plugins.module_utils._errors import InputError
from ansible_collections.airlift.registry.plugins.module_utils._module import run_module

_SECRET = "(a secret)\n"


class Files:
    """Brings directories and files to their declared state."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._params = module.params
        self._changed: list[str] = []
        self._diff: list[dict[str, str]] = []

    def write(self) -> dict[str, t.Any]:
        """See to all of them; the result of the task.

        Raises InputError when a file cannot be where it shall, or I(validate) refuses; then no file has changed.
        """
        for entry in self._params["directories"]:
            self._directory(entry)
        differing = [entry for entry in self._params["files"] if self._differs(entry)]
        if differing and not self._module.check_mode:
            self._validate()
            self._replace(differing)
        for entry in self._params["files"]:
            self._attributes(entry["dest"], entry["mode"])
        return {"changed": bool(self._changed), "changed_files": self._changed, "diff": self._diff}

    def _directory(self, entry: t.Mapping[str, str]) -> None:
        path = entry["path"]
        if not os.path.isdir(path):
            self._note(path, "", f"directory {path}\n")
            if not self._module.check_mode:
                os.makedirs(path, 0o700)
        self._attributes(path, entry["mode"])

    def _differs(self, entry: t.Mapping[str, t.Any]) -> bool:
        dest, wanted = entry["dest"], _content(entry)
        before = self._present(dest)
        if before == wanted:
            return False
        if entry["secret"] is None:
            self._note(dest, (before or b"").decode(errors="replace"), entry["content"])
        else:
            self._note(dest, _SECRET if before else "", _SECRET)
        return True

    def _present(self, dest: str) -> bytes | None:
        directory = os.path.dirname(dest)
        # In check mode the directory may be one that is still to be made.
        made = directory in self._changed
        if os.path.isdir(dest) or not (made or os.path.isdir(directory)):
            raise InputError(
                f"{dest} is a directory" if os.path.isdir(dest) else f"{directory} is no directory",
                "Remove it and run this again." if os.path.isdir(dest) else "Make it, or name it in directories.",
            )
        if not os.path.exists(dest):
            return None
        with open(dest, "rb") as file:
            return file.read()

    def _note(self, path: str, before: str, after: str) -> None:
        self._changed.append(path)
        self._diff.append({"before_header": path, "after_header": path, "before": before, "after": after})

    def _validate(self) -> None:
        if not self._params["validate"]:
            return
        root = tempfile.mkdtemp(dir=self._module.tmpdir)
        try:
            for entry in self._params["files"]:
                candidate = root + entry["dest"]
                os.makedirs(os.path.dirname(candidate), mode=0o700, exist_ok=True)
                _write(candidate, _content(entry))
            code, out, err = self._module.run_command(self._params["validate"].replace("%s", root))
        finally:
            shutil.rmtree(root)
        if code:
            raise InputError(
                f"What was to be written is refused: {(err or out).strip()}",
                "Correct what it is made of and run this again; what is there has not changed.",
            )

    def _replace(self, entries: t.Sequence[t.Mapping[str, t.Any]]) -> None:
        """All that takes room comes before the first file is replaced."""
        staged: dict[str, str] = {}
        try:
            for entry in entries:
                descriptor, path = tempfile.mkstemp(dir=os.path.dirname(entry["dest"]), prefix=".airlift-")
                os.close(descriptor)
                staged[path] = entry["dest"]
                _write(path, _content(entry))
                self._attributes(path, entry["mode"], told=False)
            for path, dest in list(staged.items()):
                os.replace(path, dest)
                del staged[path]
        finally:
            for path in staged:
                os.unlink(path)

    def _attributes(self, path: str, mode: str, told: bool = True) -> None:
        """Owner, group and rights, of what is there; check mode comes by what is not."""
        if not os.path.exists(path):
            return
        wanted = {**self._params, "path": path, "mode": mode}
        wanted = self._module.load_file_common_arguments(wanted)
        diff: dict[str, t.Any] = {}
        changed = self._module.set_fs_attributes_if_different(wanted, False, diff)
        if changed and told and path not in self._changed:
            self._note(path, f"{diff.get('before', '')}\n", f"{diff.get('after', '')}\n")


def _content(entry: t.Mapping[str, t.Any]) -> bytes:
    text: str = entry["content"] if entry["secret"] is None else entry["secret"]
    return text.encode()


def _write(path: str, content: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directories": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"path": {"type": "path", "required": True}, "mode": {"type": "str", "default": "0700"}},
            },
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "dest": {"type": "path", "required": True},
                    "content": {"type": "str"},
                    "secret": {"type": "str", "no_log": True},
                    "mode": {"type": "str", "default": "0600"},
                },
                "mutually_exclusive": [("content", "secret")],
                "required_one_of": [("content", "secret")],
            },
            "owner": {"type": "str", "default": "root"},
            "group": {"type": "str", "default": "root"},
            "validate": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: Files(module).write())


if __name__ == "__main__":
    main()
