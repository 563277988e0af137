# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""load_balancer_state at a real HAProxy with two registries: drained without a lost request, and closed for writes while pulls go on."""

from __future__ import annotations

import contextlib
import csv
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support import lab as labs
from ansible_collections.airlift.registry.tests.integration.support.access import ALL, LOGIN, Load, index, user
from ansible_collections.airlift.registry.tests.integration.support.balancer import Balancer, balanced
from ansible_collections.airlift.registry.tests.integration.support.lab import eventually
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Result

UPLOADS = "/v2/team-b/app/blobs/uploads/"
ACCESS = {
    "load_balancer_users": [user("alice"), user("bob")],
    "load_balancer_rules": [{"users": ["alice", "bob"], "repositories": ["team-b/*"], "allow": ALL}],
}


@pytest.fixture(scope="module")
def balancer(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Balancer]:
    labs.lab("image", "registry", "haproxy")
    with balanced(tmp_path_factory.mktemp("state"), "state", 2, **ACCESS) as found:
        index(found, "team-b/app", "alice")
        yield found


@pytest.fixture
def ansible(tmp_path: Path) -> Ansible:
    inventory = tmp_path / "inventory.yml"
    inventory.write_text("localhost:\n")
    return Ansible(inventory, tmp_path)


@pytest.fixture
def load(balancer: Balancer) -> t.Iterator[Load]:
    """Somebody who reads all the time."""
    load = Load(balancer)
    load.start()
    try:
        yield load
    finally:
        load.over.set()
        load.join()


def bring(ansible: Ansible, balancer: Balancer, **options: t.Any) -> Result:
    where = {
        "socket": str(balancer.directory / "run/admin.sock"),
        "gate": str(balancer.directory / "balancer/gate.acl"),
    }
    return ansible.local("load_balancer_state", {**where, **options})


def process(balancer: Balancer) -> str:
    """The process ID of the HAProxy that takes requests; none while one process takes over from the other."""
    with contextlib.suppress(OSError):
        return next((line for line in balancer.command("show info").splitlines() if line.startswith("Pid: ")), "")
    return ""


def load_anew(balancer: Balancer) -> None:
    before = process(balancer)
    subprocess.run(["docker", "kill", "--signal", "USR2", balancer.container], check=True, stdout=subprocess.DEVNULL)
    eventually(lambda: process(balancer) not in ("", before), "the new process")


def asked(balancer: Balancer, name: str) -> int:
    """How many reads a registry has had, as HAProxy counts them."""
    rows = csv.DictReader(balancer.command("show stat").removeprefix("# ").splitlines())
    return next(int(row["stot"]) for row in rows if (row["pxname"], row["svname"]) == ("registries_read", name))


def test_a_drained_registry_is_asked_nothing_and_nobody_notices(
    balancer: Balancer, ansible: Ansible, load: Load
) -> None:
    drained = {"registry": "node1", "registry_state": "drained"}
    assert bring(ansible, balancer, **drained)["changes"] == ["node1: drained"]
    before, others = asked(balancer, "node1"), asked(balancer, "localhost")
    eventually(lambda: asked(balancer, "localhost") > others + 10, "reads by the other registry")
    assert balancer.ask("POST", UPLOADS, "alice").status == 202
    assert asked(balancer, "node1") == before
    assert bring(ansible, balancer, **drained)["changed"] is False
    assert bring(ansible, balancer, registry="node1")["changes"] == ["node1: ready"]
    eventually(lambda: asked(balancer, "node1") > before, "reads by the registry that is back")
    assert set(load.statuses) == {200}


def test_the_last_registry_is_not_drained(balancer: Balancer, ansible: Ansible) -> None:
    bring(ansible, balancer, registry="node1", registry_state="drained")
    try:
        result = bring(ansible, balancer, registry="localhost", registry_state="drained")
        assert result["problem"] == "Without localhost there is no registry to send requests to"
    finally:
        bring(ansible, balancer, registry="node1")


def test_writes_are_refused_also_by_a_new_process_and_pulls_go_on(
    balancer: Balancer, ansible: Ansible, load: Load
) -> None:
    assert bring(ansible, balancer, writes="closed")["changes"] == ["writes: closed"]
    for _process in range(2):
        answer = balancer.ask("POST", UPLOADS, "alice")
        assert (answer.status, answer.headers["retry-after"]) == (503, "30")
        assert balancer.ask("POST", UPLOADS).status == 401
        load_anew(balancer)
    assert bring(ansible, balancer, writes="open")["changes"] == ["writes: open"]
    assert balancer.ask("POST", UPLOADS, "alice").status == 202
    assert set(load.statuses) == {200}


def test_a_write_in_flight_is_waited_for(balancer: Balancer, ansible: Ansible) -> None:
    with balancer.connect() as connection:
        connection.sendall(f"POST {UPLOADS} HTTP/1.1\r\nHost: localhost\r\n{LOGIN}Content-Length: 9\r\n\r\n".encode())
        eventually(lambda: "registries_write" in balancer.command("show sess"), "the request")
        closed = {"writes": "closed", "wait_seconds": 1}
        assert bring(ansible, balancer, **closed)["problem"] == "1 requests that write are still in flight after 1 s"
    assert bring(ansible, balancer, **{**closed, "wait_seconds": 60})["changed"] is False
    bring(ansible, balancer, writes="open")
