# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three registry hosts that keep the images themselves, in Garage: what the death of one of them may cost. The last tests kill them, and replace one."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import hardening
import pytest
import testinfra
import yaml
from outside import Registry
from testinfra.host import Host

FILES = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / ".cache" / "molecule" / "garage"
VARIABLES = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]) / "variables.yml"
REGISTRIES = ("registry1", "registry2", "registry3")
SPARE = "registry4"
FQDN = "registry.example.com"
APP = "airlift-lab/app:v1"
LAB_HOST = "airlift-molecule-garage-{}"
EMPTY = "sha256%3Ae3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
HEALTH = "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:3903/health"


@pytest.fixture(scope="module")
def hosts() -> dict[str, Host]:
    """All hosts of the scenario, as root."""
    inventory = FILES / "inventory.yml"
    return {
        name: testinfra.get_host(f"ansible://{name}?ansible_inventory={inventory}", sudo=True)
        for name in (*REGISTRIES, SPARE, "fleet1")
    }


@pytest.fixture(scope="module")
def fleet(hosts: dict[str, Host]) -> Host:
    """The host that pushes and pulls, logged in as one who may push."""
    password = (FILES / "passwords/publisher").read_text().strip()
    login = "docker --config /root/publisher login --username publisher --password-stdin"
    hosts["fleet1"].check_output(f"printf %s {password} | {login} {FQDN}")
    return hosts["fleet1"]


def push(fleet: Host, name: str) -> str:
    """Push the app through the virtual IP under a new name; its reference there."""
    reference = f"{FQDN}/{name}:v1"
    fleet.check_output(f"docker tag {APP} {reference}")
    fleet.check_output(f"docker --config /root/publisher push --quiet {reference}")
    return reference


def pull(fleet: Host, reference: str) -> None:
    """Pull it with all its layers, and put the app back under its own name."""
    fleet.check_output(f"docker images --quiet {APP} | xargs docker image rm --force")
    fleet.check_output(f"docker pull --quiet {reference}")
    assert fleet.check_output(f"docker run --rm {reference}") == "app v1"
    fleet.check_output(f"docker tag {reference} {APP}")


def eventually(condition: Callable[[], bool], seconds: float = 60) -> bool:
    """Whether the condition becomes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        # So testinfra says that a host which is starting does not answer yet.
        with contextlib.suppress(RuntimeError):
            if condition():
                return True
        time.sleep(0.2)
    return False


def connected(host: Host) -> int:
    """With how many nodes, itself included, a node's Garage is connected."""
    said = host.check_output("curl -s http://127.0.0.1:3903/metrics")
    return int(next(line.split()[-1] for line in said.splitlines() if line.startswith("cluster_connected_nodes")))


@pytest.mark.parametrize("name", REGISTRIES)
def test_every_node_is_part_of_the_store(hosts: dict[str, Host], name: str) -> None:
    assert hosts[name].check_output(HEALTH) == "200"


@pytest.mark.parametrize("name", REGISTRIES)
def test_the_store_is_open_to_its_own_host_only(hosts: dict[str, Host], name: str) -> None:
    address = hosts[name].ansible.get_variables()["ansible_host"]
    listening = hosts[name].check_output("ss --no-header --listening --tcp --numeric").split()
    found = {place for place in listening if place.rpartition(":")[2] in ("3900", "3901", "3903")}
    assert {place for place in found if not place.startswith("127.")} == {f"{address}:3901"}
    # The near ends of the links to the nodes.
    assert len(found - {"127.0.0.1:3900", "127.0.0.1:3903", f"{address}:3901"}) == 3


@pytest.mark.parametrize("name", REGISTRIES)
def test_secrets_of_the_store_are_for_root_only(hosts: dict[str, Host], name: str) -> None:
    find = "find /etc/airlift/object-store /etc/airlift/registry -type f ! -name links.cfg ! -perm 0600 -o ! -user root"
    assert hosts[name].check_output(find) == ""
    words = [
        (FILES / "airlift-certificates" / f"object-store-{what}").read_text().strip()
        for what in ("secret-key", "rpc-secret")
    ]
    listed = hosts[name].check_output("docker ps --no-trunc --all; ps -ef; docker inspect $(docker ps --quiet)")
    assert not any(word in listed for word in words)


@pytest.mark.parametrize("name", REGISTRIES)
def test_containers_may_do_nothing_that_they_need_not(hosts: dict[str, Host], name: str) -> None:
    found = hardening.containers(hosts[name])
    assert set(found) == set(hardening.SERVICES)
    for service, container in found.items():
        wanted = hardening.expected_rights(hardening.SERVICES[service], service != "airlift-registry/registry")
        assert hardening.rights(container) == wanted, service
    for project in ("registry", "load-balancer", "object-store"):
        assert set(map(frozenset, hardening.limits(hosts[name], project).values())) == {hardening.LIMITS}


