# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible, run as people run it, with its answers as data."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

Result = dict[str, t.Any]
Task = dict[str, t.Any]

# What the JSON callback writes is read by the tests; everything else is as a user has it.
JSON = {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}


@dataclass(frozen=True)
class Ansible:
    """ansible-playbook with the lab's inventory. Playbooks are written below I(directory)."""

    inventory: Path
    directory: Path

    def play(self, hosts: str, tasks: t.Sequence[Task], *options: str) -> list[dict[str, Result]]:
        """Run tasks, go on after one that fails; the result of each by host."""
        output = subprocess.run(
            self.command(hosts, tasks, *options),
            env={**os.environ, **JSON},
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            document = json.loads(output.stdout)
        except ValueError:
            raise AssertionError(f"{output.stdout}\n{output.stderr}") from None
        return [task["hosts"] for play in document["plays"] for task in play["tasks"]]

    def module(self, hosts: str, name: str, arguments: Task, *options: str, **keywords: t.Any) -> dict[str, Result]:
        """Run one module; its result by host."""
        (result,) = self.play(hosts, [task(name, arguments, **keywords)], *options)
        return result

    def local(self, name: str, arguments: Task, *options: str) -> Result:
        """Run one module on the controller."""
        return self.module("localhost", name, arguments, *options)["localhost"]

    def preload(self, host: str, arguments: Task, *options: str, **keywords: t.Any) -> Result:
        """Preload one host."""
        return self.module(host, "image_preload", arguments, *options, **keywords)[host]

    def start(self, hosts: str, tasks: t.Sequence[Task], **environment: str) -> Run:
        """Begin to run tasks, in a process group of their own."""
        process = subprocess.Popen(
            self.command(hosts, tasks),
            env={**os.environ, **JSON, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return Run(process)

    def command(self, hosts: str, tasks: t.Sequence[Task], *options: str) -> list[str]:
        path = self.directory / f"play-{len(list(self.directory.iterdir()))}.yml"
        play: Task = {
            "hosts": hosts,
            "gather_facts": False,
            "tasks": [{**entry, "ignore_errors": True} for entry in tasks],
        }
        if hosts == "localhost":
            play.update(connection="local", vars={"ansible_python_interpreter": sys.executable})
        else:
            play["become"] = True
        path.write_text(json.dumps([play]))
        return ["ansible-playbook", "-i", str(self.inventory), *options, str(path)]


@dataclass(frozen=True)
class Run:
    """A run that has begun."""

    process: subprocess.Popen[str]

    def results(self, host: str, seconds: float = 120) -> list[Result]:
        """Wait for the end; what each task said."""
        out, err = self.process.communicate(timeout=seconds)
        assert out, err
        return [task["hosts"][host] for task in json.loads(out)["plays"][0]["tasks"]]

    def result(self, host: str, seconds: float = 120) -> Result:
        """The same for the only task."""
        (result,) = self.results(host, seconds)
        return result

    def kill(self) -> None:
        """SIGKILL, for Ansible and all below it (workers have sessions of their own): nothing can be put in order."""
        for pid in [self.process.pid, *descendants(self.process.pid)]:
            # The commands that it runs end by themselves, too.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.communicate()


def descendants(pid: int) -> list[int]:
    """The processes below a process."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            children.setdefault(int(path.read_text().rpartition(")")[2].split()[1]), []).append(int(path.parent.name))
    found = children.get(pid, [])
    return [*found, *(below for child in found for below in descendants(child))]


def task(name: str, arguments: Task, **keywords: t.Any) -> Task:
    """A task that runs one of the collection's modules."""
    return {"name": name, f"airlift.registry.{name}": arguments, **keywords}
