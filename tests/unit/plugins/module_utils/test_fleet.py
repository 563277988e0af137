# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._fleet import DRIFT, PRELOAD, Answers, fleet_document
from ansible_collections.airlift.registry.tests.unit.plugins.support.fleets import DISK, SHARED, answer, image, update

ASKED = answer(update())
DONE = answer(update(), bytes_sent=70)
FED = {**ASKED, "bytes": {"present": 0, "staged": 70, "delta": 0, "send": 0}}
COMPLETE = answer([image("app:2", "present", {SHARED: (900, "present")})])
REFUSED = {"failed": True, "msg": "ship: no room", "reasons": [DISK]}
FAILED_MIDWAY = {**REFUSED, "bytes_sent": 40, "bytes_pulled": 0, "bytes_swarm": 0, "bytes_wasted": 8}
LOST = {"unreachable": True, "msg": "No route to host"}
NEVER_BEGUN: dict[str, t.Any] = {
    "present": 0,
    "staged": 0,
    "asked_for": 1005,
    "archives": 1000,
    "lacking": 70,
    "to_send": 70,
    "sent": 0,
    "pulled": 0,
    "swarm": 0,
    "wasted": 0,
}


def host_of(kind: str, answers: Answers) -> dict[str, t.Any]:
    (host,) = fleet_document(kind, [answers], [])["hosts"]
    return t.cast("dict[str, t.Any]", host)


@pytest.mark.parametrize(
    ("answers", "state", "images"),
    [
        pytest.param(Answers("ship"), "unknown", [], id="never asked"),
        pytest.param(Answers("ship", LOST), "unreachable", [], id="not reached when asked"),
        pytest.param(Answers("ship", LOST, ASKED, is_begun=True), "unreachable", ["unproven", "unproven", "present"], id="lost on the way"),
        pytest.param(Answers("ship", REFUSED), "refused", [], id="no room"),
        pytest.param(Answers("ship", REFUSED, ASKED, is_begun=True), "failed", ["unproven", "unproven", "present"], id="failed on the way"),
        pytest.param(Answers("ship", {**REFUSED, "failed": False}), "refused", [], id="no room, and the question does not fail"),
        pytest.param(Answers("ship", {**ASKED, "changed": False}), "pending", ["different", "missing", "present"], id="only asked"),
        pytest.param(Answers("ship", DONE, ASKED, is_begun=True), "changed", ["loaded", "renamed", "present"], id="changed"),
        pytest.param(Answers("ship", COMPLETE), "unchanged", ["present"], id="had everything"),
    ],
)  # fmt: skip
def test_states_of_a_preload(answers: Answers, state: str, images: list[str]) -> None:
    host = host_of(PRELOAD, answers)
    assert (host["state"], [each["state"] for each in host["images"]]) == (state, images)
    assert all(reason["problem"] and reason["next_step"] for reason in host["reasons"])
    assert bool(host["reasons"]) == (state in ("unknown", "unreachable", "refused", "failed"))


def test_an_image_that_lacks_layers_is_incomplete() -> None:
    broken = image("app:2", "load", {"sha256:a": (5, "send")}, before="id of app:2")
    assert host_of(PRELOAD, Answers("ship", answer([broken])))["images"][0]["state"] == "incomplete"


@pytest.mark.parametrize(
    ("answers", "bytes_"),
    [
        pytest.param(Answers("ship", REFUSED), None, id="nothing known"),
        pytest.param(Answers("ship", ASKED), {**NEVER_BEGUN, "saved": 930}, id="only asked"),
        pytest.param(Answers("ship", DONE, ASKED, is_begun=True), {**NEVER_BEGUN, "sent": 70, "saved": 930}, id="changed"),
        pytest.param(Answers("ship", LOST, ASKED, is_begun=True), {**NEVER_BEGUN, **dict.fromkeys(["sent", "pulled", "swarm", "wasted", "saved"])}, id="ended without a word of it"),
        pytest.param(
            Answers("ship", FAILED_MIDWAY, ASKED, is_begun=True),
            {**NEVER_BEGUN, "sent": 40, "wasted": 8, "saved": None}, id="failed on the way",
        ),
        pytest.param(
            Answers("ship", {**DONE, "bytes_sent": 30, "bytes_pulled": 60, "bytes_wasted": 20}, ASKED, is_begun=True),
            {**NEVER_BEGUN, "sent": 30, "pulled": 60, "wasted": 20, "saved": 910}, id="pulled in part",
        ),
        pytest.param(
            Answers("ship", {**FED, "bytes_swarm": 70, "bytes_wasted": 20}, ASKED, is_begun=True),
            {**NEVER_BEGUN, "swarm": 70, "wasted": 20, "saved": 930}, id="fed by a swarm",
        ),
        pytest.param(
            Answers("ship", {**FED, "bytes_swarm": 0}, ASKED, is_begun=True),
            {**NEVER_BEGUN, "staged": 70, "lacking": 0, "to_send": 0, "saved": 1000}, id="fed by an earlier run",
        ),
        pytest.param(
            Answers("ship", {**DONE, "bytes_sent": 1200}, ASKED, is_begun=True),
            {**NEVER_BEGUN, "sent": 1200, "saved": -200}, id="sent twice",
        ),
    ],
)  # fmt: skip
def test_bytes_count_each_layer_once(answers: Answers, bytes_: dict[str, t.Any] | None) -> None:
    assert host_of(PRELOAD, answers)["bytes"] == bytes_


