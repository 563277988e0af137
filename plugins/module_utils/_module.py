# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What every module does the same way: run programs, and turn an error into the answer of a failed task."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airlift.registry.plugins.module_utils._encryption import decrypted
from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError, HostError
from ansible_collections.airlift.registry.plugins.module_utils._layout import Unlock
from ansible_collections.airlift.registry.plugins.module_utils._signature import Run

BUNDLE_ARGUMENTS: dict[str, t.Any] = {
    "path": {"type": "path", "required": True},
    "allowed_signers": {"type": "path", "required": True},
}
# Of modules that read a bundle which may be encrypted.
IDENTITY_ARGUMENTS: dict[str, t.Any] = {"identity": {"type": "path", "default": ""}}
IMAGE_FILE_ARGUMENTS: dict[str, t.Any] = {
    "lock": {"type": "path", "default": ""},
    "compose_files": {"type": "list", "elements": "path", "default": []},
    "compose_variables": {"type": "dict", "default": {}},
    "kubernetes_files": {"type": "list", "elements": "path", "default": []},
    "file_transport": {"type": "str", "choices": ["docker", "docker-daemon"], "default": "docker"},
}
ENGINE_ARGUMENTS: dict[str, t.Any] = {
    "docker_host": {"type": "str", "default": "unix:///var/run/docker.sock"},
    "docker_timeout": {"type": "int", "default": 60},
}
# Of modules whose action plugin is a LockAction.
LOCK_ARGUMENTS: dict[str, t.Any] = {
    "locks": {"type": "list", "elements": "path", "default": []},
    "allowed_signers": {"type": "path", "default": ""},
    "identity": {"type": "path", "default": ""},
    "_locked": {"type": "list", "elements": "dict", "default": []},
}


def run_module(module: AnsibleModule, work: t.Callable[[], dict[str, t.Any]]) -> None:
    """Do the module's work and exit with its result, or with the problem and the next step."""
    try:
        result = work()
    except AirliftError as error:
        module.fail_json(**failure(error))
    except OSError as error:
        module.fail_json(**failure(from_os_error(error)))
    module.exit_json(**result)


def failure(error: AirliftError) -> dict[str, t.Any]:
    """The result of a task that failed with I(error)."""
    return {"msg": str(error), "problem": error.problem, "next_step": error.next_step, "error": type(error).__name__}


def from_os_error(error: OSError) -> HostError:
    """What the operating system refused, with the file's name."""
    place = f"{error.filename}: " if error.filename else ""
    return HostError(
        f"{place}{error.strerror or error}", "Make room, or correct the owner and the rights there, and run this again."
    )


def unlocker(module: AnsibleModule) -> Unlock:
    """What decrypts a bundle for this module, with its option C(identity), into a file that is gone when the module ends."""
    return lambda medium: decrypted(medium, module.params["identity"], module.tmpdir, program_runner(module))


def program_runner(module: AnsibleModule) -> Run:
    """A Run that uses the module; a program that is missing answers 127, as a shell says it.

    Several threads may use it: run_command keeps nothing between calls, and changes neither directory, mask nor environment
    of the process when it is not told to.
    """

    def run(args: t.Sequence[str], data: bytes | None) -> tuple[int, str, str]:
        try:
            code, out, err = module.run_command(list(args), data=data, binary_data=True, handle_exceptions=False)
        except FileNotFoundError as error:
            return 127, "", str(error)
        return code, out, err

    return run
