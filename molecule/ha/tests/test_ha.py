# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two registry hosts behind one address: what clients may count on. The last test kills a host."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import ssl
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import hardening
import pytest
import testinfra
from demo.watch import Watch
from outside import Registry
from testinfra.host import Host

FILES = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / ".cache" / "molecule" / "ha"
CERTIFICATES = FILES / "airlift-certificates"
REGISTRIES = ("registry1", "registry2")
APP = "airlift-lab/app:v1"
LAB_HOST = "airlift-molecule-ha-{}"
ROUTES_THAT_LEAD_NOWHERE = (
    "/",
    "/v2/../v2/_catalog",
    "/v2/airlift-lab//app/tags/list",
    "/v2/airlift-lab/%61pp/tags/list",
    "/v2/AIRLIFT-LAB/app/tags/list",
    "/v2/airlift-lab/app/manifests/v1/",
)
PULLS = 8
CLIENT_RETRY = 5.0  # seconds: Docker tries a connection again for about as long before a pull fails


@pytest.fixture(scope="module")
def hosts() -> dict[str, Host]:
    """All hosts of the scenario, as root."""
    inventory = FILES / "inventory.yml"
    names = (*REGISTRIES, "fleet1")
    return {name: testinfra.get_host(f"ansible://{name}?ansible_inventory={inventory}", sudo=True) for name in names}


@pytest.fixture(scope="module")
def addresses(hosts: dict[str, Host]) -> dict[str, str]:
    """The own address of each registry host."""
    return {name: hosts[name].ansible.get_variables()["ansible_host"] for name in REGISTRIES}


@pytest.fixture(scope="module")
def registry(hosts: dict[str, Host]) -> Registry:
    """The registry that the playbook has deployed."""
    address = hosts["registry1"].ansible.get_variables()["lab_virtual_ip"]
    passwords = {user: (FILES / "passwords" / user).read_text().strip() for user in ("publisher", "fleet")}
    return Registry("registry.example.com", address, CERTIFICATES / "server-ca.crt", passwords)


def holders(hosts: dict[str, Host], address: str, names: tuple[str, ...] = REGISTRIES) -> list[str]:
    """Which hosts have the address now."""
    found = []
    for name in names:
        links = json.loads(hosts[name].check_output("ip -json address show"))
        if any(entry["local"] == address for link in links for entry in link["addr_info"]):
            found.append(name)
    return found


def further(registry: Registry) -> list[str]:
    """The addresses that move with the virtual IP, as variables.yml has them."""
    return [re.sub("250$", "251", registry.address), "fd00:a1:f7::250"]


@pytest.fixture(scope="module")
def pushed(hosts: dict[str, Host], registry: Registry) -> str:
    """The app, pushed through the virtual IP from a host of the fleet. Its reference there."""
    fleet = hosts["fleet1"]
    reference = f"{registry.fqdn}/{APP}"
    fleet.check_output(f"docker tag {APP} {reference}")
    login = "docker --config /root/publisher login --username publisher --password-stdin"
    fleet.check_output(f"printf %s {registry.passwords['publisher']} | {login} {registry.fqdn}")
    fleet.check_output(f"docker --config /root/publisher push {reference}")
    return reference


@pytest.mark.parametrize("name", REGISTRIES)
def test_every_balancer_serves_tls_by_our_authority(addresses: dict[str, str], registry: Registry, name: str) -> None:
    with (
        socket.create_connection((addresses[name], 443), timeout=10) as connection,
        registry.tls().wrap_socket(connection, server_hostname=registry.fqdn) as tls,
    ):
        assert tls.version() in {"TLSv1.2", "TLSv1.3"}


def test_the_virtual_ip_is_on_exactly_one_host(hosts: dict[str, Host], registry: Registry) -> None:
    assert len(holders(hosts, registry.address)) == 1


def test_further_addresses_are_where_the_virtual_ip_is(hosts: dict[str, Host], registry: Registry) -> None:
    holder = holders(hosts, registry.address)
    for address in further(registry):
        assert holders(hosts, address) == holder
        host = f"[{address}]" if ":" in address else address
        asked = f"curl --silent --insecure --output /dev/null --write-out '%{{http_code}}' https://{host}/v2/"
        assert hosts[holder[0]].check_output(asked) == "401"


