# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What a host's failure says about its plan: which of the ways to spare bytes this run must do without."""

from __future__ import annotations

import typing as t

from ansible_collections.airlift.registry.plugins.module_utils._plan import leaves_out, uses_deltas


def doubt_of(answer: t.Mapping[str, t.Any], plan: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What to add to the snapshots of a host that failed with this answer, as make_plan takes it; nothing when another plan would fail as well."""
    if answer.get("error") == "DeltaError" and uses_deltas(plan):
        return {"deltas_failed": f"{answer.get('problem')}"}
    if answer.get("error") == "EngineError" and leaves_out(plan):
        return {"distrusted": f"{answer.get('msg')}"}
    return {}


def warning_of(doubt: t.Mapping[str, t.Any]) -> str:
    """The same for the operator."""
    if "deltas_failed" in doubt:
        return f"The host could not make a layer of its delta, so the layers themselves were sent: {doubt['deltas_failed']}"
    return f"The engine refused the images without layers that it has: {doubt['distrusted']}"
