# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rule by which hosts feed each other, and how a result tells of it."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airlift.registry.plugins.plugin_utils._transport_swarm import Brought, choose

BASE, TOP, OTHER = "sha256:base", "sha256:top", "sha256:other"
SIZES = {BASE: 900, TOP: 100, OTHER: 5000}
Wish = dict[str, t.Any]


def wish(*layers: str, **changes: t.Any) -> Wish:
    lacks = {digest: SIZES[digest] for digest in layers}
    return {"transport": "auto", "site": "fleet", "address": "192.0.2.1", "layers": lacks, **changes}


BOTH, SOME, NOTHING = wish(BASE, TOP), wish(TOP), wish()


@pytest.mark.parametrize(
    ("wishes", "blobs", "reason"),
    [
        pytest.param([BOTH] * 3, [[BASE, TOP]] * 3, "swarm, as 3 hosts of the site fleet lack the same 1000 bytes", id="enough hosts and bytes"),
        pytest.param([BOTH] * 2, [[]] * 2, "fewer than 3 hosts of the site fleet lack the same layers", id="too few hosts"),
        pytest.param([BOTH, BOTH, wish(OTHER)], [[]] * 3, "fewer than 3 hosts", id="the third lacks other layers"),
        pytest.param([SOME] * 9, [[]] * 9, "hosts of the site fleet lack the same 100 bytes, fewer than 1000", id="too few bytes"),
        pytest.param([BOTH, *[wish(BASE, TOP, OTHER)] * 2], [[BASE, TOP]] * 3, "lack the same 1000 bytes", id="what only two lack is not shared"),
        pytest.param([SOME, *[BOTH] * 3], [[TOP], *[[BASE, TOP]] * 3], "swarm, as 4 hosts", id="one has a part already"),
        pytest.param([NOTHING, *[BOTH] * 3], [[], *[[BASE, TOP]] * 3], "no swarm, as there is nothing to bring", id="one has everything"),
        pytest.param([wish(BASE, TOP, site="a"), *[wish(BASE, TOP, site="b")] * 3], [[], *[[BASE, TOP]] * 3], "of the site a lack the same", id="alone at its site"),
        pytest.param([wish(BASE, TOP, transport="push"), *[BOTH] * 3], [[], *[[BASE, TOP]] * 3], "no swarm, as push was asked for", id="one is pushed"),
        pytest.param([wish(BASE, TOP, transport="push"), *[BOTH] * 2], [[]] * 3, "push was asked for", id="who is pushed is no peer"),
        pytest.param([wish(BASE, TOP, transport="registry"), *[BOTH] * 3], [[], *[[BASE, TOP]] * 3], "registry was asked for", id="one pulls"),
        pytest.param([wish(TOP, transport="swarm")], [[TOP]], "swarm was asked for", id="asked for, whatever the rule"),
        pytest.param([wish(transport="swarm")], [[]], "swarm was asked for", id="asked for, and nothing is lacking"),
        pytest.param([wish(BASE, TOP, transport="swarm", address="ship1"), *[BOTH] * 2], [[BASE, TOP]] * 3, "swarm was asked for", id="who asks for it is a peer of the others"),
        pytest.param([wish(BASE, TOP, address="ship1"), *[BOTH] * 3], [[], *[[BASE, TOP]] * 3], "ship1 is no address by which other hosts", id="a name is no address"),
        pytest.param([wish(BASE, TOP, address="127.0.0.1"), *[BOTH] * 3], [[], *[[BASE, TOP]] * 3], "127.0.0.1 is no address", id="nor is a forwarded port"),
        pytest.param([wish(BASE, TOP, address=""), *[BOTH] * 2], [[]] * 3, "nothing is no address", id="who has no address is no peer"),
        pytest.param([wish(BASE, TOP, address="2001:db8::1")] * 3, [[BASE, TOP]] * 3, "swarm, as 3 hosts", id="an address of IPv6"),
    ],
)  # fmt: skip
def test_the_rule(wishes: list[Wish], blobs: list[list[str]], reason: str) -> None:
    choices = choose({f"host{number}": each for number, each in enumerate(wishes)}, hosts=3, size=1000)
    assert [choice["blobs"] for choice in choices.values()] == blobs
    assert reason in choices["host0"]["reason"]
    assert [choice["reason"].startswith("no swarm") for choice in choices.values()] == [
        not found and each["transport"] != "swarm" for found, each in zip(blobs, wishes, strict=True)
    ]


def image(transport: str, *layers: str, action: str = "staged") -> dict[str, t.Any]:
    return {"transport": transport, "layers": [{"digest": digest, "action": action} for digest in layers]}


@pytest.mark.parametrize(
    ("arrived", "images", "transports", "reason"),
    [
        pytest.param([BASE, TOP], [image("push", BASE, TOP)], ["swarm"], "why", id="all came"),
        pytest.param([TOP], [image("push", BASE, action="present"), image("push", TOP)], ["push", "swarm"], "why; no registry", id="the rest was sent"),
        pytest.param([], [image("push", TOP, action="send")], ["push"], "why; no registry", id="nothing came"),
        pytest.param([TOP], [image("push", TOP, action="send")], ["swarm"], "why", id="it is to come"),
        pytest.param([TOP], [image("push", TOP, action="present"), image("", TOP)], ["push", ""], "why; no registry", id="of no use"),
        pytest.param([TOP], [image("registry", TOP)], ["registry"], "why; no registry", id="it was pulled all the same"),
    ],
)  # fmt: skip
def test_a_result_tells_what_came(
    arrived: list[str], images: list[dict[str, t.Any]], transports: list[str], reason: str
) -> None:
    result = {"images": images, "transport_reason": "no registry", "changed": True}
    told = Brought("why", arrived).told(result)
    assert [entry["transport"] for entry in told["images"]] == transports
    assert told["transport_reason"] == reason
    assert told["changed"]


def test_without_a_swarm_a_result_stays_as_it_is() -> None:
    result = {"images": [image("push", TOP)], "transport_reason": "no registry is named"}
    assert Brought.of({}).told(result) == result
    assert Brought.of({}).traffic() == dict.fromkeys(("bytes_sent", "bytes_pulled", "bytes_swarm", "bytes_wasted"), 0)


def test_what_a_member_said_is_counted() -> None:
    option = {"reason": "why", "arrived": [TOP], "bytes": "100", "bytes_wasted": 7}
    assert Brought.of(option) == Brought("why", [TOP], 100, 7)
    assert Brought.of(option).traffic()["bytes_swarm"] == 100
