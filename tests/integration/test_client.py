# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role client on real hosts: every engine pulls from a registry that it did not trust before, none is restarted, and all of it is taken back."""

from __future__ import annotations

import json
import subprocess
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ansible_collections.airlift.registry.tests.integration.conftest import brought_up
from ansible_collections.airlift.registry.tests.integration.support import lab as labs
from ansible_collections.airlift.registry.tests.integration.support.lab import Lab
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible
from ansible_collections.airlift.registry.tests.integration.support.registries import Registry, distribution
from ansible_collections.airlift.registry.tests.unit.plugins.support import images
from ansible_collections.airlift.registry.tests.unit.plugins.support.certificates import make_certificate

NAME = f"{labs.NAME}-c"
HOSTS = ("docker1", "podman1")
HELPED = "docker1"  # has a credential helper
SPEC = {"hosts": {"docker1": {"groups": ["fleet"]}, "podman1": {"groups": ["fleet"], "engine": "podman"}}}
# What asks a registry for something, on its host. {} is the registry.
ASKING = {
    "docker": ("docker1", "docker pull {}/tiny:v1"),
    "containerd": ("docker1", "ctr image pull --hosts-dir /etc/containerd/certs.d {}/tiny:v1"),
    "podman": ("podman1", "podman pull {}/tiny:v1"),
    "the system of docker1": ("docker1", "curl --silent --show-error --fail https://{}/v2/"),
    "the system of podman1": ("podman1", "curl --silent --show-error --fail https://{}/v2/"),
}
# A credential helper that keeps what it is given in a file, in Docker's protocol (docker-credential-helpers, README).
HELPER = """#!/bin/sh
umask 077
case $1 in
version) echo "docker-credential-lab 1" ;;
store) cat >/root/kept ;;
get) cat /root/kept 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; } ;;
erase) rm -f /root/kept ;;
esac
"""
OTHER: dict[str, dict[str, t.Any]] = {
    "auths": {"registry.of.another": {"auth": "YTpi"}},
    "credHelpers": {"another.example.com": "other"},
}
CONFIG = "/root/.docker/config.json"
PROCESSES = "systemctl show --property MainPID docker containerd podman.socket"
Stage = t.Literal["before", "with", "after"]


@dataclass
class Journey:
    """What was seen before, with and after the client."""

    answers: dict[Stage, dict[str, str]] = field(default_factory=dict)  # what went wrong, by who asked
    configs: dict[tuple[Stage, str], str] = field(default_factory=dict)  # Docker's, by host
    modes: dict[tuple[Stage, str], str] = field(default_factory=dict)
    changed: dict[str, set[str]] = field(default_factory=dict)  # tasks that changed something, by run
    processes: set[str] = field(default_factory=set)
    kept: dict[str, str] = field(default_factory=dict)


class Place(t.NamedTuple):
    """Hosts, a registry that they reach, and Ansible."""

    lab: Lab
    registry: Registry
    ansible: Ansible
    authorities: Path  # a file with the registry's, and before it the one that the site had

    def run(self, entry_point: str, *options: str, **variables: t.Any) -> set[str]:
        """Apply the role; the hosts on which it changed something."""
        address, _, port = self.registry.host.partition(":")
        client = {
            "client_fqdn": address, "client_port": int(port), "client_ca": str(self.authorities), "client_system_trust": True,
            "client_username": "fleet", "client_password": "the password", "client_credential_helper": f"{{{{ 'lab' if inventory_hostname == '{HELPED}' else '' }}}}", **variables,
        }  # fmt: skip
        role = {"name": "airlift.registry.client", "tasks_from": entry_point}
        results = self.ansible.play("fleet", [{"ansible.builtin.include_role": role, "vars": client}], *options)
        failed = [result for task in results for result in task.values() if result.get("failed")]
        if failed:
            raise AssertionError([result.get("msg") for result in failed])
        return {host for task in results for host, result in task.items() if result.get("changed")}

    def look(self, journey: Journey, stage: Stage) -> None:
        journey.answers[stage] = {name: self._ask(host, command) for name, (host, command) in ASKING.items()}
        for host in HOSTS:
            journey.configs[stage, host] = self.lab.run(host, f"cat {CONFIG}")
            journey.modes[stage, host] = self.lab.run(host, f"stat --format %a {CONFIG}")
        journey.processes.add("\n".join(self.lab.run(host, PROCESSES) for host in HOSTS))
        journey.kept[stage] = self.lab.run(HELPED, "cat /root/kept 2>/dev/null", check=False)

    def _ask(self, host: str, command: str) -> str:
        """What went wrong, or nothing."""
        script = f"{command.format(self.registry.host)} >/tmp/said 2>&1 || cat /tmp/said"
        return self.lab.run(host, script)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Place]:
    directory = tmp_path_factory.mktemp("client")
    (directory / "plays").mkdir()
    (directory / "registry").mkdir()
    labs.lab("image", "host", "host-podman", "registry")
    for lab in brought_up(NAME, SPEC, directory):
        with distribution(directory / "registry", "client", NAME) as registry:
            push(registry, directory / "tiny.tar")
            for host in HOSTS:
                furnish(lab, host, directory)
            former = make_certificate(directory).path.read_bytes()
            (directory / "both.crt").write_bytes(former + registry.ca.read_bytes())
            yield Place(lab, registry, Ansible(lab.inventory, directory / "plays"), directory / "both.crt")


