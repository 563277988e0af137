# Copyright (c) 2026, The airlift.registry authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can happen to a stack, done for real: each fault, and how it ends where it does not end by itself."""

from __future__ import annotations

import subprocess
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.airlift.registry.tests.integration.support.stack import Stack

Act = t.Callable[[Stack, str], object]


def nothing(_stack: Stack, _node: str) -> None:
    """It ends, or begins, by itself."""


@dataclass(frozen=True)
class Fault:
    """What strikes a node, and what mends it."""

    strike: Act
    mend: Act = nothing


def on_node(command: str) -> Act:
    """Run a command on the node."""
    return lambda stack, node: stack.lab.run(node, command)


def of_host(verb: str) -> Act:
    """What the machine's engine does to a whole host."""
    return lambda stack, node: _docker(verb, stack.container(node))


def _docker(*command: str) -> None:
    subprocess.run(["docker", *command], check=True, stdout=subprocess.DEVNULL)


def kill(project: str, service: str) -> Act:
    """SIGKILL to the first process of a container of the stack; its engine starts it again."""
    return on_node(f"kill -KILL $(docker inspect --format '{{{{.State.Pid}}}}' {_name(project, service)})")


def stay_down(project: str, service: str) -> Fault:
    """The same, and it is not started again before it is mended."""
    container = _name(project, service)
    return Fault(on_node(f"docker kill {container}"), on_node(f"docker start {container}"))


def _name(project: str, service: str) -> str:
    return f"airlift-{project}-{service}-1"


# A queue into which no packet fits: what goes there is lost, and nobody is told.
_LOSE = ("root", "tbf", "rate", "8bit", "burst", "10", "limit", "10")


def lose_what_it_sends(stack: Stack, node: str, verb: str = "add") -> None:
    namespace = ["nsenter", "--target", str(stack.pid(node)), "--net"]
    subprocess.run([*namespace, "tc", "qdisc", verb, "dev", "eth0", *_LOSE], check=True)


def lose_what_it_gets(stack: Stack, node: str, verb: str = "add") -> None:
    number = stack.lab.run(node, "cat /sys/class/net/eth0/iflink")
    link = next(
        path.parent.name for path in Path("/sys/class/net").glob("*/ifindex") if path.read_text().strip() == number
    )
    subprocess.run(["tc", "qdisc", verb, "dev", link, *_LOSE], check=True)


def _cut(*ways: t.Callable[[Stack, str, str], None]) -> Fault:
    """Silence in these directions, and its end."""

    def strike(stack: Stack, node: str) -> None:
        for way in ways:
            way(stack, node, "add")

    def mend(stack: Stack, node: str) -> None:
        for way in ways:
            way(stack, node, "del")

    return Fault(strike, mend)


ROWS: dict[str, Fault] = {
    "holder's host killed": Fault(of_host("kill"), of_host("start")),
    "HAProxy killed": Fault(kill("load-balancer", "haproxy")),
    "HAProxy stays down": stay_down("load-balancer", "haproxy"),
    "keepalived killed": Fault(on_node("pkill -KILL -x keepalived")),
    "network cut both ways": _cut(lose_what_it_sends, lose_what_it_gets),
    "network cut, sends nothing": _cut(lose_what_it_sends),
}
