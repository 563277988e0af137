# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bounded load of pulls and pushes on a stack, what became of each, and whether all that was acknowledged is there."""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
import time
import typing as t
import uuid
from dataclasses import dataclass, field
from functools import partial

from demo.watch import Watch

from ansible_collections.airlift.registry.tests.integration.support.lab import eventually
from ansible_collections.airlift.registry.tests.integration.support.stack import FLEET, FQDN, Stack

PULLED = f"{FQDN}/load/pulled"
LAYER = 3_000_000  # bytes
# One after the other, each begins this long after the last has ended, so that the load leaves room for the stack on a small machine.
PAUSE = 0.2
MANIFESTS, BLOBS = "/v2/{}/manifests/{}", "/v2/{}/blobs/{}"


@dataclass(frozen=True)
class Try:
    """One pull, push or question: when it began and ended (time.monotonic), and what went wrong."""

    begun: float
    ended: float
    problem: str

    @property
    def seconds(self) -> float:
        return self.ended - self.begun


class Client(threading.Thread):
    """Does one thing again and again until it is told to stop. What it does answers what went wrong."""

    def __init__(self, stop: threading.Event, work: t.Callable[[], str]) -> None:
        super().__init__(daemon=True)
        self._stop_asked = stop
        self._work = work
        self.tries: list[Try] = []

    def run(self) -> None:
        while not self._stop_asked.wait(PAUSE):
            begun = time.monotonic()
            problem = self._work()
            self.tries.append(Try(begun, time.monotonic(), problem))


@dataclass
class Load:
    """Two hosts' worth of `docker pull`, one of `docker push`, one of plain questions, and a watch for new connections."""

    stack: Stack
    stop: threading.Event = field(default_factory=threading.Event)
    acknowledged: set[str] = field(default_factory=set)
    begun: set[str] = field(default_factory=set)

    def __enter__(self) -> Load:
        self.pulls = [Client(self.stop, partial(self._pull, number)) for number in range(2)]
        self.pushes = [Client(self.stop, self._push)]
        self.questions = [Client(self.stop, self._question)]
        self.watch = Watch(self.stack.registry.address, 443, str(self.stack.registry.ca))
        self.watch.__enter__()
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, *_error: t.Any) -> None:
        self.stop.set()
        for client in self.clients:
            client.join()
        self.watch.__exit__()

    @property
    def clients(self) -> list[Client]:
        return [*self.pulls, *self.pushes, *self.questions]

    def wait_for_success(self, since: float, seconds: float = 60) -> None:
        """Until each client has succeeded with something that it began after that time."""
        eventually(lambda: all(_has_success(client, since) for client in self.clients), "a success of each", seconds)

    def _pull(self, number: int) -> str:
        image = f"{PULLED}:v{number}"
        return self._docker(f"docker image rm --force {image} >/dev/null 2>&1; docker pull --quiet {image}")

    def _push(self) -> str:
        repository = f"load/{uuid.uuid4().hex}"
        self.begun.add(repository)
        problem = self._docker(push_script(f"{FQDN}/{repository}:v1", LAYER // 10))
        if not problem:
            self.acknowledged.add(repository)
        return problem

    def _docker(self, script: str) -> str:
        done = subprocess.run(
            ["docker", "exec", self.stack.container(FLEET), "sh", "-ec", script], capture_output=True, text=True
        )
        return "" if done.returncode == 0 else done.stderr.strip() or f"it ended with {done.returncode}"

    def _question(self) -> str:
        try:
            answer = self.stack.registry.ask(MANIFESTS.format("load/pulled", "v0"), "fleet")
        except OSError as error:
            return str(error)
        return "" if answer.status == 200 else f"answer {answer.status}"


def _has_success(client: Client, since: float) -> bool:
    return any(entry.begun >= since and not entry.problem for entry in client.tries)


def push_script(reference: str, size: int) -> str:
    """Commands that make an image of one random layer, push it and forget it, and end as the push did."""
    make = f"head -c {size} /dev/urandom >data; tar -c data | docker import - {reference} >/dev/null"
    push = f"docker --config /root/publisher push --quiet {reference} >/dev/null && code=0 || code=$?"
    return f"cd $(mktemp -d); {make}; {push}; docker image rm --force {reference} >/dev/null; rm -r $PWD; exit $code"


def prepare(stack: Stack) -> None:
    """Log in as one who may push, and push what will be pulled."""
    login = f"docker --config /root/publisher login --username publisher --password-stdin {FQDN}"
    stack.lab.run(FLEET, f"printf %s {stack.registry.passwords['publisher']} | {login} 2>&1")
    for number in range(2):
        stack.lab.run(FLEET, push_script(f"{PULLED}:v{number}", LAYER))


def is_whole(stack: Stack, repository: str, tag: str = "v1") -> bool:
    """Whether a tag is there, with all its blobs, each of the digest by which it is asked for; False when there is no such tag."""
    answer = stack.registry.ask(MANIFESTS.format(repository, tag), "publisher")
    if answer.status == 404:
        return False
    assert answer.status == 200, (repository, answer)
    assert answer.headers["docker-content-digest"] == _digest(answer.body), repository
    manifest = json.loads(answer.body)
    for blob in (manifest["config"], *manifest["layers"]):
        content = stack.registry.ask(BLOBS.format(repository, blob["digest"]), "publisher")
        assert (content.status, _digest(content.body)) == (200, blob["digest"]), (repository, content.status)
    return True


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
