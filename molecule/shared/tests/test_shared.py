# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three registry hosts that share a directory, and remember blobs in one Valkey: whatever becomes of that, nothing is lost."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fleet import Client, eventually, host_of, inventory_of, playbook
from outside import Registry
from testinfra.host import Host

FILES = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / ".cache" / "molecule" / "shared"
CERTIFICATES = FILES / "airlift-certificates"
VARIABLES = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]) / "variables.yml"
REGISTRIES = ("registry1", "registry2", "registry3")
FQDN = "registry.example.com"
VALKEY = "airlift-cache-valkey-1"
# Far longer than a pull that waits for the cache once in a while, far shorter than one that waits for each question.
PULL_SECONDS = 60
MANIFESTS = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture(scope="module")
def hosts() -> dict[str, Host]:
    return {name: host_of(FILES, name) for name in (*REGISTRIES, "fleet1")}


@pytest.fixture(scope="module")
def client(hosts: dict[str, Host]) -> Client:
    return Client.of(hosts["fleet1"], FQDN, (FILES / "passwords/publisher").read_text().strip())


@pytest.fixture(scope="module")
def registry(hosts: dict[str, Host]) -> Registry:
    address = hosts["registry1"].ansible.get_variables()["lab_virtual_ip"]
    passwords = {"publisher": (FILES / "passwords/publisher").read_text().strip()}
    return Registry(FQDN, address, CERTIFICATES / "server-ca.crt", passwords)


@pytest.fixture(scope="module")
def address(hosts: dict[str, Host]) -> str:
    """Where Valkey listens."""
    return str(hosts["registry1"].ansible.get_variables()["ansible_host"])


@pytest.fixture(scope="module")
def pushed(client: Client) -> str:
    return client.push("airlift-lab/pushed")


def layers(registry: Registry, repository: str) -> list[str]:
    """Digests of the layers of a pushed app."""
    manifest = json.loads(registry.ask(f"/v2/{repository}/manifests/v1", "publisher", accept=MANIFESTS).body)
    return [layer["digest"] for layer in manifest["layers"]]


def statuses(registry: Registry, path: str) -> set[int]:
    """What the registries answer: the balancer asks them in turn."""
    return {registry.ask(path, "publisher", method="HEAD").status for _ in range(2 * len(REGISTRIES))}


def ask(host: Host, address: str, *command: str, user: str = "registry", password: str = "") -> str:
    """What Valkey answers, asked from its own container."""
    secret = password or (CERTIFICATES / "cache-password").read_text().strip()
    tls = "--tls --insecure"
    words = " ".join(f"'{word}'" for word in command)
    return host.check_output(
        f"docker exec --env REDISCLI_AUTH={secret} {VALKEY} valkey-cli --no-auth-warning -h {address} {tls} --user {user} {words} 2>&1"
    )


@contextmanager
def signalled(host: Host, begin: str, end: str) -> Iterator[None]:
    """Valkey in another state for a while."""
    host.check_output(f"docker {begin} {VALKEY}")
    try:
        yield
    finally:
        host.check_output(f"docker {end} {VALKEY}")


def test_the_cache_listens_on_the_address_of_its_node_only(hosts: dict[str, Host], address: str) -> None:
    listening = hosts["registry1"].check_output("ss --no-header --listening --tcp --numeric").split()
    assert {place for place in listening if place.endswith(":6379")} == {f"{address}:6379"}
    assert all(":6379" not in hosts[name].check_output("ss --no-header -ltn") for name in REGISTRIES[1:])


def test_the_cache_is_nobody_and_may_write_nowhere(hosts: dict[str, Host]) -> None:
    inspect = "docker inspect --format '{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}'"
    assert hosts["registry1"].check_output(f"{inspect} {VALKEY}") == "65534:65534 true [ALL]"
    assert hosts["registry1"].file("/etc/airlift/cache").mode == 0o700
    secret = (CERTIFICATES / "cache-password").read_text().strip()
    assert hosts["registry1"].run(f"grep -rqF {secret} /etc/airlift/cache").rc == 1
    assert secret not in hosts["registry1"].check_output("docker inspect $(docker ps --quiet); ps -ef")


@pytest.mark.parametrize(
    ("changes", "command", "answer"),
    [
        ({"password": "wrong"}, ("PING",), "WRONGPASS"),
        ({"user": "default"}, ("PING",), "WRONGPASS"),
        ({}, ("FLUSHALL",), "NOPERM"),
        ({}, ("CONFIG", "GET", "dir"), "NOPERM"),
        ({}, ("SET", "blobs::a", "b"), "NOPERM"),
        ({}, ("HSET", "elsewhere", "a", "b"), "NOPERM"),
    ],
    ids=["a wrong password", "no user", "to empty it", "to configure it", "a command of no use", "another's key"],
)
def test_the_cache_refuses(
    hosts: dict[str, Host], address: str, changes: dict[str, str], command: tuple[str, ...], answer: str
) -> None:
    assert answer in ask(hosts["registry1"], address, *command, **changes)


def test_the_cache_speaks_tls_only(hosts: dict[str, Host], address: str) -> None:
    said = hosts["registry1"].run(f"docker exec {VALKEY} timeout 10 valkey-cli -h {address} PING")
    assert "PONG" not in said.stdout


def hits(host: Host) -> int:
    """How many questions a registry did not have to ask its storage."""
    said = host.check_output("curl --silent http://127.0.0.1:5001/metrics")
    return int(
        sum(
            float(line.split()[-1])
            for line in said.splitlines()
            if line.startswith("registry_storage_cache_hits_total")
        )
    )


