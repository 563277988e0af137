# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""node_check on a real host beside a real neighbour, which has an address and runs keepalived, and deploy, which changes nothing before all is checked."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.support.lab import HOSTS, Lab, eventually
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Result, Task
from ansible_collections.airlift.registry.tests.integration.support.site import site
from ansible_collections.airlift.registry.tests.unit.plugins.support.certificates import make_certificate

HOST, NEIGHBOUR = HOSTS
ROUTER = 77
KEEPALIVED = """vrrp_instance stranger {{
  state MASTER
  interface eth0
  virtual_router_id {router}
  priority 100
  advert_int 1
  unicast_peer {{ {host} }}
  virtual_ipaddress {{ {address}/32 dev eth0 }}
}}
"""


@pytest.fixture(scope="module")
def taken(lab: Lab) -> t.Iterator[str]:
    """An address of the lab's network that a keepalived of the neighbour's holds, and tells the host of it. (Multicast does not pass the lab's network.)"""
    free = address(lab, NEIGHBOUR).rpartition(".")[0] + ".200"
    config = KEEPALIVED.format(router=ROUTER, address=free, host=address(lab, HOST))
    place = "/run/stranger"
    lab.run(NEIGHBOUR, f"mkdir -p {place}; printf '%s' '{config}' >{place}/keepalived.conf")
    lab.run(
        NEIGHBOUR, f"keepalived --vrrp --use-file {place}/keepalived.conf --pid {place}/pid --vrrp_pid {place}/vrrp"
    )
    try:
        eventually(lambda: free in lab.run(NEIGHBOUR, "ip -brief -4 address show eth0"), "the neighbour's address")
        yield free
    finally:
        lab.run(NEIGHBOUR, f"kill $(cat {place}/pid)")
        eventually(lambda: free not in lab.run(NEIGHBOUR, "ip -brief -4 address show eth0"), "the end of it")


def check(ansible: Ansible, **options: object) -> Result:
    return ansible.module(HOST, "node_check", {"interface": "eth0", **options})[HOST]


def mac(lab: Lab, host: str) -> str:
    return lab.run(host, "cat /sys/class/net/eth0/address")


def address(lab: Lab, host: str) -> str:
    return lab.run(host, "ip -brief -4 address show eth0").split()[2].partition("/")[0]


def test_what_nobody_has_is_free(lab: Lab, ansible: Ansible, taken: str) -> None:
    found = check(ansible, addresses=[taken.rpartition(".")[0] + ".201"], router_id=ROUTER + 1)
    assert (found["changed"], found["problems"]) == (False, [])


def test_an_address_and_a_router_that_are_taken_are_refused(lab: Lab, ansible: Ansible, taken: str) -> None:
    found = check(ansible, addresses=[taken], router_id=ROUTER, seconds=3)
    assert found["failed"] is True
    assert [entry["problem"] for entry in found["problems"]] == [
        f"The virtual IP {taken} belongs to {mac(lab, NEIGHBOUR)} already",
        f"The virtual router {ROUTER} is advertised by {address(lab, NEIGHBOUR)} already",
    ]


def test_the_nodes_may_have_both(lab: Lab, ansible: Ansible, taken: str) -> None:
    nodes = [{"address": address(lab, NEIGHBOUR), "mac": mac(lab, NEIGHBOUR).upper()}]
    assert check(ansible, addresses=[taken], router_id=ROUTER, nodes=nodes, seconds=3)["problems"] == []


SEND = """
import socket, sys, time
out = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(sys.argv[1]))
while True:
    out.sendto(bytes([0x31, int(sys.argv[2]), 100, 1, 0, 100, 0, 0]), ("224.0.0.18", 0))
    time.sleep(0.1)
"""


def test_a_router_that_is_advertised_to_all_is_heard(tmp_path: Path) -> None:
    """By multicast, as virtual routers have it by default, in a network of two namespaces."""
    (tmp_path / "plays").mkdir()
    with site(f"airlift-nodes-{os.getpid()}", 2, tmp_path) as made:
        sender = ["ip", "netns", "exec", made.namespace(1), sys.executable, "-c", SEND, made.address(1), str(ROUTER)]
        with subprocess.Popen(sender) as process:
            ansible = Ansible(made.inventory(sys.executable), tmp_path / "plays")
            found = ansible.module("machine0", "node_check", {"interface": "e0", "router_id": ROUTER})["machine0"]
            process.kill()
    assert [entry["problem"] for entry in found["problems"]] == [
        f"The virtual router {ROUTER} is advertised by {made.address(1)} already"
    ]