def push(registry: Registry, archive: Path) -> None:
    """An image of one file."""
    name = f"{labs.NAME}:tiny"
    subprocess.run(
        ["docker", "import", "-", name], input=images.tar([images.Member("file", b"x")]), check=True, stdout=subprocess.DEVNULL
    )  # fmt: skip
    try:
        target = f"docker://{registry.host}/tiny:v1"
        subprocess.run(
            ["skopeo", "copy", "--quiet", "--dest-cert-dir", registry.certs, f"docker-daemon:{name}", target],
            check=True,
        )
    finally:
        subprocess.run(["docker", "rmi", name], check=True, stdout=subprocess.DEVNULL)


def furnish(lab: Lab, host: str, directory: Path) -> None:
    """A credential helper, and a login of somebody else's that everybody may read."""
    for content, target in ((HELPER, "/usr/local/bin/docker-credential-lab"), (json.dumps(OTHER), CONFIG)):
        (directory / "file").write_text(content)
        lab.run(host, "mkdir -p /root/.docker")
        lab.copy(host, str(directory / "file"), target)
        lab.run(host, f"chmod 755 {target}")


@pytest.fixture(scope="module")
def journey(place: Place) -> Journey:
    found = Journey()
    place.look(found, "before")
    found.changed["check mode"] = place.run("main", "--check")
    found.changed["run"] = place.run("main")
    found.changed["second run"] = place.run("main")
    place.look(found, "with")
    found.changed["removal"] = place.run("absent")
    found.changed["second removal"] = place.run("absent")
    place.look(found, "after")
    return found


@pytest.mark.parametrize("name", ASKING)
def test_it_trusts_the_registry_as_long_as_the_client_is_there(journey: Journey, name: str) -> None:
    assert "certificate" in journey.answers["before"][name]
    assert journey.answers["with"][name] == ""
    assert "certificate" in journey.answers["after"][name]


@pytest.mark.parametrize("host", HOSTS)
def test_the_password_is_where_it_shall_be_and_nothing_of_others_is_touched(
    journey: Journey, place: Place, host: str
) -> None:
    config = json.loads(journey.configs["with", host])
    if host == HELPED:
        assert config == {**OTHER, "credHelpers": {**OTHER["credHelpers"], place.registry.host: "lab"}}
        assert "the password" in journey.kept["with"]
    else:
        assert config["auths"].keys() == {*OTHER["auths"], place.registry.host}
    assert (json.loads(journey.configs["after", host]), journey.kept["after"]) == (OTHER, "")
    assert journey.modes["with", host] == journey.modes["after", host] == "600"


def test_no_daemon_is_restarted(journey: Journey) -> None:
    assert len(journey.processes) == 1


def test_runs_change_what_they_say(journey: Journey) -> None:
    both = set(HOSTS)
    assert journey.changed == {
        "check mode": both, "run": both, "second run": set(), "removal": both, "second removal": set()
    }  # fmt: skip


def test_a_helper_that_is_not_there_is_named(place: Place, journey: Journey) -> None:
    with pytest.raises(AssertionError, match="docker-credential-nothing does not work here"):
        place.run("main", client_credential_helper="nothing")
