# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An application that was built again comes to every engine as a delta, with the base out of the engine itself.

The xdelta3 of this machine does not run on Debian 11, whose libc is older: there is a host that cannot apply deltas.
"""

from __future__ import annotations

import typing as t
from functools import partial

import pytest

from ansible_collections.airlift.registry.tests.integration.support import deltas
from ansible_collections.airlift.registry.tests.integration.support.deltas import NAME, Made
from ansible_collections.airlift.registry.tests.integration.support.engines import ENGINES, ROOTLESS, Engines, travelled
from ansible_collections.airlift.registry.tests.integration.support.play import Result, Task, task
from ansible_collections.airlift.registry.tests.integration.test_engines import clean
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

UNABLE = "docker-20.10-bullseye"
ABLE = [name for name in ENGINES if name != UNABLE]
STEPS = ("first", "predicted", "update", "run", "again", "other", "run other")


@pytest.fixture(scope="module")
def made(signer: Signer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    """The first version; the second as a delta alone; the third compressed by somebody else, its delta beside it."""
    directory = tmp_path_factory.mktemp("rebuilt")
    first = deltas.make(directory / "first", signer, "one")
    return {
        "first": first,
        "update": deltas.make(directory / "update", signer, "two", "instead", [first.path]),
        "other": deltas.make(directory / "other", signer, "three", "beside", [first.path], deltas.otherwise_gzipped),
    }


@pytest.fixture(scope="module")
def journey(
    engines: Engines, made: dict[str, Made], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Result]]:
    """The result of each step by engine."""
    for name, target in ENGINES.items():
        clean(engines, name)
        deltas.bring_xdelta3(engines.lab, target.host)
    ansible = engines.ansible(tmp_path_factory.mktemp("journey"))
    return travelled(ansible, STEPS, partial(steps, made))


def steps(made: dict[str, Made], options: dict[str, t.Any], docker: str) -> list[Task]:
    def preload(name: str, **keywords: t.Any) -> Task:
        return task("image_preload", made[name].arguments(**options), **keywords)

    def run(version: str) -> Task:
        return {"name": version, "ansible.builtin.command": f"{docker} run --rm --network none {NAME}:{version}"}

    return [
        preload("first"),
        preload("update", check_mode=True),
        preload("update"),
        run("two"),
        preload("update"),
        preload("other"),
        run("three"),
    ]


def layers_by_action(result: Result) -> dict[str, dict[str, t.Any]]:
    assert not result.get("failed"), result
    return {layer["action"]: layer for image in result["images"] for layer in image["layers"]}


@pytest.mark.parametrize("name", ABLE)
def test_the_delta_alone_crosses_the_link(
    journey: dict[str, dict[str, Result]], made: dict[str, Made], name: str
) -> None:
    """The image is the one that the full layer would have made, under the same digests; the layer is a hundred times as large."""
    went, delta = journey[name], made["update"].delta
    assert delta is not None
    assert set(layers_by_action(went["predicted"])) == set(layers_by_action(went["update"])) == {"present", "delta"}
    assert went["predicted"]["images"] == went["update"]["images"]
    assert went["update"]["bytes_sent"] == delta.delta_size < 0.01 * delta.size
    assert went["update"]["bytes"]["delta"] == delta.size
    assert went["update"].get("warnings", []) == []
    assert went["run"]["stdout"] == "two"


@pytest.mark.parametrize("name", ABLE)
def test_the_engine_shows_the_image_that_was_signed(
    engines: Engines, journey: dict[str, dict[str, Result]], made: dict[str, Made], name: str
) -> None:
    found = engines.connect(name).inspect(f"{NAME}:two")
    assert found is not None
    assert (found["whole"], found["layers"]) == (True, [layer.diff_id for layer in made["update"].image.layers])
    assert found["id"] == journey[name]["update"]["images"][0]["id"]


@pytest.mark.parametrize("name", ABLE)
def test_nothing_is_left_and_nothing_is_done_again(
    engines: Engines, journey: dict[str, dict[str, Result]], name: str
) -> None:
    again = journey[name]["again"]
    assert (again["changed"], again["to_do"], again["bytes_sent"]) == (False, False, 0)
    staging = "/home/ops/staging" if ENGINES[name].socket == ROOTLESS else "/var/lib/airlift/staging"
    assert engines.lab.run(ENGINES[name].host, f"ls -A {staging} 2>/dev/null || true") == ""


@pytest.mark.parametrize("name", ABLE)
def test_where_the_digest_cannot_be_restored_engines_that_go_by_content_take_the_delta(
    journey: dict[str, dict[str, Result]], made: dict[str, Made], name: str
) -> None:
    went, delta = journey[name], made["other"].delta
    assert delta is not None
    assert delta.restore == ""
    if ENGINES[name].kind == "graph":
        assert went["other"]["bytes_sent"] == delta.delta_size
    else:
        assert "delta" not in layers_by_action(went["other"])
        assert went["other"]["bytes_sent"] >= delta.size
    assert went["run other"]["stdout"] == "three"


def test_a_host_whose_xdelta3_does_not_run_says_so(
    journey: dict[str, dict[str, Result]], made: dict[str, Made]
) -> None:
    """With nothing but the delta at hand it is refused with the name of what is lacking; with the layer beside it, that is sent."""
    went = journey[UNABLE]
    for step in ("predicted", "update"):
        assert went[step]["failed"] is True
        assert "Give bundle first (" in went[step]["next_step"], went[step]
    assert "no xdelta3 that runs" in layers_by_action(went["other"])["send"]["reason"]
    assert went["other"]["bytes_sent"] == made["other"].image.layers[1].blob.size
    assert went["run other"]["stdout"] == "three"
