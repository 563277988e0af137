# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host's failure says of its plan."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airlift.registry.plugins.plugin_utils._doubts import doubt_of, warning_of


def plan(*actions: str, image: str = "load") -> dict[str, t.Any]:
    return {"images": [{"action": image, "layers": [{"action": action} for action in actions]}]}


def answer(error: str) -> dict[str, str]:
    return {"error": error, "problem": "it is so", "msg": "it is so. Do this."}


@pytest.mark.parametrize(
    ("error", "found", "doubt"),
    [
        pytest.param("DeltaError", plan("present", "delta"), {"deltas_failed": "it is so"}, id="a delta failed"),
        pytest.param("DeltaError", plan("present", "send"), {}, id="a delta that was not in the plan"),
        pytest.param("EngineError", plan("present", "delta"), {"distrusted": "it is so. Do this."}, id="layers were left out"),
        pytest.param("EngineError", plan("send", "delta"), {}, id="none was left out"),
        pytest.param("EngineError", plan("present", image="retag"), {}, id="nothing was loaded"),
        pytest.param("HostError", plan("present", "delta"), {}, id="something else"),
    ],
)  # fmt: skip
def test_another_plan_is_made_when_it_may_do_better(error: str, found: dict[str, t.Any], doubt: dict[str, str]) -> None:
    assert doubt_of(answer(error), found) == doubt
    assert not doubt or "it is so" in warning_of(doubt)
