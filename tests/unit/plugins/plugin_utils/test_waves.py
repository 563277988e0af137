# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waves: the order of sending, what can be loaded meanwhile, and what is left for the end."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._plan import temporary_name
from ansible_collections.airlift.registry.plugins.plugin_utils._waves import LEAST, Wave, Waves, sending_order
from ansible_collections.airlift.registry.tests.unit.plugins.support.images import sha256

Plan = dict[str, t.Any]


def digest(name: str) -> str:
    return f"sha256:{sha256(name.encode())}"


def image(name: str, *layers: str, action: str = "load") -> dict[str, t.Any]:
    """An image whose layers are written as C(NAME:ACTION)."""
    parts = [layer.split(":") for layer in layers]
    entries = [
        {
            "digest": digest(part),
            "diff_id": digest(f"{part} tar"),
            "size": 2 * LEAST,
            "action": done,
            "staged_as": digest(part),
        }
        for part, done in parts
    ]
    return {"name": f"{name}:v1", "id": digest(name), "action": action, "layers": entries}


def plan(*images: dict[str, t.Any], offsets: t.Any = None, **sizes: int) -> Plan:
    """A plan; I(sizes) are those of its blobs, to be sent from I(offsets) on."""
    blobs = [
        {"digest": digest(name), "size": size, "offset": (offsets or {}).get(name, 0)} for name, size in sizes.items()
    ]
    return {
        "images": list(images),
        "blobs": blobs,
        "thin": True,
        "leftovers": {"tags": ["old"], "blobs": ["sha256:old"]},
    }


def names(wave: Wave | None) -> list[str]:
    return [image["name"] for image in wave.plan["images"]] if wave else []


def include(image: t.Mapping[str, t.Any]) -> list[str]:
    return [layer["digest"] for layer in image["layers"] if layer["action"] != "present"]


A, B, C = image("a", "base:send", "a1:send"), image("b", "base:staged", "b1:send"), image("c", "c1:send")
ABC = {"base": 4 * LEAST, "a1": LEAST, "b1": 2 * LEAST, "c1": 3 * LEAST}
TWO = {"base": 2 * LEAST, "a1": 2 * LEAST, "b1": 2 * LEAST}


@pytest.mark.parametrize(
    ("found", "order"),
    [
        pytest.param(plan(A, B, C, **ABC), "base b1 c1 a1", id="with its base, by what is lacking then"),
        pytest.param(plan(A, B, C, offsets={"c1": 3 * LEAST - 1}, **ABC), "base b1 a1 c1", id="what is there counts"),
        pytest.param(plan(image("a", "a1:delta"), C, delta=7, c1=5), "c1 delta", id="of no image's own"),
        pytest.param(plan(image("a", "a1:present", action="present")), "", id="nothing"),
    ],
)
def test_sends_that_first_which_leaves_little_for_the_end(found: Plan, order: str) -> None:
    assert sending_order(found) == [digest(name) for name in order.split()]


def test_one_image_after_the_other() -> None:
    waves = Waves(plan(A, B, **TWO))
    waves.arrived(digest("base"), 2 * LEAST)
    assert waves.next() is None
    waves.arrived(digest("a1"), 2 * LEAST)
    wave = waves.next()
    assert wave
    assert names(wave) == ["a:v1"]
    assert include(wave.plan["images"][0]) == [digest("base"), digest("a1")]
    waves.loaded(wave)
    assert waves.next() is None
    rest = waves.rest()
    assert [image["action"] for image in rest["images"]] == ["retag", "load"]
    assert include(rest["images"][1]) == [digest("b1")]
    assert rest["leftovers"] == {
        "tags": sorted(["old", temporary_name(A["id"])]),
        "blobs": sorted(["sha256:old", digest("base"), digest("a1")]),
    }


def test_a_layer_above_another_base_is_loaded_again() -> None:
    """An engine with a graph driver knows it by what is below it."""
    other = image("b", "other:send", "a1:staged")
    waves = Waves(plan(A, other, base=LEAST, a1=LEAST, other=2 * LEAST))
    for name in ("base", "a1"):
        waves.arrived(digest(name), LEAST)
    wave = waves.next()
    assert wave
    waves.loaded(wave)
    assert include(waves.rest()["images"][1]) == [digest("other"), digest("a1")]


def test_an_engine_that_takes_no_thin_image_gets_the_base_with_each() -> None:
    waves = Waves({**plan(A, B, **TWO), "thin": False})
    for name in ("base", "a1"):
        waves.arrived(digest(name), 2 * LEAST)
    wave = waves.next()
    assert wave
    waves.loaded(wave)
    assert include(waves.rest()["images"][1]) == [digest("base"), digest("b1")]


def test_two_names_of_one_image_go_together() -> None:
    waves = Waves(plan(A, {**A, "name": "current:v1"}, B, **TWO))
    for name in ("base", "a1"):
        waves.arrived(digest(name), 2 * LEAST)
    wave = waves.next()
    assert names(wave) == ["a:v1", "current:v1"]
    assert wave
    waves.loaded(wave)
    assert [image["action"] for image in waves.rest()["images"]] == ["retag", "retag", "load"]


@pytest.mark.parametrize(
    ("found", "came"),
    [
        pytest.param(plan(A, base=LEAST, a1=LEAST), "base a1", id="nothing is to come"),
        pytest.param(plan(A, B, base=LEAST, a1=LEAST, b1=LEAST - 1), "base a1", id="little is to come"),
        pytest.param(plan(image("a", "a1:staged"), image("b", "a1:send"), C, a1=LEAST, c1=LEAST), "", id="not there"),
        pytest.param(plan(image("a", "a1:delta"), C, delta=LEAST, c1=LEAST), "delta", id="made on the host at the end"),
        pytest.param(plan({**A, "action": "retag"}, C, c1=LEAST), "", id="it is in the engine"),
    ],
)
def test_no_wave(found: Plan, came: str) -> None:
    waves = Waves(found)
    sizes = {blob["digest"]: blob["size"] for blob in found["blobs"]}
    for name in came.split():
        waves.arrived(digest(name), sizes[digest(name)])
    assert waves.next() is None


def test_little_is_not_worth_a_run() -> None:
    small = {**A, "layers": [{**layer, "size": 100} for layer in A["layers"]]}
    waves = Waves(plan(small, C, base=100, a1=100, c1=2 * LEAST))
    for name in ("base", "a1"):
        waves.arrived(digest(name), 100)
    assert waves.next() is None


def test_what_an_earlier_run_left_can_be_loaded_at_once() -> None:
    assert names(Waves(plan(image("a", "a1:staged"), C, c1=LEAST)).next()) == ["a:v1"]