@pytest.fixture(scope="module")
def deploy(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> t.Callable[..., str]:
    """Run deploy on the host with other variables than good ones; what it said. It fails, and leaves nothing on the host."""
    directory = tmp_path_factory.mktemp("deploy")
    listing = ["ansible-inventory", "--inventory", str(lab.inventory), "--host", HOST]
    host = json.loads(subprocess.run(listing, check=True, stdout=subprocess.PIPE).stdout)
    path = directory / "inventory.json"
    path.write_text(json.dumps({"all": {"children": {"registry": {"hosts": {HOST: host}}}}}))
    good: Task = {
        "registry_fqdn": "registry.example.com",
        "registry_virtual_ip": "{{ lab_virtual_ip }}",
        "registry_storage": {"type": "filesystem", "path": "/srv/registry"},
        "registry_users": [{"name": "publisher", "password": "a password of enough letters"}],
        "registry_rules": [{"users": ["publisher"], "repositories": ["**"], "allow": ["pull", "push"]}],
        "registry_bundle": str(directory / "bundle"),
        "registry_allowed_signers": str(directory / "allowed_signers"),
    }

    def run(**variables: object) -> str:
        given = {name: value for name, value in {**good, **variables}.items() if value is not None}
        (directory / "vars.json").write_text(json.dumps(given))
        before = look(lab)
        done = subprocess.run(
            ["ansible-playbook", "-i", path, "-e", f"@{directory}/vars.json", "airlift.registry.deploy"],
            env={**os.environ, "ANSIBLE_NOCOLOR": "1"}, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode != 0, done.stdout
        assert re.search(r"changed=[1-9]", done.stdout) is None, done.stdout
        assert look(lab) == before
        return " ".join((done.stdout + done.stderr).split())

    return run


def look(lab: Lab) -> str:
    """What a deployment would leave first."""
    paths = "/etc/airlift /etc/keepalived/*.conf /srv/* /var/lib/airlift"
    return lab.run(HOST, f"ls -d {paths} 2>/dev/null; docker images --quiet", check=False)


BAD: dict[str, tuple[Task, str]] = {
    "no users": ({"registry_users": None}, "registry_users is not set"),
    "a name with a capital": ({"registry_fqdn": "Registry.example.com"}, "must be a host name in lower case"),
    "a user that no rule knows": (
        {"registry_rules": [{"users": ["nobody"], "repositories": ["**"], "allow": ["pull"]}]},
        "In registry_users and registry_rules",
    ),
    "a storage of another kind": ({"registry_storage": {"type": "tape"}}, "must have the type filesystem or s3"),
    "a router of a number too high": ({"load_balancer_virtual_router_id": 256}, "must be a number from 1 to 255"),
    "an address of another network": ({"registry_virtual_ip": "192.0.2.1"}, "is in no network of this host"),
    "the address of a host": ({"registry_virtual_ip": "{{ ansible_host }}"}, "is the address of one of the hosts"),
    "an S3 that nobody answers for": (
        {
            "registry_storage": {
                "type": "s3", "endpoint": "http://127.0.0.1:9", "region": "here", "bucket": "images", "access_key": "nobody", "secret_key": "0123456789",
            }
        },
        "Cannot list objects",
    ),
    "Garage on too few hosts": (
        {"registry_object_store": "garage", "registry_storage": None},
        "keeps 3 copies, and the group registry has 1 hosts",
    ),
    "more than the disk holds": (
        {"registry_object_store": "garage", "registry_storage": None, "object_store_copies": 1, "object_store_capacity": "900T"},
        "are to be kept there",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_deploy_refuses_before_the_first_change(deploy: t.Callable[..., str], name: str) -> None:
    variables, said = BAD[name]
    assert said in deploy(**variables)


def test_deploy_refuses_an_address_and_a_router_that_somebody_has(
    lab: Lab, deploy: t.Callable[..., str], taken: str
) -> None:
    said = deploy(registry_virtual_ip=taken, load_balancer_virtual_router_id=ROUTER)
    assert f"The virtual IP {taken} belongs to {mac(lab, NEIGHBOUR)} already" in said
    assert f"The virtual router {ROUTER} is advertised by {address(lab, NEIGHBOUR)} already" in said


def test_deploy_refuses_certificates_that_do_not_match(deploy: t.Callable[..., str], tmp_path: Path) -> None:
    """The certificates are for localhost, each from an authority of its own."""
    made = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        made.append(make_certificate(tmp_path / str(number)))
    one, other = made
    right = {
        "registry_fqdn": "localhost",
        "certificates_own_certificate": str(one.path),
        "certificates_own_key": str(one.key),
        "certificates_own_ca": str(one.path),
    }
    assert "and not for registry.example.com" in deploy(**{**right, "registry_fqdn": "registry.example.com"})
    assert "or is not the certificate of" in deploy(**{**right, "certificates_own_key": str(other.key)})
    assert "does not lead to" in deploy(**{**right, "certificates_own_ca": str(other.path)})


def test_deploy_refuses_a_clock_that_is_off(deploy: t.Callable[..., str], lab: Lab) -> None:
    library = subprocess.run(["dpkg", "--listfiles", "libfaketime"], check=True, capture_output=True, text=True).stdout
    (path,) = (line for line in library.splitlines() if line.endswith("/libfaketime.so.1"))
    lab.copy(HOST, path, "/usr/local/lib/libfaketime.so.1")
    wrapper = '#!/bin/sh\nexec env LD_PRELOAD=/usr/local/lib/libfaketime.so.1 FAKETIME=-2h python3 "$@"\n'
    lab.run(HOST, f"printf '%s' '{wrapper}' >/usr/local/bin/late && chmod 755 /usr/local/bin/late")
    said = deploy(ansible_python_interpreter="/usr/local/bin/late")
    assert "The clock is 7" in said
    assert "behind the controller's" in said
