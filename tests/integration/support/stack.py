# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole stack as deploy makes it, on hosts of the lab: three nodes with Garage on their own disks, and a host of the fleet that pushes and pulls."""

from __future__ import annotations

import json
import secrets
import subprocess
import typing as t
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from outside import Registry

from ansible_collections.airlift.registry.tests.integration.support.lab import NAME, Lab, eventually, lab
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible
from ansible_collections.airlift.registry.tests.unit.plugins.support.bundles import Signer

LAB = f"stack-{NAME}"
NODES = ("registry1", "registry2", "registry3")
FLEET = "fleet1"
SPEC = {"hosts": {**{node: {"groups": ["registry"]} for node in NODES}, FLEET: {"groups": ["fleet"]}}}
FQDN = "registry.example.com"
IMAGES = {
    "registry_image": "docker.io/airlift-lab/registry:3.1.2",
    "load_balancer_image": "docker.io/airlift-lab/haproxy:3.0",
    "object_store_image": "docker.io/airlift-lab/garage:2.4.1",
}
HEALTHY_SECONDS = 180


@dataclass(frozen=True)
class Stack:
    """The hosts, and the registry as a client sees it."""

    lab: Lab
    registry: Registry

    @property
    def variables(self) -> Path:
        return self.lab.state / "stack.json"

    def container(self, host: str) -> str:
        return f"airlift-{self.lab.name}-{host}"

    def playbook(self, name: str, *options: str) -> str:
        """Run a playbook of the collection; what it said."""
        inventory = ("--inventory", str(self.lab.inventory), "--extra-vars", f"@{self.variables}")
        command = ["ansible-playbook", *inventory, *options, f"airlift.registry.{name}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr
        return done.stdout

    def pid(self, host: str) -> int:
        """The first process of a host, as the machine numbers it; 0 when the host is down."""
        command = ["docker", "inspect", "--format", "{{.State.Pid}}", self.container(host)]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def holders(self) -> list[str]:
        """The nodes that have the virtual IP, also those that nobody can reach or that are frozen."""
        pids = {node: self.pid(node) for node in NODES}
        return [node for node, pid in pids.items() if pid and self._holds(pid)]

    def _holds(self, pid: int) -> bool:
        command = ["nsenter", "--target", str(pid), "--net", "ip", "-brief", "address", "show", "to"]
        return bool(subprocess.run([*command, self.registry.address], capture_output=True, check=False).stdout)

    def holder(self) -> str:
        """The one node that has the virtual IP."""
        (node,) = self.holders()
        return node

    def sick(self) -> str:
        """What does not serve yet; nothing when all does."""
        holders = self.holders()
        if len(holders) != 1:
            return f"the virtual IP is on {holders}"
        return next((f"{node}: {said}" for node in NODES if (said := self._sick(node))), "")

    def _sick(self, node: str) -> str:
        """Garage serves, and the node's balancer sends requests to every registry."""
        places = ["3903/health", "8404/health", *(f"8404/registries/{name}" for name in NODES)]
        ask = "curl --silent --max-time 2 --output /dev/null --write-out '%{http_code}' http://127.0.0.1:"
        script = "; ".join(f'test "$({ask}{place})" = 200 || echo {place}' for place in places)
        return self.lab.run(node, f"({script}) 2>&1", check=False)

    def wait(self) -> None:
        """Until all of it serves, with the address on one node."""
        eventually(lambda: not self.sick(), "the whole stack", HEALTHY_SECONDS)


@contextmanager
def deployed(lab_of_stack: Lab, ansible: Ansible, signer: Signer, directory: Path) -> Iterator[Stack]:
    """The stack, deployed if the lab is a new one."""
    stack = Stack(lab_of_stack, _registry(lab_of_stack))
    if not _serves(stack.registry):
        _make_bundle(ansible, signer, directory)
        _write_variables(stack, signer, directory)
        stack.playbook("deploy")
    yield stack


def _registry(lab_of_stack: Lab) -> Registry:
    """Passwords are made once for a lab."""
    path = lab_of_stack.state / "passwords.json"
    if not path.exists():
        path.write_text(json.dumps({user: secrets.token_urlsafe(24) for user in ("publisher", "fleet")}))
    variables = json.loads(
        subprocess.run(
            ["ansible-inventory", "--inventory", lab_of_stack.inventory, "--host", NODES[0]],
            check=True, stdout=subprocess.PIPE,
        ).stdout
    )  # fmt: skip
    ca = lab_of_stack.state / "airlift-certificates" / "server-ca.crt"
    return Registry(FQDN, variables["lab_virtual_ip"], ca, json.loads(path.read_text()))


def _serves(registry: Registry) -> bool:
    try:
        return registry.ask("/v2/", "fleet").status == 200
    except OSError:
        return False


def _make_bundle(ansible: Ansible, signer: Signer, directory: Path) -> None:
    lab("image", "registry", "haproxy", "garage")
    wanted = [f"docker-daemon:{name.removeprefix('docker.io/')}" for name in IMAGES.values()]
    made = ansible.local("bundle", {"path": str(directory / "stack"), "images": wanted, "signing_key": str(signer.key)})
    assert not made.get("failed"), made


def _write_variables(stack: Stack, signer: Signer, directory: Path) -> None:
    passwords = stack.registry.passwords
    variables: dict[str, t.Any] = {
        "registry_fqdn": FQDN,
        "registry_virtual_ip": stack.registry.address,
        "registry_bundle": str(directory / "stack"),
        "registry_allowed_signers": str(signer.allowed_signers),
        "registry_users": [{"name": name, "password": password} for name, password in passwords.items()],
        "registry_rules": [
            {"users": ["publisher"], "repositories": ["**"], "allow": ["pull", "push", "delete", "list"]},
            {"users": ["fleet"], "repositories": ["**"], "allow": ["pull", "list"]},
        ],
        "registry_object_store": "garage",
        "object_store_capacity": "1G",
        "client_hosts_entry": True,
        "client_username": "fleet",
        "client_password": passwords["fleet"],
        **IMAGES,
    }
    stack.variables.touch(mode=0o600)
    stack.variables.write_text(json.dumps(variables))
