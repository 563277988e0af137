# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab with every engine that one meets, and the way to each engine's socket from outside."""

from __future__ import annotations

import subprocess
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.airlift.registry.plugins.module_utils._engine import Engine
from ansible_collections.airlift.registry.tests.integration.support.lab import NAME, Lab
from ansible_collections.airlift.registry.tests.integration.support.play import Ansible, Result, Task

LAB = f"{NAME}-e"
DOCKER, PODMAN, ROOTLESS = "/run/docker.sock", "/run/podman/podman.sock", "/run/user/1000/podman/podman.sock"
# What a task needs to speak to the engine that belongs to its own user.
AS_USER = {"docker_host": f"unix://{ROOTLESS}", "staging_path": "~/staging", "record_path": "~/preloaded.json"}


class Target(t.NamedTuple):
    """An engine of the lab: its host, its socket there, and the kind of its image store."""

    host: str
    socket: str
    kind: str  # graph, containerd or podman


# By what the lab's spec calls the engine; of podman there is one more, that of an ordinary user.
ENGINES = {
    "docker-20.10-bullseye": Target("bullseye", DOCKER, "graph"),
    "docker-20.10": Target("bookworm", DOCKER, "graph"),
    "docker-26.1": Target("trixie", DOCKER, "graph"),
    "docker-28.5": Target("sid", DOCKER, "graph"),
    "docker-28.5-containerd": Target("sid-containerd", DOCKER, "containerd"),
    "docker-29": Target("docker29", DOCKER, "containerd"),
    "podman": Target("podman", PODMAN, "podman"),
    "podman-rootless": Target("podman", ROOTLESS, "podman"),
}
DEFAULT = "docker-26.1"
SPEC = {
    "hosts": {
        target.host: {"groups": ["fleet"], **({} if name == DEFAULT else {"engine": name})}
        for name, target in ENGINES.items()
        if name != "podman-rootless"
    }
}


@dataclass(frozen=True)
class Engines:
    """The engines of a lab."""

    lab: Lab

    def ansible(self, directory: Path) -> Ansible:
        """Ansible for these hosts, with its playbooks below I(directory)."""
        plays = directory / "plays"
        plays.mkdir(exist_ok=True)
        return Ansible(self.lab.inventory, plays)

    def connect(self, name: str) -> Engine:
        """The engine of that name. Its socket is reached through the file system of its host's first process."""
        target = ENGINES[name]
        command = ["docker", "inspect", "--format", "{{.State.Pid}}", f"airlift-{self.lab.name}-{target.host}"]
        pid = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        return Engine(f"unix:///proc/{pid}/root{target.socket}", 60)


def travelled(
    ansible: Ansible, names: t.Sequence[str], steps: t.Callable[[Task, str], list[Task]]
) -> dict[str, dict[str, Result]]:
    """A journey of these steps over every engine: the result of each step by engine. I(steps) makes the tasks, for options and a client's command."""
    rooted = ansible.play("fleet", steps({}, "docker"), "--forks", "8")
    own = [{**step, "become": False} for step in steps(AS_USER, f"docker -H unix://{ROOTLESS}")]
    rootless = ansible.play("podman", own)
    return {
        name: {
            step: (rootless if target.socket == ROOTLESS else rooted)[number][target.host]
            for number, step in enumerate(names)
        }
        for name, target in ENGINES.items()
    }
