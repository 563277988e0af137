# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of the fleet that pushes and pulls by its engine, and what tests of molecule scenarios wait with."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import testinfra
import yaml
from testinfra.host import Host

APP = "airlift-lab/app:v1"


def host_of(files: Path, name: str) -> Host:
    """A host of the scenario whose files these are, as root."""
    return testinfra.get_host(f"ansible://{name}?ansible_inventory={files / 'inventory.yml'}", sudo=True)


def eventually(condition: Callable[[], bool], seconds: float = 60) -> bool:
    """Whether the condition becomes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        # So testinfra says that a host which is starting does not answer yet.
        with contextlib.suppress(RuntimeError, OSError):
            if condition():
                return True
        time.sleep(0.2)
    return False


def playbook(name: str, inventories: Iterable[Path], *variables: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook of the collection."""
    command = ["ansible-playbook", f"airlift.registry.{name}"]
    command += [word for inventory in inventories for word in ("--inventory", str(inventory))]
    command += [word for variable in variables for word in ("--extra-vars", variable)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def inventory_of(files: Path, **groups: Iterable[str]) -> Path:
    """The scenario's inventory with other hosts in some groups."""
    inventory = yaml.safe_load((files / "inventory.yml").read_text())
    for name, hosts in groups.items():
        inventory["all"]["children"][name] = {"hosts": {host: {} for host in hosts}}
    changed = files / "changed.yml"
    changed.write_text(yaml.safe_dump(inventory))
    return changed


@dataclass(frozen=True)
class Client:
    """A host that has the lab's app, and a login of who may push."""

    host: Host
    fqdn: str

    @classmethod
    def of(cls, host: Host, fqdn: str, password: str) -> Client:
        """Log in as the publisher."""
        login = "docker --config /root/publisher login --username publisher --password-stdin"
        host.check_output(f"printf %s {password} | {login} {fqdn}")
        return cls(host, fqdn)

    def push(self, name: str) -> str:
        """Push the app under a new name; its reference in the registry."""
        reference = f"{self.fqdn}/{name}:v1"
        self.host.check_output(f"docker tag {APP} {reference}")
        self.host.check_output(f"docker --config /root/publisher push --quiet {reference}")
        return reference

    def pull(self, reference: str) -> float:
        """Pull it with all its layers, and put the app back under its own name; how long the pull took, in seconds."""
        self.forget()
        begun = time.monotonic()
        self.host.check_output(f"docker pull --quiet {reference}")
        took = time.monotonic() - begun
        assert self.host.check_output(f"docker run --rm {reference}") == "app v1"
        self.host.check_output(f"docker tag {reference} {APP}")
        return took

    def forget(self) -> None:
        """Remove the app under all its names."""
        self.host.check_output(f"docker images --quiet {APP} | xargs --no-run-if-empty docker image rm --force")