def test_nobody_is_asked_who_they_are(registry: Registry) -> None:
    answer = registry.ask("/v2/")
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == f'Basic realm="{registry.fqdn}"'
    assert answer.headers["docker-distribution-api-version"] == "registry/2.0"


def test_a_wrong_password_is_refused(registry: Registry) -> None:
    assert registry.ask("/v2/", user="fleet", password="wrong").status == 401


@pytest.mark.parametrize("user", ["fleet", "publisher"])
def test_a_user_is_let_in(registry: Registry, user: str) -> None:
    assert registry.ask("/v2/", user=user).status == 200


@pytest.mark.parametrize("path", ROUTES_THAT_LEAD_NOWHERE)
def test_only_the_routes_of_the_specification_are_let_through(registry: Registry, path: str) -> None:
    assert registry.ask(path, user="publisher").status == 404


@pytest.mark.parametrize(("user", "status"), [("fleet", 403), ("publisher", 202)], ids=["who may pull", "who may push"])
def test_only_who_may_push_begins_an_upload(registry: Registry, user: str, status: int) -> None:
    answer = registry.ask("/v2/airlift-lab/upload/blobs/uploads/", user, method="POST")
    assert answer.status == status
    if status == 202:
        assert answer.headers["location"].startswith(f"https://{registry.fqdn}/")


def test_a_pull_only_user_cannot_push(hosts: dict[str, Host], registry: Registry, pushed: str) -> None:
    fleet = hosts["fleet1"]
    fleet.check_output(f"docker tag {APP} {registry.fqdn}/fleet/app:v1")
    push = fleet.run(f"docker push {registry.fqdn}/fleet/app:v1")
    assert push.rc != 0
    assert "this user may not do that here" in push.stdout + push.stderr


def test_the_fleet_pulls_what_was_pushed(hosts: dict[str, Host], pushed: str) -> None:
    fleet = hosts["fleet1"]
    fleet.check_output(f"docker image rm --force {pushed} {APP}")
    fleet.check_output(f"docker pull --quiet {pushed}")
    assert fleet.check_output(f"docker run --rm {pushed}") == "app v1"
    fleet.check_output(f"docker tag {pushed} {APP}")


@pytest.mark.parametrize("name", REGISTRIES)
def test_every_registry_has_what_was_pushed(hosts: dict[str, Host], pushed: str, name: str) -> None:
    tags = "/srv/registry/docker/registry/v2/repositories/airlift-lab/app/_manifests/tags"
    assert hosts[name].file(f"{tags}/v1/current/link").exists


@pytest.mark.parametrize("name", REGISTRIES)
def test_a_registry_talks_to_balancers_only(addresses: dict[str, str], name: str) -> None:
    context = ssl.create_default_context(cafile=str(CERTIFICATES / "ca.crt"))
    assert _first_line(context, addresses[name]) == ""
    # A node's certificate is good for a registry, and not for a client of one.
    context.load_cert_chain(CERTIFICATES / f"node-{name}.crt", CERTIFICATES / f"node-{name}.key")
    assert _first_line(context, addresses[name]) == ""
    context.load_cert_chain(CERTIFICATES / "load-balancer.crt", CERTIFICATES / "load-balancer.key")
    assert _first_line(context, addresses[name]) == "HTTP/1.0 200 OK"


def _first_line(context: ssl.SSLContext, address: str) -> str:
    """What a registry answers to a request of ours; empty when it refuses us."""
    try:
        with (
            socket.create_connection((address, 5000), timeout=10) as connection,
            context.wrap_socket(connection, server_hostname=address) as tls,
        ):
            tls.sendall(b"GET /v2/ HTTP/1.0\r\n\r\n")
            return tls.recv(1024).decode().partition("\r\n")[0]
    except (ssl.SSLError, ConnectionError):
        return ""


