# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Machines that are only a network namespace each, on one switch: enough for what is about links and addresses alone."""

from __future__ import annotations

import json
import subprocess
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NETWORK = "10.99.0"  # of namespaces that nothing but each other can reach


@dataclass(frozen=True)
class Site:
    """Machines 0 to I(count) - 1. Their names start with I(prefix), and I(directory) has what Ansible needs to reach them."""

    prefix: str
    count: int
    directory: Path

    @property
    def machines(self) -> range:
        return range(self.count)

    def address(self, number: int) -> str:
        return f"{NETWORK}.{number + 1}"

    def namespace(self, number: int) -> str:
        return f"{self.prefix}-{number}"

    def run(self, number: int, *command: str) -> str:
        """What a command says on a machine; it must succeed."""
        return run("ip", "netns", "exec", self.namespace(number), *command)

    def listening(self, number: int) -> set[str]:
        """The addresses, with their ports, on which programs of a machine listen for TCP."""
        return {line.split()[3] for line in self.run(number, "ss", "-Hltn").splitlines()}

    def cut(self, number: int) -> None:
        run("ip", "-n", f"{self.prefix}-hub", "link", "set", f"v{number}", "down")

    def heal(self, number: int) -> None:
        run("ip", "-n", f"{self.prefix}-hub", "link", "set", f"v{number}", "up")

    def shape(self, megabits: int) -> None:
        """Let each machine send and receive no more than this."""
        for number in self.machines:
            limit = ["root", "tbf", "rate", f"{megabits}mbit", "burst", "64kb", "latency", "100ms"]
            run("tc", "-n", self.namespace(number), "qdisc", "add", "dev", "e0", *limit)
            run("tc", "-n", f"{self.prefix}-hub", "qdisc", "add", "dev", f"v{number}", *limit)

    def sent(self, number: int) -> int:
        """Bytes that a machine has put on its link."""
        return int(self.run(number, "cat", "/sys/class/net/e0/statistics/tx_bytes"))

    def inventory(self, interpreter: str) -> Path:
        """An inventory of the machines, as hosts machine0 and so on."""
        hosts = {}
        for number in self.machines:
            wrapper = self.directory / f"python-{number}"
            wrapper.write_text(f'#!/bin/sh\nexec ip netns exec {self.namespace(number)} {interpreter} "$@"\n')
            wrapper.chmod(0o755)
            hosts[f"machine{number}"] = {
                "ansible_connection": "local",
                "ansible_python_interpreter": str(wrapper),
                "address": self.address(number),
                "staging": str(self.directory / f"machine{number}"),
            }
        path = self.directory / "inventory.json"
        path.write_text(json.dumps({"all": {"hosts": hosts}}))
        return path


@contextmanager
def site(prefix: str, count: int, directory: Path) -> t.Iterator[Site]:
    """Machines on one switch, gone at the end with all that runs on them."""
    made = Site(prefix, count, directory)
    _clear(made)
    try:
        hub = f"{prefix}-hub"
        run("ip", "netns", "add", hub)
        run("ip", "-n", hub, "link", "add", "br0", "type", "bridge")
        run("ip", "-n", hub, "link", "set", "br0", "up")
        for number in made.machines:
            name = made.namespace(number)
            run("ip", "netns", "add", name)
            run("ip", "-n", hub, "link", "add", f"v{number}", "type", "veth", "peer", "name", "e0", "netns", name)
            run("ip", "-n", hub, "link", "set", f"v{number}", "master", "br0", "up")
            run("ip", "-n", name, "link", "set", "lo", "up")
            run("ip", "-n", name, "address", "add", f"{made.address(number)}/24", "dev", "e0")
            run("ip", "-n", name, "link", "set", "e0", "up")
        yield made
    finally:
        _clear(made)


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


def _clear(made: Site) -> None:
    known = {line.split()[0] for line in run("ip", "netns", "list").splitlines()}
    for name in (f"{made.prefix}-hub", *map(made.namespace, made.machines)):
        if name in known:
            for pid in run("ip", "netns", "pids", name).split():
                subprocess.run(["kill", "-9", pid], check=False)
            run("ip", "netns", "delete", name)
