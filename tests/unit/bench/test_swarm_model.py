# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The model of large fleets in docs/guides/large-fleets.md."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airlift.registry.tests.bench import swarm_model


def known(waste: float, start: float, *sizes: int) -> dict[str, t.Any]:
    """Figures as they would be measured if the model were right."""
    times = [
        {"hosts": hosts, "first": start * 40, "last": swarm_model.ratio(hosts, waste, start) * 40} for hosts in sizes
    ]
    return {"link": 40.0, "hosts": times}


@pytest.mark.parametrize(
    ("hosts", "waste", "least", "most"),
    [
        pytest.param(1, 0.0, 1.0, 1.0, id="one host takes what its link takes"),
        pytest.param(1, 0.5, 1.6, 2.6, id="half of what is sent is of no use"),
        pytest.param(8, 0.0, 1.0, 1.3, id="some hosts feed each other"),
        pytest.param(128, 0.0, 1.0, 1.4, id="more hosts than one knows take little longer"),
    ],
)
def test_rounds_over_the_pieces(hosts: int, waste: float, least: float, most: float) -> None:
    assert least <= swarm_model.rounds(hosts, waste) / swarm_model.PIECES <= most


def test_no_host_is_told_as_faster_than_its_link() -> None:
    assert swarm_model.ratio(16, 0.0, 0.25) >= 1.25


@pytest.mark.parametrize("waste", [0.0, 0.3])
def test_the_fit_finds_what_the_figures_were_made_with(waste: float) -> None:
    assert swarm_model.fit(known(waste, 0.1, 6)) == (waste, pytest.approx(0.1))


def test_the_table_says_how_far_the_model_is_from_what_was_measured() -> None:
    figures = known(0.2, 0.1, 4)
    figures["hosts"][0]["last"] *= 1.1
    first, _heads, *rows = swarm_model.table(figures, (4, 32)).splitlines()
    assert "after 0.10 of the link's time" in first
    assert [len(row.split()) for row in rows] == [4, 2]
