# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_prune against a server that speaks the engine's API: what happens between the plan and its execution."""

from __future__ import annotations

import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError, EngineError, InputError
from ansible_collections.airlift.registry.plugins.modules.image_prune import Pruner
from ansible_collections.airlift.registry.tests.unit.plugins.support.servers import EngineState, engine_server

OLD, NEW, OTHER = (f"sha256:{digit * 64}" for digit in "123")


def image(image_id: str, *tags: str) -> dict[str, t.Any]:
    return {
        "Id": image_id, "RepoTags": list(tags), "Created": "2026-01-01T00:00:00Z",
        "RootFS": {"Layers": [image_id]},
    }  # fmt: skip


@pytest.fixture
def state() -> EngineState:
    found = [image(OLD, "app:v1", "app:old"), image(NEW, "app:v2")]
    step = [{"Created": 1, "CreatedBy": "COPY", "Size": 7}]
    return EngineState(
        images={entry["Id"]: entry for entry in found}, histories={OLD: step, NEW: step}, usage={"LayersSize": 14}
    )


@pytest.fixture
def prune(state: EngineState, tmp_path: Path) -> t.Iterator[t.Callable[..., dict[str, t.Any]]]:
    """Run the module with some options; its result, with its warnings in C(warned)."""
    with engine_server(tmp_path, state) as host:

        def prune(check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
            defaults: dict[str, t.Any] = {
                "docker_host": host, "docker_timeout": 5, "keep": [], "keep_versions": None, "repositories": [],
                "dangling": False, "min_age": "0", "locks": [], "_locked": [],
            }  # fmt: skip
            warned: list[str] = []
            module = SimpleNamespace(params={**defaults, **options}, check_mode=check_mode, warn=warned.append)
            return {**Pruner(t.cast(t.Any, module)).prune(), "warned": warned}

        yield prune


Prune = t.Callable[..., dict[str, t.Any]]


def names(result: dict[str, t.Any], action: str) -> set[str]:
    return {
        name["name"].removeprefix("docker.io/library/")
        for entry in result["images"]
        for name in entry["names"]
        if name["action"] == action
    }


def test_removes_each_name_that_nothing_keeps(prune: Prune, state: EngineState) -> None:
    result = prune(keep=["app:v2"])
    assert sorted(state.removed) == ["docker.io/library/app:old", "docker.io/library/app:v1"]
    assert (result["changed"], names(result, "keep")) == (True, {"app:v2"})
    assert result["bytes_predicted"] == 7
    assert set(result["diff"]["before"]) - set(result["diff"]["after"]) == set(state.removed)


def test_check_mode_asks_and_removes_nothing(prune: Prune, state: EngineState) -> None:
    predicted = prune(check_mode=True, keep=["app:v2"])
    assert (state.removed, state.asked, predicted["bytes_freed"]) == ([], [], 0)
    done = prune(keep=["app:v2"])
    assert {key: predicted[key] for key in ("changed", "images", "diff", "bytes_predicted")} == {
        key: done[key] for key in ("changed", "images", "diff", "bytes_predicted")
    }


def test_nothing_to_do_changes_nothing(prune: Prune, state: EngineState) -> None:
    result = prune(keep=["app:*"])
    assert (result["changed"], result["bytes_freed"], result["bytes_predicted"]) == (False, 0, 0)
    assert (state.removed, state.asked) == ([], [])


def test_an_image_that_got_a_container_meanwhile_is_kept_and_reported(prune: Prune, state: EngineState) -> None:
    state.in_use = "conflict: container abc is using its referenced image"
    result = prune(keep=["app:v2"])
    assert (result["changed"], state.removed) == (False, [])
    assert result["images"][0]["action"] == "keep"
    assert result["images"][0]["reason"] == f"the engine refused: {state.in_use}"
    assert result["diff"]["before"] == result["diff"]["after"]


def test_a_name_that_means_another_image_meanwhile_is_kept(prune: Prune, state: EngineState) -> None:
    """Between the plan and its execution somebody moves a tag; that happens when the disk usage is asked for."""

    def move() -> None:
        state.images[OLD]["RepoTags"] = ["app:old"]
        state.images[OTHER] = image(OTHER, "app:v1")

    state.on_usage = move
    result = prune(keep=["app:v2"])
    assert state.removed == ["docker.io/library/app:old"]
    assert names(result, "keep") == {"app:v1", "app:v2"}
    assert (result["images"][0]["action"], OTHER in result["images"][0]["reason"]) == ("untag", True)


def test_the_engine_s_word_is_not_enough(prune: Prune, state: EngineState) -> None:
    state.keeps_all = True
    result = prune(keep=["app:v2"])
    assert (result["changed"], len(state.removed)) == (False, 2)
    assert "still has it" in result["images"][0]["reason"]


@pytest.mark.parametrize(
    ("before", "after", "freed"),
    [
        pytest.param(14, 7, 7, id="as predicted"),
        pytest.param(14, 0, 14, id="everything went"),
        pytest.param(14, 20, -6, id="others brought more"),
        pytest.param(0, 0, None, id="an engine that counts nothing"),
        pytest.param(None, None, None, id="an engine that does not tell"),
    ],
)
def test_bytes_freed_are_measured(
    prune: Prune, state: EngineState, before: int | None, after: int | None, freed: int | None
) -> None:
    state.usage = {"LayersSize": before}
    state.on_removal = lambda: state.usage.update(LayersSize=after)
    assert prune(keep=["app:v2"])["bytes_freed"] == freed


def test_a_count_that_fails_is_a_warning(prune: Prune, state: EngineState) -> None:
    state.broken = "system/df"
    result = prune(keep=["app:v2"])
    assert (result["changed"], result["bytes_freed"], len(state.removed)) == (True, None, 2)
    assert all("bytes_freed is not known" in warning for warning in result["warned"])
    assert result["warned"]


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        pytest.param({"keep_versions": -1}, InputError, id="a negative number of versions"),
        pytest.param({"min_age": "soon"}, InputError, id="no age"),
    ],
)
def test_refuses_what_cannot_be_meant(
    prune: Prune, state: EngineState, options: dict[str, t.Any], kind: type[AirliftError]
) -> None:
    with pytest.raises(kind):
        prune(repositories=["*"], **options)
    assert state.removed == []


def test_an_engine_that_breaks_in_the_middle_is_an_error(prune: Prune, state: EngineState) -> None:
    state.on_removal = lambda: setattr(state, "broken", "/")
    with pytest.raises(EngineError):
        prune(keep=["app:v2"])
    assert len(state.removed) == 1
