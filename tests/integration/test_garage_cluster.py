# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""garage_cluster against a real Garage of one node: from nothing to a bucket that s3_check finds good."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support.garage import (
    ADMIN_TOKEN,
    REGION,
    Node,
    garage_node,
)
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Result, Task

ACCESS_KEY, SECRET_KEY = f"GK{'a' * 24}", "b" * 64


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with garage_node(tmp_path_factory.mktemp("garage")) as node:
        yield node


@pytest.fixture
def ansible(tmp_path: Path) -> Ansible:
    inventory = tmp_path / "inventory.yml"
    inventory.write_text("localhost:\n")
    return Ansible(inventory, tmp_path)


def declared(node: Node, **changes: object) -> Task:
    entry = {"id": node.node_id, "address": node.rpc, "zone": "here", "capacity": "1G"}
    return {
        "endpoint": node.admin, "token": ADMIN_TOKEN, "nodes": [entry], "bucket": "images", "access_key": ACCESS_KEY,
        "secret_key": SECRET_KEY, "wait_seconds": 1, **changes,
    }  # fmt: skip


def declare(ansible: Ansible, node: Node, *options: str, **changes: object) -> Result:
    return ansible.local("garage_cluster", declared(node, **changes), *options)


def test_check_mode_says_what_a_run_does_and_a_second_run_does_nothing(node: Node, ansible: Ansible) -> None:
    wanted = [
        f"layout: set {node.node_id[:16]} (zone here)",
        f"key: create {ACCESS_KEY}",
        "bucket: create images",
        f"bucket: let {ACCESS_KEY} use images",
    ]
    assert declare(ansible, node, "--check")["changes"] == wanted
    assert declare(ansible, node)["changes"] == wanted
    again = declare(ansible, node)
    assert (again["changed"], again["changes"]) == (False, [])
    checked = ansible.local(
        "s3_check",
        {
            "endpoint": node.s3, "region": REGION, "bucket": "images", "access_key": ACCESS_KEY, "secret_key": SECRET_KEY,
        },
    )  # fmt: skip
    assert "msg" not in checked, checked["msg"]


def test_another_capacity_is_a_new_layout(node: Node, ansible: Ansible) -> None:
    entry = {"id": node.node_id, "address": node.rpc, "zone": "here", "capacity": "2G"}
    assert declare(ansible, node, nodes=[entry])["changes"] == [f"layout: set {node.node_id[:16]} (zone here)"]
    assert declare(ansible, node, nodes=[entry])["changes"] == []


@pytest.mark.parametrize("options", [[], ["--check"]], ids=["run", "check mode"])
def test_another_secret_of_a_key_is_an_error(node: Node, ansible: Ansible, options: list[str]) -> None:
    declare(ansible, node)
    assert "with another secret" in declare(ansible, node, *options, secret_key="c" * 64)["problem"]


def test_a_node_that_is_not_there_is_named(node: Node, ansible: Ansible) -> None:
    lost = {"id": "0" * 64, "address": "127.0.0.1:1", "zone": "there", "capacity": "1G"}
    result = declare(ansible, node, nodes=[*declared(node)["nodes"], lost])
    assert "does not reach 127.0.0.1:1 within 1 s" in result["problem"]
    assert "same rpc_secret" in result["next_step"]


def test_a_wrong_token_is_refused(node: Node, ansible: Ansible) -> None:
    assert "answers 403" in declare(ansible, node, token="wrong")["problem"]
