# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The proof that an engine has what was loaded into it. Its word for the load is not enough: see docs/truth.md."""

from __future__ import annotations

import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._engine import Engine
from ansible_collections.airlift.registry.plugins.module_utils._errors import EngineError


def prove(engine: Engine, reference: str, image_id: str, diff_ids: t.Sequence[str], name: str) -> None:
    """Raise EngineError unless I(reference) means, in this engine, the whole image I(image_id) with these layers.

    I(name) is what people call the image.
    """
    found = engine.inspect(reference)
    expected = {"id": image_id, "layers": list(diff_ids), "whole": True}
    shown = {key: found[key] for key in expected} if found else None
    if shown != expected:
        raise EngineError(
            f"The engine took {name} and then showed {_difference(shown, expected)}",
            "Nothing was tagged and the blobs are still in staging. Look into the engine's log and run this again.",
        )


def _difference(shown: dict[str, t.Any] | None, expected: dict[str, t.Any]) -> str:
    if shown is None:
        return "no such image"
    if shown["id"] != expected["id"]:
        return f"the image {shown['id']} instead of {expected['id']}"
    if shown["layers"] != expected["layers"]:
        return f"the layers {', '.join(shown['layers']) or 'none'} instead of {', '.join(expected['layers'])}"
    return f"{expected['id']} with content that is missing or not unpacked"
