# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Takes an image out of an engine that nothing uses any more. What the engine refuses is left alone; nothing is forced."""

from __future__ import annotations

import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._engine_storage import EngineStorage
from ansible_collections.airlift.registry.plugins.module_utils._errors import EngineError


def remove_unused(engine: EngineStorage, image_id: str) -> dict[str, t.Any]:
    """Remove an image if no tag means it and the engine lets it go.

    Returns the C(action) C(keep) or C(remove), the C(reason), and C(bytes_freed) by the engine's own count (None when it does not count).
    """
    before = _usage(engine)
    reason = _refusal(engine, image_id)
    if reason:
        return {"action": "keep", "reason": reason, "bytes_freed": None}
    after = _usage(engine)
    freed = before - after if before and after is not None else None
    return {"action": "remove", "reason": "no name means it, no container uses it", "bytes_freed": freed}


def _refusal(engine: EngineStorage, image_id: str) -> str:
    """Remove the image, or say why not. That it stays must not fail what has brought the new one."""
    try:
        found = engine.inspect(image_id)
        # An image with one tag would go with it.
        if found and found["tags"]:
            return f"{found['tags'][0]} means it too"
        refusal = engine.remove(image_id)
        if refusal:
            return f"the engine refused: {refusal}"
        return "the engine said that it removed it, and still has it" if engine.inspect(image_id) else ""
    except EngineError as error:
        return error.problem


def _usage(engine: EngineStorage) -> int | None:
    try:
        return engine.disk_usage()
    except EngineError:
        return None
