# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""garage_cluster against a node that speaks Garage's administration API: from any state to the declared one, and what is said when that cannot be."""

from __future__ import annotations

import typing as t
from types import SimpleNamespace

import pytest

from ansible_collections.airlift.registry.plugins.module_utils import _garage
from ansible_collections.airlift.registry.plugins.module_utils._errors import AirliftError, InputError, StoreError
from ansible_collections.airlift.registry.plugins.modules.garage_cluster import Cluster
from ansible_collections.airlift.registry.tests.unit.plugins.support.garage import TOKEN, ClusterState, garage_server

KEY, SECRET = "GK" + "a" * 24, "b" * 64
IDS = {name: name[0] * 64 for name in ("ann", "bob", "cid", "dee")}
ADDRESSES = {IDS[name]: f"{name}:3901" for name in IDS}
GIB = 1024**3
Declare = t.Callable[..., dict[str, t.Any]]


def node(name: str, **changes: str) -> dict[str, str]:
    return {"id": IDS[name], "address": f"{name}:3901", "zone": name, "capacity": "1G", **changes}


def told(name: str) -> str:
    return f"layout: set {IDS[name][:16]} (zone {name})"


THREE = [node("ann"), node("bob"), node("cid")]


@pytest.fixture
def state() -> ClusterState:
    """Four nodes run; the one that is asked knows itself only."""
    return ClusterState(running=dict(ADDRESSES), connected={IDS["ann"]}, copies=3)