def test_every_registry_asks_the_cache(hosts: dict[str, Host], registry: Registry, pushed: str) -> None:
    before = {name: hits(hosts[name]) for name in REGISTRIES}
    digest = layers(registry, "airlift-lab/pushed")[0]
    assert statuses(registry, f"/v2/airlift-lab/pushed/blobs/{digest}") == {200}
    assert all(hits(hosts[name]) > before[name] for name in REGISTRIES)


def test_what_one_registry_deletes_no_other_one_remembers(registry: Registry, client: Client) -> None:
    client.push("airlift-lab/deleted")
    path = f"/v2/airlift-lab/deleted/blobs/{layers(registry, 'airlift-lab/deleted')[0]}"
    assert statuses(registry, path) == {200}
    assert registry.ask(path, "publisher", method="DELETE").status == 202
    assert statuses(registry, path) == {404}


def test_images_are_pushed_and_pulled_while_the_cache_is_dead(
    hosts: dict[str, Host], client: Client, pushed: str
) -> None:
    with signalled(hosts["registry1"], "kill", "start"):
        print(f"a pull with a dead cache: {client.pull(pushed):.1f} s")
        assert client.pull(client.push("airlift-lab/without-cache")) < PULL_SECONDS
    assert client.pull(pushed) < PULL_SECONDS


def test_nothing_waits_long_for_a_frozen_cache(hosts: dict[str, Host], client: Client, pushed: str) -> None:
    print(f"a pull with a cache: {client.pull(pushed):.1f} s")
    with signalled(hosts["registry1"], "kill --signal STOP", "kill --signal CONT"):
        took = client.pull(pushed)
        print(f"the first pull with a frozen cache: {took:.1f} s, another one {client.pull(pushed):.1f} s")
        assert took < PULL_SECONDS
        assert client.pull(client.push("airlift-lab/frozen")) < PULL_SECONDS


def test_a_deletion_is_refused_while_others_might_remember(
    hosts: dict[str, Host], registry: Registry, client: Client
) -> None:
    client.push("airlift-lab/kept")
    path = f"/v2/airlift-lab/kept/blobs/{layers(registry, 'airlift-lab/kept')[0]}"
    with signalled(hosts["registry1"], "kill", "start"):
        assert registry.ask(path, "publisher", method="DELETE").status == 500
        assert statuses(registry, path) == {200}
    assert eventually(lambda: registry.ask(path, "publisher", method="DELETE").status == 202, 30)
    assert statuses(registry, path) == {404}


def test_a_cache_that_was_emptied_fills_again(
    hosts: dict[str, Host], registry: Registry, client: Client, pushed: str
) -> None:
    digest = layers(registry, "airlift-lab/pushed")[0]
    hosts["registry1"].check_output(f"docker restart {VALKEY}")
    client.pull(pushed)
    assert eventually(lambda: remembered(hosts["registry1"], digest), 30)


def remembered(host: Host, digest: str) -> bool:
    address = str(host.ansible.get_variables()["ansible_host"])
    return digest in ask(host, address, "HMGET", f"blobs::{digest}", "digest", "size")


@pytest.mark.parametrize("wrong", ["the size", "the digest", "the kind of value"])
def test_a_wrong_answer_of_the_cache_loses_nothing(
    hosts: dict[str, Host], registry: Registry, client: Client, address: str, pushed: str, wrong: str
) -> None:
    """Whoever is in Valkey can break pulls, and nothing else: no host takes other bytes for the image, and once it forgets all is as before."""
    first, last = layers(registry, "airlift-lab/pushed")[0], layers(registry, "airlift-lab/pushed")[-1]
    client.pull(pushed)
    for command in poison(wrong, first, last):
        ask(hosts["registry1"], address, *command)
    client.forget()
    pulled = client.host.run(f"docker pull --quiet {pushed}")
    assert pulled.rc or client.host.check_output(f"docker run --rm {pushed}") == "app v1"
    print(f"with {wrong} wrong: {pulled.rc} {pulled.stderr.strip()[:200]}")
    hosts["registry1"].check_output(f"docker restart {VALKEY}")
    client.pull(pushed)


def poison(wrong: str, digest: str, other: str) -> list[tuple[str, ...]]:
    """Commands of the registry's own user that make the cache say something else of a blob."""
    key = f"blobs::{digest}"
    commands: dict[str, list[tuple[str, ...]]] = {
        "the size": [("HSET", key, "size", "11")],
        "the digest": [("HSET", key, "digest", other)],
        "the kind of value": [("DEL", key), ("SADD", key, "nonsense")],
    }
    return commands[wrong]


def test_the_first_node_leaves_and_comes_back(hosts: dict[str, Host], client: Client, pushed: str) -> None:
    """It has the cache, too, which the next one takes over."""
    first, *others = REGISTRIES
    run = playbook("remove_node", (inventory_of(FILES, registry=others, registry_leaving=[first]), VARIABLES))
    assert run.returncode == 0, run.stdout[-6000:]
    assert hosts[first].check_output("docker ps --quiet; ls /etc/airlift") == ""
    assert VALKEY in hosts[others[0]].check_output("docker ps")
    client.pull(pushed)
    without = client.push("airlift-lab/without-it")
    client.pull(without)

    run = playbook("deploy", (FILES / "inventory.yml", VARIABLES))
    assert run.returncode == 0, run.stdout[-6000:]
    assert VALKEY not in hosts[others[0]].check_output("docker ps")
    for reference in (pushed, without):
        client.pull(reference)
