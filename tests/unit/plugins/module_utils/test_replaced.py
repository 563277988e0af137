# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of an image that loses its name to another one: a table of who else has to do with it."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._replaced import note_outcome, plan_replaced, to_remove

OLD, NEW, OTHER = ("sha256:" + digit * 64 for digit in "123")
APP, APP2, TOOL = (f"docker.io/library/{name}" for name in ("app:v1", "app:v2", "tool:v1"))


def planned(name: str, before: str | None, after: str) -> dict[str, t.Any]:
    return {"name": name, "before": before, "id": after}


def listed(image_id: str, *tags: str, digests: t.Sequence[str] = ()) -> dict[str, t.Any]:
    return {"id": image_id, "tags": list(tags), "digests": list(digests)}


def plan_of(
    images: t.Sequence[dict[str, t.Any]],
    there: t.Sequence[dict[str, t.Any]],
    containers: t.Sequence[dict[str, str]] | None = (),
) -> dict[str, t.Any]:
    plan = {"images": list(images)}
    plan_replaced(plan, {"images": list(there), "containers": containers})
    return plan


MOVES = planned(APP, OLD, NEW)
USER = {"name": "web", "image": OLD}


@pytest.mark.parametrize(
    ("images", "there", "containers", "reason"),
    [
        pytest.param([MOVES], [listed(OLD, APP)], (), "", id="nobody"),
        pytest.param([MOVES], [listed(OLD, APP)], None, "replaced images are kept", id="nobody, but it is to be kept"),
        pytest.param([MOVES], [listed(OLD, APP, TOOL)], (), f"{TOOL} means it too", id="another name"),
        pytest.param([MOVES], [listed(OLD, APP)], [USER], "container web uses it", id="a container"),
        pytest.param([MOVES], [listed(OLD, APP)], [{"name": "web", "image": OTHER}], "", id="a container of another image"),
        pytest.param([MOVES, planned(APP2, OLD, NEW)], [listed(OLD, APP, APP2)], (), "", id="another name that moves too"),
        pytest.param([MOVES, planned(TOOL, OTHER, OLD)], [listed(OLD, APP), listed(OTHER, TOOL)], (), f"{TOOL} means it too", id="a name that moves to it"),
        pytest.param([MOVES], [listed(OLD, APP, f"airlift.invalid/preload:{'1' * 64}")], (), "", id="what a killed run left"),
        pytest.param([MOVES], [listed(OLD, APP, digests=[f"docker.io/library/app@{OTHER}"])], (), "", id="its digest in the same repository"),
        pytest.param([MOVES], [listed(OLD, APP, digests=[f"example.com/app@{OTHER}"])], (), f"example.com/app@{OTHER} means it too", id="its digest in another repository"),
    ],
)  # fmt: skip
def test_who_keeps_it(
    images: list[dict[str, t.Any]], there: list[dict[str, t.Any]], containers: t.Any, reason: str
) -> None:
    plan = plan_of(images, there, containers)
    replaced = plan["images"][0]["replaced"]
    assert (replaced["id"], replaced["bytes_freed"]) == (OLD, None)
    assert replaced["action"] == ("keep" if reason else "remove")
    assert replaced["reason"] == (reason or "no name means it, no container uses it")
    assert OLD in to_remove(plan) or reason


@pytest.mark.parametrize("before", [None, NEW])
def test_a_name_that_meant_nothing_or_the_same_replaces_nothing(before: str | None) -> None:
    plan = plan_of([planned(APP, before, NEW)], [listed(NEW, APP)])
    assert plan["images"][0]["replaced"] is None
    assert to_remove(plan) == []


def test_what_the_engine_said_takes_the_place_of_what_was_planned() -> None:
    """Once for an image that loses two names."""
    plan = plan_of([MOVES, planned(APP2, OLD, NEW)], [listed(OLD, APP, APP2)])
    assert to_remove(plan) == [OLD]
    refused = {"action": "keep", "reason": "the engine refused: it is in use", "bytes_freed": None}
    note_outcome(plan, {OLD: refused})
    assert [image["replaced"] for image in plan["images"]] == [{"id": OLD, **refused}] * 2
    assert to_remove(plan) == []
