# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab of these tests: two real hosts with engines of their own and no way out."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# One lab for each checkout and each of pytest's workers, so that all of them can be at work at the same time.
NAME = f"pytest-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}{os.environ.get('PYTEST_XDIST_WORKER', '')}"
HOSTS = ("fleet1", "fleet2")
SPEC = {"hosts": {host: {"groups": ["fleet"]} for host in HOSTS}}
STAGING = "/var/lib/airlift/staging"
RECORD = "/var/lib/airlift/preloaded.json"

T = t.TypeVar("T")


@dataclass(frozen=True)
class State:
    """What a host shows of its images, and what is in its staging."""

    images: tuple[str, ...]
    staging: tuple[str, ...]


@dataclass(frozen=True)
class Lab:
    """A lab; commands run as root inside its hosts, past ssh, so that they work while a test has ssh broken."""

    state: Path
    name: str = NAME

    @property
    def inventory(self) -> Path:
        return self.state / "inventory.yml"

    def run(self, host: str, command: str, check: bool = True) -> str:
        done = subprocess.run(
            ["docker", "exec", f"airlift-{self.name}-{host}", "sh", "-c", command],
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, f"{host}: {command}\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def start(self, host: str, command: str) -> subprocess.Popen[bytes]:
        """Begin to run a command on the host."""
        return subprocess.Popen(["docker", "exec", f"airlift-{self.name}-{host}", "sh", "-c", command])

    def copy(self, host: str, source: str, target: str) -> None:
        """Bring a file onto the host."""
        with open(source, "rb") as stream:
            command = ["docker", "exec", "-i", f"airlift-{self.name}-{host}", "sh", "-c", 'cat >"$0"', target]
            subprocess.run(command, stdin=stream, check=True)

    def images(self, host: str) -> dict[str, str]:
        """Image IDs by tag."""
        listing = self.run(host, "docker images --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}'")
        return dict(line.split() for line in listing.splitlines())

    def look(self, host: str) -> State:
        """All that a preload could change."""
        images = self.run(host, "docker images --all --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}' | sort")
        files = self.run(host, f"cd {STAGING} 2>/dev/null && stat --format '%n %s' * 2>/dev/null", check=False)
        return State(tuple(images.splitlines()), tuple(files.splitlines()))

    def staged(self, host: str) -> int:
        """Bytes in staging."""
        return sum(int(line.split()[1]) for line in self.look(host).staging)

    def clean(self, host: str) -> None:
        """As if nothing had ever been preloaded. For some seconds after its containerd was killed, Docker takes names away and no image."""
        command = (
            "docker ps --all --quiet | xargs -r docker rm --force >/dev/null;"
            "docker images --quiet | sort -u | xargs -r docker rmi --force >/dev/null;"
            f"rm -rf {STAGING}/* {RECORD}; rmdir {STAGING} 2>/dev/null;"
            "docker images --quiet | grep -q . || echo clean"
        )
        eventually(lambda: self.run(host, command, check=False) == "clean", f"an empty engine on {host}")

    def wait_for_engine(self, host: str) -> None:
        eventually(
            lambda: self.run(host, "docker version --format '{{.Server.Version}}'", check=False), f"engine of {host}"
        )


def lab(*arguments: str) -> str:
    """Run the lab's command."""
    return subprocess.run(
        ["python3", str(ROOT / "molecule/resources/lab"), *arguments], check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def eventually(condition: t.Callable[[], T], what: str, seconds: float = 60) -> T:
    """Wait until the condition holds; its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come within {seconds} s"
        time.sleep(0.02)
    return value


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