@pytest.fixture
def declare(state: ClusterState, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Declare]:
    monkeypatch.setattr(_garage, "_PAUSE", 0.001)
    with garage_server(state) as endpoint:

        def declare(check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
            params = {
                "endpoint": endpoint, "token": TOKEN, "nodes": THREE, "bucket": "images", "access_key": KEY, "secret_key": SECRET,
                "wait_seconds": 0, **options,
            }  # fmt: skip
            return Cluster(t.cast(t.Any, SimpleNamespace(params=params, check_mode=check_mode))).declare()

        yield declare


def test_from_nothing_to_a_bucket(declare: Declare, state: ClusterState) -> None:
    wanted = [
        "nodes: connect bob:3901", "nodes: connect cid:3901", told("ann"), told("bob"), told("cid"),
        f"key: create {KEY}", "bucket: create images", f"bucket: let {KEY} use images",
    ]  # fmt: skip
    predicted = declare(check_mode=True)
    assert (predicted["changes"], predicted["changed"], state.seen) == (wanted, True, [])
    assert declare() == predicted
    assert state.roles[IDS["bob"]] == {"id": IDS["bob"], "zone": "bob", "capacity": GIB, "tags": []}
    assert (state.keys, state.buckets) == (
        {KEY: SECRET},
        {"images": {KEY: {"read": True, "write": True, "owner": False}}},
    )


def test_a_second_run_changes_nothing(declare: Declare, state: ClusterState) -> None:
    declare()
    state.seen.clear()
    for check_mode in (False, True):
        assert declare(check_mode) == {"changed": False, "changes": [], "diff": {"before": "", "after": ""}}
    assert state.seen == []


def test_what_somebody_staged_is_not_applied(declare: Declare, state: ClusterState) -> None:
    state.staged = [{"id": "e" * 64, "zone": "elsewhere", "capacity": 1, "tags": []}]
    declare()
    assert set(state.roles) == {IDS[name] for name in ("ann", "bob", "cid")}


@pytest.mark.parametrize(
    ("nodes", "changes"),
    [
        pytest.param([*THREE, node("dee")], ["nodes: connect dee:3901", told("dee")], id="a node more"),
        pytest.param(
            [node("ann"), node("bob"), node("dee")],
            ["nodes: connect dee:3901", told("dee"), f"layout: remove {IDS['cid'][:16]}"],
            id="another node",
        ),
        pytest.param([node("ann"), node("bob"), node("cid", capacity="2G")], [told("cid")], id="another capacity"),
        pytest.param(
            [node("ann"), node("bob"), node("cid", zone="attic")],
            [f"layout: set {IDS['cid'][:16]} (zone attic)"],
            id="another zone",
        ),
    ],
)
def test_the_layout_becomes_the_declared_one(
    declare: Declare, state: ClusterState, nodes: list[dict[str, str]], changes: list[str]
) -> None:
    declare()
    assert declare(check_mode=True, nodes=nodes)["changes"] == changes
    assert state.version == 1
    assert declare(nodes=nodes)["changes"] == changes
    assert set(state.roles) == {entry["id"] for entry in nodes}
    assert declare(nodes=nodes)["changes"] == []


def test_a_dead_node_is_replaced_and_not_waited_for(declare: Declare, state: ClusterState) -> None:
    declare()
    del state.running[IDS["cid"]]
    declare(nodes=[node("ann"), node("bob"), node("dee")])
    assert (set(state.roles), state.awaited) == ({IDS[name] for name in ("ann", "bob", "dee")}, set())
    assert state.seen.count("ClusterLayoutSkipDeadNodes") == 1


def test_a_living_node_that_is_removed_is_waited_for(declare: Declare, state: ClusterState) -> None:
    declare(nodes=[*THREE, node("dee")])
    declare()
    assert "ClusterLayoutSkipDeadNodes" not in state.seen


def test_nodes_that_start_slowly_are_waited_for(declare: Declare, state: ClusterState) -> None:
    state.slow = 2
    declare(wait_seconds=60)
    assert state.seen.count("ConnectClusterNodes") == 3


def test_health_that_comes_late_is_waited_for(declare: Declare, state: ClusterState) -> None:
    state.lacking = 3
    declare(wait_seconds=60)
    assert state.lacking == 0


def test_a_key_that_lost_its_rights_gets_them_back(declare: Declare, state: ClusterState) -> None:
    declare()
    state.buckets["images"][KEY] = {"read": True, "write": False, "owner": False}
    assert declare()["changes"] == [f"bucket: let {KEY} use images"]
    assert state.buckets["images"][KEY]["write"]


def refusal(declare: Declare, kind: type[AirliftError], **options: t.Any) -> AirliftError:
    with pytest.raises(kind) as caught:
        declare(**options)
    return caught.value


@pytest.mark.parametrize("check_mode", [False, True])
def test_another_secret_of_a_key_is_an_error(declare: Declare, check_mode: bool) -> None:
    declare()
    error = refusal(declare, InputError, check_mode=check_mode, secret_key="c" * 64)
    assert f"key {KEY} with another secret" in error.problem
    assert "choose another access_key" in error.next_step


@pytest.mark.parametrize(
    "endpoint", ["127.0.0.1:3903", "https://127.0.0.1:3903", "http://127.0.0.1:3903/v2", "http://host"]
)
def test_an_endpoint_that_is_none(declare: Declare, endpoint: str) -> None:
    assert refusal(declare, InputError, endpoint=endpoint).problem == f"{endpoint} is no endpoint of Garage"


def test_a_capacity_that_is_none(declare: Declare) -> None:
    assert refusal(declare, InputError, nodes=[node("ann", capacity="much")]).problem == "much is no capacity"


def test_nodes_that_are_not_reached_are_named(declare: Declare, state: ClusterState) -> None:
    del state.running[IDS["cid"]]
    error = refusal(declare, StoreError)
    assert "does not reach cid:3901 within 0 s" in error.problem
    assert "same rpc_secret" in error.next_step


def test_fewer_nodes_than_copies(declare: Declare) -> None:
    error = refusal(declare, StoreError, nodes=[node("ann"), node("bob")])
    assert "answers 500 to ApplyClusterLayout: The number of nodes with positive capacity (2)" in error.problem
    assert "as many nodes as copies" in error.next_step


def test_too_few_nodes_to_read_and_write(declare: Declare, state: ClusterState) -> None:
    state.lacking = 1000
    error = refusal(declare, StoreError)
    assert "sees 1 of 3 nodes, too few to read and write" in error.problem
    assert "Start Garage" in error.next_step


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        pytest.param(b"<html>", "does not answer to GetClusterStatus", id="no JSON"),
        pytest.param(b'{"nodes": [', "does not answer to GetClusterStatus", id="half of it"),
    ],
)
def test_an_answer_that_is_none(declare: Declare, state: ClusterState, raw: bytes, said: str) -> None:
    state.raw = raw
    assert said in refusal(declare, StoreError).problem


def test_a_wrong_token(declare: Declare) -> None:
    error = refusal(declare, StoreError, token="wrong")
    assert "answers 403 to GetClusterStatus: Forbidden" in error.problem
    assert "wrong" not in str(error)


def test_nobody_there() -> None:
    with garage_server(ClusterState()) as endpoint:
        pass
    params = {"endpoint": endpoint, "token": TOKEN, "nodes": THREE}
    with pytest.raises(StoreError, match="does not answer to GetClusterStatus") as caught:
        Cluster(t.cast(t.Any, SimpleNamespace(params=params, check_mode=False))).declare()
    assert "docker logs" in caught.value.next_step