def test_a_layer_that_comes_as_a_delta_costs_its_delta() -> None:
    updated = image("app:2", "load", {SHARED: (900, "present"), "sha256:top": (70, "delta")}, "id of app:1")
    updated["layers"][1]["delta"] = {"blob": "sha256:delta", "size": 2}
    asked = answer([updated, {**updated, "name": "app:current"}])
    asked["bytes"]["delta"] = 70
    counts = host_of(PRELOAD, Answers("ship", asked))["bytes"]
    assert (counts["archives"], counts["lacking"], counts["to_send"], counts["saved"]) == (970, 70, 2, 968)


def test_totals_compare_only_what_is_known_on_both_sides() -> None:
    answers = [
        Answers("a", {**DONE, "seconds": 4}, ASKED, is_begun=True),
        Answers("b", {**DONE, "seconds": 2}, ASKED, is_begun=True),
        Answers("c", REFUSED, ASKED, is_begun=True),
        Answers("d"),
        Answers("e", FAILED_MIDWAY, ASKED, is_begun=True),
    ]
    totals = fleet_document(PRELOAD, answers, [])["totals"]
    assert (totals["hosts"], totals["hosts_with_bytes"]) == (5, 2)
    assert totals["states"] == {"unknown": 1, "failed": 2, "changed": 2}
    assert (totals["bytes"]["archives"], totals["bytes"]["sent"], totals["bytes"]["saved"]) == (2000, 140, 1860)
    assert totals["traffic"] == {"sent": 180, "pulled": 0, "swarm": 0, "wasted": 8}
    assert totals["seconds"] == {"least": 2, "median": 3, "most": 4}


def test_images_are_counted_over_the_fleet() -> None:
    found = fleet_document(PRELOAD, [Answers("a", ASKED), Answers("b", DONE, ASKED, is_begun=True)], [])["images"]
    assert found[0] == {"name": "app:2", "size": 970, "states": {"different": 1, "loaded": 1}}


def drifted(*states: str, extra: t.Sequence[t.Any] = ()) -> dict[str, t.Any]:
    images = [
        {"name": f"app:{number}", "state": state, "reason": "said why", "id": None, "lock": "l", "platform": "p"}
        for number, state in enumerate(states)
    ]
    return {"engine": ASKED["engine"], "drift": {"images": images, "extra": list(extra), "matches": False}}


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        pytest.param(Answers("ship"), "unknown", id="never asked"),
        pytest.param(Answers("ship", drift=LOST), "unreachable", id="not reached"),
        pytest.param(Answers("ship", drift={"failed": True, "msg": "no engine"}), "failed", id="no answer of the engine"),
        pytest.param(Answers("ship", drift=drifted("present", "missing")), "drifted", id="one is missing"),
        pytest.param(Answers("ship", drift=drifted()), "drifted", id="no image for this platform"),
        pytest.param(Answers("ship", drift=drifted("present")), "matches", id="all there"),
        pytest.param(Answers("ship", drift=drifted("present", extra=[{"id": "i", "names": ["more:1"]}])), "matches", id="and more"),
        pytest.param(Answers("ship", {**REFUSED, "failed": False}, drift=drifted("incomplete")), "drifted", id="and a preload would be refused"),
    ],
)  # fmt: skip
def test_states_of_drift(answers: Answers, state: str) -> None:
    host = host_of(DRIFT, answers)
    assert host["state"] == state
    assert bool(host["reasons"]) == (state in ("unknown", "unreachable", "failed") or bool(answers.result))


def test_drift_takes_bytes_from_the_plan() -> None:
    host = host_of(
        DRIFT, Answers("ship", answer([image("app:0", "load", {"sha256:a": (5, "send")})]), drift=drifted("missing"))
    )
    assert (host["images"][0]["size"], host["images"][0]["lacking"], host["bytes"]["lacking"]) == (5, 5, 5)


def test_a_name_of_two_locks_is_told_once_and_the_worse_counts() -> None:
    looked = drifted("present", "different")
    looked["drift"]["images"][1]["name"] = "app:0"
    assert [image["state"] for image in host_of(DRIFT, Answers("ship", drift=looked))["images"]] == ["different"]


def test_the_same_answers_make_the_same_document() -> None:
    answers = [Answers("a", DONE, ASKED, is_begun=True), Answers("b", REFUSED), Answers("c", LOST)]
    first, second = (json.dumps(fleet_document(PRELOAD, answers, ["b.tar"])) for _ in range(2))
    assert first == second