@pytest.mark.parametrize("name", REGISTRIES)
@pytest.mark.parametrize("port", [5001, 8404])
def test_health_and_metrics_are_for_the_host_itself(addresses: dict[str, str], name: str, port: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((addresses[name], port), timeout=10)


@pytest.mark.parametrize("name", REGISTRIES)
def test_secrets_on_a_host_are_for_root_only(hosts: dict[str, Host], name: str) -> None:
    find = "find /etc/airlift/registry /etc/airlift/load-balancer -type f ! -perm 0600 -o ! -user root"
    assert hosts[name].check_output(find) == ""
    words = [(FILES / "passwords" / user).read_text().strip() for user in ("publisher", "fleet")]
    for word in words:
        assert hosts[name].run(f"grep -rqF {word} /etc/airlift").rc == 1


@pytest.mark.parametrize("name", REGISTRIES)
def test_containers_may_do_nothing_that_they_need_not(hosts: dict[str, Host], name: str) -> None:
    found = hardening.containers(hosts[name])
    assert set(found) == {"airlift-registry/registry", "airlift-load-balancer/haproxy"}
    for service, container in found.items():
        assert hardening.rights(container) == hardening.expected_rights(hardening.SERVICES[service]), service
    for project in ("registry", "load-balancer"):
        assert set(map(frozenset, hardening.limits(hosts[name], project).values())) == {hardening.LIMITS}


@pytest.mark.parametrize("name", REGISTRIES)
def test_nothing_listens_where_it_need_not(hosts: dict[str, Host], addresses: dict[str, str], name: str) -> None:
    found = hardening.listeners(hosts[name], addresses[name])
    assert found == hardening.expected_listeners({443, 8404, 5000, 5001})


@pytest.mark.parametrize("name", REGISTRIES)
def test_who_speaks_to_clients_is_nobody(hosts: dict[str, Host], name: str) -> None:
    processes = hosts[name].check_output("ps -C haproxy -o uid=,args=").splitlines()
    # The process that is root only starts those that work.
    assert sorted(line.split()[0] for line in processes)[:2] == ["0", "65534"]


def test_secrets_on_the_controller_are_for_their_owner_only() -> None:
    assert stat.S_IMODE(CERTIFICATES.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in CERTIFICATES.iterdir()} == {0o600}


def test_the_check_of_keepalived_does_not_run_as_root(hosts: dict[str, Host], registry: Registry) -> None:
    host = hosts[holders(hosts, registry.address)[0]]
    assert host.run("runuser -u keepalived_script -- /etc/keepalived/airlift-check.sh").rc == 0
    assert "script_user keepalived_script" in host.file("/etc/keepalived/keepalived.conf").content_string


def eventually(condition: Callable[[], bool], seconds: float = 60) -> bool:
    """Whether the condition becomes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if condition():
                return True
        time.sleep(0.2)
    return False


class Pulls(threading.Thread):
    """Pulls an image again and again; what went wrong each time, nothing when it succeeded."""

    def __init__(self, host: Host, image: str) -> None:
        super().__init__()
        self._host = host
        forget = f"docker image rm --force {image} {APP} >/dev/null 2>&1"
        self._command = f"{forget}; docker pull --quiet {image} 2>&1 >/dev/null || echo failed"
        self.problems: list[str] = []

    def run(self) -> None:
        for _ in range(PULLS):
            self.problems.append(self._host.run(self._command).stdout.strip())


def test_pulls_go_on_when_the_host_that_holds_the_address_dies(
    hosts: dict[str, Host], addresses: dict[str, str], registry: Registry, pushed: str
) -> None:
    holder = holders(hosts, registry.address)[0]
    survivor = next(name for name in REGISTRIES if name != holder)
    pulls = Pulls(hosts["fleet1"], pushed)

    with Watch(registry.address, 443, str(registry.ca)) as watch:
        pulls.start()
        eventually(lambda: bool(pulls.problems))
        subprocess.run(["docker", "kill", LAB_HOST.format(holder)], check=True, capture_output=True)
        begun = len(pulls.problems) + 1
        pulls.join()
    # What was on its way through the host that died is lost; whatever begins afterwards succeeds.
    assert len(pulls.problems) == PULLS > begun
    assert pulls.problems[begun:] == [""] * (PULLS - begun)
    assert len([problem for problem in pulls.problems if problem]) <= 1
    assert watch.longest_gap < CLIENT_RETRY
    for address in (registry.address, *further(registry)):
        assert holders(hosts, address, (survivor,)) == [survivor]

    # Back again it serves, and does not take the address from the one that serves it well.
    subprocess.run(["docker", "start", LAB_HOST.format(holder)], check=True, capture_output=True)
    back = replace(registry, address=addresses[holder])
    assert eventually(lambda: back.ask("/v2/", user="fleet").status == 200)
    assert holders(hosts, registry.address) == [survivor]
