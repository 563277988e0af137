# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands against a host as a node: by what its neighbours said, its clock, and its disk. The neighbours themselves are in the integration tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.plugins.module_utils._neighbours import Advertisement, Answer
from ansible_collections.airlift.registry.plugins.modules import node_check

NODE, STRANGER = "52:54:00:00:00:01", "52:54:00:00:00:99"


def test_a_node_may_have_the_address_and_nobody_else() -> None:
    assert node_check.address_problems([Answer("192.0.2.10", NODE)], [NODE]) == []
    (found,) = node_check.address_problems([Answer("192.0.2.10", NODE), Answer("192.0.2.10", STRANGER)], [NODE])
    assert found.problem == f"The virtual IP 192.0.2.10 belongs to {STRANGER} already"


def test_a_node_may_advertise_the_router_and_nobody_else() -> None:
    others = [Advertisement("192.0.2.11", 51), Advertisement("192.0.2.99", 52)]
    assert node_check.router_problems(others, 51, ["192.0.2.11"]) == []
    (found,) = node_check.router_problems([*others, Advertisement("192.0.2.99", 51)], 51, ["192.0.2.11"])
    assert found.problem == "The virtual router 51 is advertised by 192.0.2.99 already"


@pytest.mark.parametrize(
    ("here", "said"),
    [(1000, ""), (1030, ""), (1031, "31 s ahead of"), (970, ""), (940, "60 s behind")],
    ids=["the same", "as much as may be", "more", "as little as may be", "less"],
)
def test_a_clock_may_differ_by_so_much(here: float, said: str) -> None:
    found = node_check.clock_problems(here, 1000, 30)
    assert [error.problem for error in found] == ([f"The clock is {said} the controller's"] if said else [])


def test_without_a_time_of_the_controller_no_clock_is_wrong() -> None:
    assert node_check.clock_problems(1000, 0, 30) == []


def test_the_file_system_counts_that_will_hold_a_directory(tmp_path: Path) -> None:
    found = os.statvfs(tmp_path)
    size = found.f_blocks * found.f_frsize
    assert node_check.place_problems(str(tmp_path / "not" / "there"), size) == []
    (error,) = node_check.place_problems(str(tmp_path / "not" / "there"), size + 1)
    assert f"(at {tmp_path})" in error.problem