@pytest.mark.parametrize("name", REGISTRIES)
def test_nothing_listens_where_it_need_not(hosts: dict[str, Host], name: str) -> None:
    address = hosts[name].ansible.get_variables()["ansible_host"]
    assert hardening.listeners(hosts[name], address) == hardening.expected_listeners(set(hardening.PORTS))


def test_what_is_pushed_can_be_pulled(fleet: Host) -> None:
    pull(fleet, push(fleet, "airlift-lab/pushed"))


def test_a_blob_of_no_bytes_is_refused_with_the_reason(hosts: dict[str, Host]) -> None:
    address = hosts["registry1"].ansible.get_variables()["lab_virtual_ip"]
    passwords = {"publisher": (FILES / "passwords/publisher").read_text().strip()}
    registry = Registry(FQDN, address, FILES / "airlift-certificates/server-ca.crt", passwords)
    answer = registry.ask(f"/v2/airlift-lab/empty/blobs/uploads/upload?digest={EMPTY}", "publisher", method="PUT")
    assert (answer.status, b"keeps no blob of no bytes" in answer.body) == (400, True)


def test_pushes_and_pulls_go_on_when_the_host_that_holds_the_address_dies(hosts: dict[str, Host], fleet: Host) -> None:
    before = push(fleet, "airlift-lab/before")
    address = hosts["registry1"].ansible.get_variables()["lab_virtual_ip"]
    holder = next(name for name in REGISTRIES if address in hosts[name].check_output("ip -brief -4 address"))
    survivors = [name for name in REGISTRIES if name != holder]
    subprocess.run(["docker", "kill", LAB_HOST.format(holder)], check=True, capture_output=True)
    begun = time.monotonic()
    # Garage alone notices after 75 seconds.
    assert eventually(lambda: all(connected(hosts[name]) == 2 for name in survivors), 30)
    print(f"the others knew of the death of {holder} after {time.monotonic() - begun:.1f} s")
    begun = time.monotonic()
    pull(fleet, before)
    print(f"the first pull after the death of {holder} took {time.monotonic() - begun:.1f} s")
    during = push(fleet, "airlift-lab/during")
    assert [hosts[name].check_output(HEALTH) for name in survivors] == ["200", "200"]

    # It comes back, and then another one may die.
    subprocess.run(["docker", "start", LAB_HOST.format(holder)], check=True, capture_output=True)
    assert eventually(lambda: hosts[holder].run(HEALTH).stdout == "200", 120)
    subprocess.run(["docker", "kill", LAB_HOST.format(survivors[0])], check=True, capture_output=True)
    pull(fleet, during)


def started(name: str) -> str:
    """When a host of the lab was started; nothing if it is dead."""
    command = [
        "docker",
        "inspect",
        "--format",
        "{{if .State.Running}}{{.State.StartedAt}}{{end}}",
        LAB_HOST.format(name),
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def deploy(registries: list[str]) -> None:
    """Deploy with an inventory whose registry hosts are these."""
    inventory = yaml.safe_load((FILES / "inventory.yml").read_text())
    inventory["all"]["children"]["registry"] = {"hosts": {name: {} for name in registries}}
    changed = FILES / "changed.yml"
    changed.write_text(yaml.safe_dump(inventory))
    command = [
        "ansible-playbook",
        "--inventory",
        str(changed),
        "--inventory",
        str(VARIABLES),
        "airlift.registry.deploy",
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr


def test_a_host_that_died_is_replaced_by_another_one(hosts: dict[str, Host], fleet: Host) -> None:
    """The test before has left one host dead. What was pushed until then is pulled again, also when one more dies after the replacement."""
    left = [name for name in REGISTRIES if started(name)]
    assert len(left) == 2
    deploy([*left, SPARE])
    everything = [f"{FQDN}/airlift-lab/{name}:v1" for name in ("pushed", "before", "during")]
    everything.append(push(fleet, "airlift-lab/replaced"))
    for reference in everything:
        pull(fleet, reference)
    assert all(connected(hosts[name]) == 3 for name in (*left, SPARE))
    # Only when the new host has the tables may another one go.
    assert eventually(lambda: "draining" not in versions(hosts[SPARE]).lower(), 120)
    # Of the two older ones, that which was away before may still lack what was pushed meanwhile.
    subprocess.run(["docker", "kill", LAB_HOST.format(max(left, key=started))], check=True, capture_output=True)
    for reference in everything:
        pull(fleet, reference)


def versions(host: Host) -> str:
    """What Garage says of its layouts."""
    return host.check_output("docker exec airlift-object-store-garage-1 /garage layout history")
