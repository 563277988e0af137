# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Deltas on a host: whether it can apply them, and the layers that it makes of those in staging.

The base comes out of the engine through its save API. All that is half-done lies in a directory of its own below staging; what is made gets the name of
its digest when it has been proven to have it.
"""

from __future__ import annotations

import os
import shutil
import typing as t

from ansible_collections.airlift.registry.plugins.module_utils import _delta, _unpack
from ansible_collections.airlift.registry.plugins.module_utils._engine import Engine
from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError, DeltaError, HostError
from ansible_collections.airlift.registry.plugins.module_utils._reference import hex_of
from ansible_collections.airlift.registry.plugins.module_utils._saved_layers import take_layers
from ansible_collections.airlift.registry.plugins.module_utils._sdk import is_ours
from ansible_collections.airlift.registry.plugins.module_utils._signature import Run
from ansible_collections.airlift.registry.plugins.module_utils._staging import Staging

PROGRAM = "/var/lib/airlift/bin/xdelta3"  # where the playbook prepare puts it
_MEMORY = "/proc/meminfo"

Task = t.Mapping[str, t.Any]


def ability(staging: Staging, run: Run) -> dict[str, t.Any]:
    """What the plan has to know: the C(tool) (empty when there is none that runs), bytes of free C(memory), and whether a killed run left C(work)."""
    return {"tool": find_tool(run), "memory": free_memory(_MEMORY), "work": os.path.lexists(staging.work)}


def find_tool(run: Run, program: str = PROGRAM) -> str:
    """The xdelta3 that runs here: the one that was brought, or the system's."""
    tools = [program, _delta.TOOL] if _is_trusted(program) else [_delta.TOOL]
    return next((tool for tool in tools if run(["prlimit", "--core=0", "--", tool, "-V"], None)[0] == 0), "")


def free_memory(path: str) -> int:
    """Bytes that programs can have without anything being swapped out, as the kernel estimates it; 0 when it does not say."""
    with open(path, encoding="ascii") as stream:
        fields = dict(line.split(":", 1) for line in stream)
    return int(fields.get("MemAvailable", "0 kB").split()[0]) * 1024


def restore_layers(engine: Engine, staging: Staging, tasks: t.Sequence[Task], run: Run) -> None:
    """Make the layers of staged deltas (C(delta) of a layer in the plan), and clear away what a killed run had half-done.

    Raises DeltaError when one cannot be made. A staged delta that is damaged is gone then.
    """
    _clear(staging)
    lacking = [task for task in tasks if not os.path.exists(staging.file_of(task["result"]))]
    if not lacking:
        return
    try:
        os.mkdir(staging.work, 0o700)
        tool = find_tool(run)
        if not tool:
            raise HostError("The host has no xdelta3 that runs", "Bring it with the playbook airlift.registry.prepare.")
        _take_bases(engine, staging, lacking)
        for task in lacking:
            _restore(staging, task, tool, run)
    except AirliftError as error:
        raise DeltaError(error.problem, error.next_step) from error
    except OSError as error:
        raise DeltaError(f"{error.filename or staging.work}: {error.strerror}", "Make room there.") from error
    finally:
        _clear(staging)


def _clear(staging: Staging) -> None:
    if os.path.lexists(staging.work):
        shutil.rmtree(staging.work)


def _take_bases(engine: Engine, staging: Staging, tasks: t.Sequence[Task]) -> None:
    for image in sorted({task["image"] for task in tasks}):
        wanted = {task["base"]: task["base_size"] for task in tasks if task["image"] == image}
        with engine.save([image]) as stream:
            found = take_layers(stream, wanted, lambda name: _path(staging, name), f"The saved image {image}")
        for diff_id in sorted(set(wanted) - found):
            raise HostError(
                f"Image {image} of the engine has no layer {diff_id}, the base of a delta", "Run this again."
            )


def _restore(staging: Staging, task: Task, tool: str, run: Run) -> None:
    what = f"What a delta makes of layer {task['base']}"
    staging.verify(task["blob"], "an image, sent as a delta")
    base, content = _path(staging, task["base"]), _path(staging, "content")
    _delta.apply(base, staging.file_of(task["blob"]), content, task["content_size"], run, task["memory"], tool)
    _unpack.verify(content, task["content"], what)
    made = content
    if task["restore"]:
        made = _path(staging, "blob")
        _unpack.write_verified(
            _unpack.compressed(_unpack.file_chunks(content), task["restore"]), made, task["result"], what
        )
    os.rename(made, staging.file_of(task["result"]))


def _path(staging: Staging, name: str) -> str:
    """Where something half-done is: a layer by its digest, or what has no digest yet."""
    return os.path.join(staging.work, hex_of(name) if ":" in name else name)


def _is_trusted(program: str) -> bool:
    try:
        return all(
            is_ours(path) for path in (os.path.dirname(os.path.dirname(program)), os.path.dirname(program), program)
        )
    except OSError:
        return False
